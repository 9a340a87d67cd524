//! `auth-server`: arguments, the runtime, and the signals that end it.

use std::fs;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use auth_server::config::LogConfig;
use auth_server::user::NewUser;
use auth_server::{Config, Listeners};
use clap::{Args, Parser, Subcommand};
use resource_server::settings::{Faults, process_environment};
use resource_server::time::SystemClock;
use secrecy::SecretString;
use tracing_subscriber::EnvFilter;
use zeroize::Zeroizing;

/// `EX_CONFIG` of sysexits.h: supervisors tell it from a crash.
const BAD_CONFIGURATION: u8 = 78;

/// A compact OAuth 2.1 authorization server and OpenID provider.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, global = true, default_value = "auth-server.toml", value_name = "FILE")]
    config: PathBuf,
    /// Says what is wrong with the configuration, and does nothing else.
    #[arg(long, global = true)]
    check_config: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the server; so does leaving the command out.
    Serve,
    /// Looks after users.
    #[command(subcommand)]
    User(UserCommand),
}

#[derive(Subcommand)]
enum UserCommand {
    /// Adds a user. The password is asked for, or read from the first line of standard input.
    Add(AddUser),
}

#[derive(Args)]
struct AddUser {
    /// What the user types to sign in.
    name: String,
    /// For the claim `email`.
    #[arg(long)]
    email: Option<String>,
    /// The full name, for the claim `name`.
    #[arg(long = "name", id = "full-name", value_name = "FULL NAME")]
    full_name: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match read_config(&arguments.config) {
        Ok(config) => config,
        Err(faults) => {
            say_error(&faults);
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    if arguments.check_config {
        say("configuration is valid");
        return ExitCode::SUCCESS;
    }
    match run(arguments.command.unwrap_or(Command::Serve), config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_error(format_args!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn read_config(path: &Path) -> Result<Config, Faults> {
    match fs::read_to_string(path) {
        Ok(text) => Config::parse(&text, &process_environment),
        Err(error) => {
            let faults = Faults::default();
            faults.note(
                "--config",
                Some(path.display().to_string()),
                format_args!("cannot be read: {error}"),
            );
            Err(faults)
        }
    }
}

fn run(command: Command, config: Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match command {
        Command::Serve => {
            start_log(&config.log)?;
            runtime.block_on(serve(config))
        }
        Command::User(UserCommand::Add(new)) => runtime.block_on(add_user(&config, new)),
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    // Signals are listened for first: one that comes while the server starts is not lost.
    let mut stop_signal = std::pin::pin!(stop_signal()?);
    let listen = |address| TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"));
    let listeners = Listeners {
        public: listen(config.server.listen)?,
        management: config.management_listen.map(listen).transpose()?,
    };
    let running = auth_server::start(config, listeners, Arc::new(SystemClock)).await?;
    let stop = running.stop_handle();
    let mut down = std::pin::pin!(running.wait());
    tokio::select! {
        ended = &mut down => {
            ended.context("the server went down by itself")?;
            anyhow::bail!("the server went down by itself");
        }
        signalled = &mut stop_signal => signalled?,
    }
    tracing::info!("stopping");
    stop.stop().await;
    down.await.context("the server did not stop cleanly")
}

#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = io::Result<()>>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}

#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = io::Result<()>>> {
    // Listening begins with the first poll here: these systems offer nothing earlier that is portable.
    Ok(tokio::signal::ctrl_c())
}

async fn add_user(config: &Config, new: AddUser) -> anyhow::Result<()> {
    let new = NewUser {
        password: ask_password()?,
        name: new.name,
        email: new.email,
        full_name: new.full_name,
    };
    let user = auth_server::user::add(config, &SystemClock, new).await?;
    // A relative path means another file in every directory: it is told whole.
    let database = std::path::absolute(&config.storage_path)?;
    say(format_args!(
        "added {} with the subject {} to {}",
        user.name,
        user.id,
        database.display()
    ));
    Ok(())
}

/// Never an argument: those are seen by everybody on the machine.
fn ask_password() -> anyhow::Result<SecretString> {
    if !io::stdin().is_terminal() {
        let mut line = Zeroizing::new(String::new());
        io::stdin().lock().read_line(&mut line)?;
        return Ok(SecretString::from(line.trim_end_matches(['\n', '\r'])));
    }
    let first = Zeroizing::new(rpassword::prompt_password("Password: ")?);
    let second = Zeroizing::new(rpassword::prompt_password("Again: ")?);
    anyhow::ensure!(*first == *second, "the two passwords differ");
    Ok(SecretString::from(first.as_str()))
}

fn start_log(log: &LogConfig) -> anyhow::Result<()> {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(&log.filter)?)
        .with_ansi(io::stdout().is_terminal());
    let started = if log.json {
        subscriber.json().try_init()
    } else {
        subscriber.try_init()
    };
    started.map_err(|error| anyhow::anyhow!("the log could not be started: {error}"))
}

/// Tells the person at the terminal; one who is gone is told nothing.
fn say(text: impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

fn say_error(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "auth-server: {text}");
}
