//! `cargo run`: everything on this machine, until Ctrl-C.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser;
use demo::Demo;
use demo::ports::Ports;
use demo::trail::Trail;
use resource_server::time::SystemClock;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// Cloakroom with everything it needs, on this machine: app, auth server and notes API in one process.
#[derive(Debug, Parser)]
#[command(name = "demo", version)]
struct Arguments {
    /// Port of the app (0: any free one)
    #[arg(long, default_value_t = 8080)]
    port: u16,

    /// Port of the auth server (0: any free one)
    #[arg(long, default_value_t = 9000)]
    auth_port: u16,

    /// Port of the notes API (0: any free one)
    #[arg(long, default_value_t = 9100)]
    api_port: u16,

    /// Folder for databases, keys and secrets; made when missing
    #[arg(long, value_name = "DIR", default_value = "demo-data")]
    data: PathBuf,

    /// Say it without colours, as for a file or pipe
    #[arg(long)]
    no_color: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let colours = Colours::choose(arguments.no_color);
    match run(&arguments, &colours) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed terminal is no reason to fail differently.
            let _ = writeln!(io::stderr(), "{}{error:#}", colours.error_prefix());
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, colours: &Colours) -> anyhow::Result<()> {
    let trail = Trail::new();
    start_log(&trail, colours)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(arguments, trail, colours))
}

/// Starts everything, says so, and runs until it is told to stop.
async fn serve(arguments: &Arguments, trail: Trail, colours: &Colours) -> anyhow::Result<()> {
    let mut stop = StopSignals::listen().context("cannot listen for Ctrl-C")?;
    let ports = Ports {
        app: arguments.port,
        auth: arguments.auth_port,
        api: arguments.api_port,
    };
    let demo = Demo::start(ports, &arguments.data, trail, Arc::new(SystemClock)).await?;
    let announcement = demo.announcement(colours.on_stdout);
    let _ = write!(io::stdout(), "{announcement}");

    stop.next().await;
    let _ = writeln!(io::stdout(), "\n  Stopping …");
    tokio::select! {
        () = demo.stop() => {}
        () = stop.next() => {} // who asks twice does not want to wait
    }
    let _ = writeln!(
        io::stdout(),
        "  Stopped. Notes and sessions are kept for the next time."
    );
    Ok(())
}

/// Warnings go to the terminal (`RUST_LOG` asks for more); what happens to sessions goes to the trail.
fn start_log(trail: &Trail, colours: &Colours) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let terminal = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(colours.on_stderr)
        .with_filter(filter);
    tracing_subscriber::registry()
        .with(trail.layer(Arc::new(SystemClock)))
        .with(terminal)
        .try_init()
        .context("cannot start the log")
}

/// Where bold and colours are shown.
struct Colours {
    on_stdout: bool,
    on_stderr: bool,
}

impl Colours {
    /// Terminals only, and not where <https://no-color.org> is asked for.
    fn choose(is_refused: bool) -> Self {
        let is_refused = is_refused || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            on_stdout: !is_refused && io::stdout().is_terminal(),
            on_stderr: !is_refused && io::stderr().is_terminal(),
        }
    }

    fn error_prefix(&self) -> &'static str {
        if self.on_stderr {
            "\x1b[1;31merror:\x1b[0m "
        } else {
            "error: "
        }
    }
}

/// Ctrl-C, and what service managers send.
struct StopSignals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl StopSignals {
    #[cfg(unix)]
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    /// A Ctrl-C that cannot be waited for never comes; the process is then ended from outside.
    #[cfg(not(unix))]
    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
