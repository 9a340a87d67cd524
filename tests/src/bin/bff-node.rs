//! A BFF in a process of its own, as the program runs it, with a clock that the harness moves.
//!
//! `bff-node CONFIG CLOCK LOG`: says on standard output where it listens, and writes every event of its log to a file.
#![allow(clippy::print_stdout, reason = "this is how the harness learns the addresses")]

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use e2e::cluster::clock::SharedClock;
use e2e::log;
use resource_server::settings::process_environment;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [config, clock, log] = arguments.as_slice() else {
        anyhow::bail!("bff-node CONFIG CLOCK LOG");
    };
    log::write_to(Path::new(log))?;
    let text = std::fs::read_to_string(config)?;
    let config =
        bff::Config::parse(&text, &process_environment).map_err(|faults| anyhow::anyhow!("{faults}"))?;
    let clock = SharedClock::open(Path::new(clock))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(config, clock))
}

async fn serve(config: bff::Config, clock: SharedClock) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let public = TcpListener::bind(config.server.listen)?;
    let management = config.management.listen.map(TcpListener::bind).transpose()?;
    let listeners = bff::Listeners { public, management };
    let mut running = bff::start(config, listeners, Arc::new(clock)).await?;
    if let Some(address) = running.management_address() {
        println!("is managed at {address}");
    }
    println!("listens on {}", running.address());
    tokio::select! {
        _ = terminate.recv() => {}
        failed = running.failed() => failed.context("a server ended")?,
    }
    running.stop().await;
    Ok(())
}
