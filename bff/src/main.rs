//! `bff`: the backend for frontend as a program.

mod command;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use bff::ops::log;
use bff::session::key_ring::{KeyName, KeyRing};
use bff::{Config, Listeners, Running};
use clap::{Parser, Subcommand};
use resource_server::settings::process_environment;
use resource_server::time::SystemClock;
use socket2::{Domain, Socket, Type};
use tokio::signal::unix::{SignalKind, signal};

use self::command::session::SessionCommand;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many connections may wait to be accepted: of a burst, those beyond it come a second later or not at all. The standard
/// library has 128.
const BACKLOG: i32 = 1024;

/// Configuration that cannot be used (`EX_CONFIG` of sysexits.h).
const EXIT_CONFIG: u8 = 78;

/// Backend for frontend: the browser holds an opaque cookie, the tokens stay here.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, global = true, default_value = "bff.toml", env = "BFF_CONFIG")]
    config: PathBuf,
    /// Only says whether the configuration is valid, and what is wrong with it.
    #[arg(long)]
    check_config: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// The key ring that seals sessions.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// The sessions of a BFF that runs; it needs `management.listen` and an admin token.
    #[command(subcommand)]
    Session(SessionCommand),
}

#[derive(Subcommand)]
enum KeysCommand {
    /// Writes a new key ring to a file that does not exist yet, readable by its owner only.
    Generate {
        /// The file.
        file: PathBuf,
        /// The name of its sealing key.
        #[arg(long, default_value = "k1", value_parser = key_name)]
        name: KeyName,
    },
}

fn key_name(text: &str) -> Result<KeyName, &'static str> {
    KeyName::parse(text).ok_or("must be 1 to 32 letters, digits, - and _")
}

#[expect(clippy::print_stderr, reason = "a program says on standard error why it ends")]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bff: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the answer of a command and the faults of a file"
)]
fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let path = arguments.config;
    match arguments.command {
        Some(Command::Keys(KeysCommand::Generate { file, name })) => {
            write_key_ring(&file, &name)?;
            println!("wrote {}", file.display());
            return Ok(ExitCode::SUCCESS);
        }
        Some(Command::Session(command)) => return command::session::run(&command, &path),
        None => {}
    }
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("bff: {} cannot be read: {error}", path.display());
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    let config = match Config::parse(&text, &process_environment) {
        Ok(config) => config,
        Err(faults) => {
            eprintln!("bff: {}: {faults}", path.display());
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    if arguments.check_config {
        println!("configuration is valid");
        return Ok(ExitCode::SUCCESS);
    }
    // Outlives the runtime, so that the last lines of all that runs in it are written.
    let _flusher = log::install(&config.log);
    allow_files(config.server.limits.max_connections);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(config, &path))?;
    Ok(ExitCode::SUCCESS)
}

/// Each connection is an open file, and one more while it is proxied.
fn allow_files(connections: usize) {
    let needed = 2 * u64::try_from(connections).unwrap_or(u64::MAX / 2);
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(open_files) if open_files < needed => tracing::warn!(
            open_files,
            max_connections = connections,
            "fewer files may be open than twice server.max_connections: raise the limit (ulimit -n), or lower that"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the number of open files cannot be raised"),
    }
}

async fn serve(config: Config, path: &Path) -> anyhow::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let listeners = Listeners {
        public: bind("server.listen", config.server.listen)?,
        management: config
            .management
            .listen
            .map(|address| bind("management.listen", address))
            .transpose()?,
    };
    let mut running = bff::start(config, listeners, Arc::new(SystemClock)).await?;
    if let Some(address) = running.management_address() {
        tracing::info!(%address, "the management address listens");
    }
    tracing::info!(address = %running.address(), "the BFF listens");
    loop {
        tokio::select! {
            _ = hangup.recv() => reload(&running, path),
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            failed = running.failed() => {
                failed.context("a server ended")?;
                break;
            }
        }
    }
    tracing::info!("the BFF finishes what is under way; a second signal ends it at once");
    tokio::select! {
        () = running.stop() => Ok(()),
        _ = interrupt.recv() => anyhow::bail!("ended by a second signal"),
        _ = terminate.recv() => anyhow::bail!("ended by a second signal"),
    }
}

/// What SIGHUP asks for.
fn reload(running: &Running, path: &Path) {
    running.reload_key_ring();
    running.reload_certificates();
    match std::fs::read_to_string(path) {
        Ok(text) => running.reload_routes(Config::parse(&text, &process_environment)),
        Err(error) => {
            let path = path.display();
            tracing::error!(%path, %error, "the configuration cannot be read again; the one in use stays");
        }
    }
}

fn bind(key: &str, address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    listen(address).with_context(|| format!("{key} = {address}"))
}

fn listen(address: std::net::SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // As the standard library does, so that a restart need not wait for connections that have just ended.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn write_key_ring(file: &Path, name: &KeyName) -> anyhow::Result<()> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut opened = options
        .open(file)
        .with_context(|| format!("{} cannot be made", file.display()))?;
    opened.write_all(KeyRing::generate(name).as_bytes())?;
    opened.sync_all()?;
    Ok(())
}
