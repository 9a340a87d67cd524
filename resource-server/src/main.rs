//! The notes service: an API behind access tokens.

use std::io::{self, IsTerminal as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser;
use resource_server::config::{LogConfig, LogFormat};
use resource_server::settings::{Faults, process_environment};
use resource_server::time::SystemClock;
use resource_server::{Config, Listeners, start};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// `EX_CONFIG` of sysexits.h: starting again will not help.
const CONFIGURATION_FAULT: u8 = 78;

/// Serves notes to those who bring an access token.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "resource-server.toml")]
    config: PathBuf,
    /// Reads the configuration, tells what is wrong with it, and ends.
    #[arg(long)]
    check_config: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match read(&arguments.config) {
        Ok(config) => config,
        Err(faults) => {
            return fail(
                &format!("{}: {faults}", arguments.config.display()),
                CONFIGURATION_FAULT,
            );
        }
    };
    if arguments.check_config {
        return match writeln!(io::stdout(), "configuration is valid") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{error:#}"), 1),
    }
}

fn read(path: &Path) -> Result<Config, Faults> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let faults = Faults::default();
        faults.note("configuration", None, format!("cannot be read: {error}"));
        faults
    })?;
    Config::parse(&text, &process_environment)
}

/// There may be no log to write to yet, or nowhere else to tell it.
fn fail(message: &str, code: u8) -> ExitCode {
    // Nobody is left to be told that this failed, too.
    let _ = writeln!(io::stderr(), "resource-server: {message}");
    ExitCode::from(code)
}

fn run(config: Config) -> anyhow::Result<()> {
    install_log(&config.log)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(config))
}

async fn serve(config: Config) -> anyhow::Result<()> {
    // Signals are listened for first: one that comes while the service starts is not lost.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let listeners = Listeners {
        public: bind(config.listen)?,
        management: config.management_listen.map(bind).transpose()?,
    };
    let running = start(config, listeners, Arc::new(SystemClock)).await?;
    let stop = running.stop_handle();
    let mut down = std::pin::pin!(running.wait());
    tokio::select! {
        ended = &mut down => return ended.context("the service went down by itself"),
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping");
    stop.stop().await;
    down.await.context("the service did not stop cleanly")
}

fn bind(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))
}

fn install_log(config: &LogConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.filter)?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    let installed = match config.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    installed.map_err(|error| anyhow::anyhow!("cannot install the log: {error}"))
}
