//! An auth server in a process of its own, as the program runs it, writing every event of its log to a file.
//!
//! `auth-node CONFIG LOG`: says on standard output where it listens.
#![allow(clippy::print_stdout, reason = "this is how the harness learns the address")]

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use e2e::log;
use resource_server::settings::process_environment;
use resource_server::time::SystemClock;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [config, log] = arguments.as_slice() else {
        anyhow::bail!("auth-node CONFIG LOG");
    };
    log::write_to(Path::new(log))?;
    let text = std::fs::read_to_string(config)?;
    let config = auth_server::Config::parse(&text, &process_environment)
        .map_err(|faults| anyhow::anyhow!("{faults}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listeners = auth_server::Listeners {
            public: TcpListener::bind(config.server.listen)?,
            management: None,
        };
        let running = auth_server::start(config, listeners, Arc::new(SystemClock)).await?;
        println!("listens on {}", running.address());
        running.wait().await?;
        Ok(())
    })
}
