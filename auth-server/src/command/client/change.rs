//! Commands that change the clients of the database.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use auth_server::config::OperatorConfig;
use auth_server::operator::{Administration, MadeSecret};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use resource_server::time::SystemClock;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::super::input::confirm;
use super::super::output::{counted, date, safe, say};
use super::super::{log, run_to_end, with_database};
use super::object;

/// No description of a client is longer.
const LONGEST_DESCRIPTION: u64 = 64 * 1024;

#[derive(Debug, Args)]
pub(crate) struct AddArguments {
    /// A file with the keys of one [[client]], without that line; - is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Answers in JSON, one object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Makes another secret for a client, and shows it this once.
    Add(AddSecretArguments),
    /// Takes a secret from a client.
    Remove(RemoveSecretArguments),
}

#[derive(Debug, Args)]
pub(crate) struct AddSecretArguments {
    /// The client.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    id: String,
    /// When the new secret ends to count, counted from now, such as 90d; it never does by default.
    #[arg(long, value_name = "SPAN", value_parser = humantime::parse_duration)]
    ends_in: Option<Duration>,
    /// When the secrets that are there end to count, such as 7d, or 0s for at once; by default they go on.
    #[arg(long, value_name = "SPAN", value_parser = humantime::parse_duration)]
    others_end_in: Option<Duration>,
    /// Answers in JSON, one object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveSecretArguments {
    /// The client.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    id: String,
    /// The secret's own id, as `client show` tells it.
    #[arg(value_name = "SECRET ID", value_parser = NonEmptyStringValueParser::new())]
    secret_id: String,
    /// Answers in JSON, one object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct OneArguments {
    /// The client.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(super) id: String,
    /// Answers in JSON, one object a line.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArguments {
    #[command(flatten)]
    one: OneArguments,
    /// Does not ask before.
    #[arg(long)]
    yes: bool,
}

/// As `user add`, this makes the database if need be.
pub(super) fn add(config: &OperatorConfig, arguments: &AddArguments) -> anyhow::Result<()> {
    log::start_for_command(config.log())?;
    let settings = read(&arguments.file)?;
    run_to_end(async {
        let administration = Administration::open_or_create(config, Arc::new(SystemClock)).await?;
        let added = administration.add_client(config, &settings).await;
        administration.close().await;
        let (client, secret) = added?;
        if arguments.json {
            let mut told = object(&client);
            if let Some(secret) = &secret {
                told["client_secret"] = object_of(secret);
            }
            say(told);
            return Ok(());
        }
        say(format_args!("added the client {}", safe(&client.id)));
        if let Some(secret) = &secret {
            show(secret);
        }
        Ok(())
    })
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    if file == Path::new("-") {
        io::stdin()
            .lock()
            .take(LONGEST_DESCRIPTION)
            .read_to_string(&mut text)?;
    } else {
        fs::File::open(file)
            .and_then(|file| file.take(LONGEST_DESCRIPTION).read_to_string(&mut text))
            .with_context(|| format!("{} cannot be read", file.display()))?;
    }
    Ok(text)
}

pub(super) fn secret(config: &OperatorConfig, command: &SecretCommand) -> anyhow::Result<()> {
    with_database(config, async |administration| match command {
        SecretCommand::Add(arguments) => {
            let made = administration
                .add_client_secret(config, &arguments.id, arguments.ends_in, arguments.others_end_in)
                .await?;
            if arguments.json {
                let mut told = object_of(&made);
                told["client"] = json!(arguments.id);
                say(told);
            } else {
                show(&made);
            }
            Ok(())
        }
        SecretCommand::Remove(arguments) => {
            administration
                .remove_client_secret(config, &arguments.id, &arguments.secret_id)
                .await?;
            if arguments.json {
                say(json!({ "client": arguments.id, "removed": arguments.secret_id }));
            } else {
                say(format_args!("removed a secret of {}", safe(&arguments.id)));
            }
            Ok(())
        }
    })
}

pub(super) fn disable(config: &OperatorConfig, arguments: &OneArguments) -> anyhow::Result<()> {
    with_database(config, async |administration| {
        let ended = administration.disable_client(config, &arguments.id).await?;
        tell("disabled", arguments, Some(ended));
        Ok(())
    })
}

pub(super) fn enable(config: &OperatorConfig, arguments: &OneArguments) -> anyhow::Result<()> {
    with_database(config, async |administration| {
        administration.enable_client(config, &arguments.id).await?;
        tell("enabled", arguments, None);
        Ok(())
    })
}

pub(super) fn remove(config: &OperatorConfig, arguments: &RemoveArguments) -> anyhow::Result<()> {
    let one = &arguments.one;
    if !arguments.yes {
        confirm(&format!("Remove {} and end all of its grants?", safe(&one.id)))?;
    }
    with_database(config, async |administration| {
        let ended = administration.remove_client(config, &one.id).await?;
        tell("removed", one, Some(ended));
        Ok(())
    })
}

fn tell(done: &str, arguments: &OneArguments, ended: Option<u64>) {
    if arguments.json {
        say(json!({ "id": arguments.id, "done": done, "grants_ended": ended }));
        return;
    }
    let id = safe(&arguments.id);
    match ended {
        None => say(format_args!("{done} {id}")),
        Some(ended) => {
            let ended = counted(usize::try_from(ended).unwrap_or(usize::MAX), "grant");
            say(format_args!("{done} {id}; {ended} ended"));
        }
    }
}

/// The one time that it is shown.
fn show(made: &MadeSecret) {
    say(format_args!("secret id  {}", made.id));
    say(format_args!("secret     {}", exposed(made)));
    if let Some(ends_at) = made.ends_at {
        say(format_args!("ends       {}", date(ends_at)));
    }
    say("It is shown this once and cannot be found out again.");
}

fn object_of(made: &MadeSecret) -> Value {
    json!({ "id": made.id, "secret": exposed(made), "ends_at": made.ends_at.map(date) })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the operator who asked for it hands it to the client"
)]
fn exposed(made: &MadeSecret) -> &str {
    made.secret.expose_secret()
}
