//! `auth-server`: arguments, and what is carried out by them.

mod command;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use auth_server::Config;
use auth_server::config::OperatorConfig;
use clap::{Parser, Subcommand};
use resource_server::settings::{Environment, Faults, process_environment};

use command::client::ClientCommand;
use command::key::KeyCommand;
use command::output::{say, say_error};
use command::session::SessionCommand;
use command::user::UserCommand;

/// glibc's keeps a block of Argon2's for each thread that ever hashed: a flood of sign-ins left 676 MB resident.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    /// Looks after users, beside a running server or without one.
    #[command(subcommand)]
    User(UserCommand),
    /// Looks after what is signed in, beside a running server or without one.
    #[command(subcommand)]
    Session(SessionCommand),
    /// Shows the clients of the configuration.
    #[command(subcommand)]
    Client(ClientCommand),
    /// Looks after the keys that sign tokens, beside a running server or without one.
    #[command(subcommand)]
    Key(KeyCommand),
}

fn main() -> ExitCode {
    let Arguments {
        config,
        check_config,
        command,
    } = Arguments::parse();
    match carry_out(&config, check_config, command.unwrap_or(Command::Serve)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            say_error(format_args!("{error:#}"));
            ExitCode::FAILURE
        }
        Err(faults) => {
            say_error(&faults);
            ExitCode::from(BAD_CONFIGURATION)
        }
    }
}

/// The outer error is the configuration's.
fn carry_out(path: &Path, check_config: bool, command: Command) -> Result<anyhow::Result<()>, Faults> {
    if check_config {
        read(path, Config::parse)?;
        say("configuration is valid");
        return Ok(Ok(()));
    }
    Ok(match command {
        Command::Serve => command::serve::run(read(path, Config::parse)?),
        Command::User(command) => command::user::run(command, &read(path, OperatorConfig::parse)?),
        Command::Session(command) => command::session::run(&command, &read(path, OperatorConfig::parse)?),
        Command::Client(command) => command::client::run(&command, &read(path, OperatorConfig::parse)?),
        Command::Key(command) => command::key::run(&command, &read(path, OperatorConfig::parse)?),
    })
}

fn read<C>(path: &Path, parse: impl Fn(&str, Environment<'_>) -> Result<C, Faults>) -> Result<C, Faults> {
    match fs::read_to_string(path) {
        Ok(text) => parse(&text, &process_environment),
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
