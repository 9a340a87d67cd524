//! `auth-server key …`.

use auth_server::config::OperatorConfig;
use auth_server::operator::{Administration, Phase, SigningAlgorithm, SigningKeyChange, SigningKeyRecord};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use serde_json::json;

use super::input::confirm;
use super::output::{Table, date, date_if_any};
use super::with_database;

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Lists the signing keys, without anything secret.
    List(ListArguments),
    /// Lets the announced keys sign from now on, before it is time. Nobody is signed out.
    Rotate(RotateArguments),
    /// Takes keys out of service at once, when somebody else may have them; others sign in their place.
    Withdraw(WithdrawArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Answers in JSON, one object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RotateArguments {
    /// Only the keys of this algorithm: ES256, EdDSA or RS256.
    #[arg(long, value_name = "ALG", value_parser = parse_algorithm)]
    algorithm: Option<SigningAlgorithm>,
    /// Answers in JSON, one object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WithdrawArguments {
    #[command(flatten)]
    which: WhichArguments,
    /// Does not ask before every key is withdrawn.
    #[arg(long)]
    yes: bool,
    /// Answers in JSON, one object a line.
    #[arg(long)]
    json: bool,
}

/// Which keys: always said, and in one way.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct WhichArguments {
    /// As tokens and `key list` call them.
    #[arg(value_name = "KID", value_parser = NonEmptyStringValueParser::new())]
    kids: Vec<String>,
    /// Every key there is, when the database and the key file may both be known.
    #[arg(long)]
    all: bool,
}

fn parse_algorithm(name: &str) -> Result<SigningAlgorithm, &'static str> {
    SigningAlgorithm::parse(name).ok_or("must be ES256, EdDSA or RS256")
}

pub(crate) fn run(command: &KeyCommand, config: &OperatorConfig) -> anyhow::Result<()> {
    match command {
        KeyCommand::List(arguments) => with_database(config, async |administration| {
            list(&administration.signing_keys().await?, arguments.json);
            Ok(())
        }),
        KeyCommand::Rotate(arguments) => with_database(config, async |administration| {
            let changes = administration.rotate_signing_keys(arguments.algorithm).await?;
            show(&changes, arguments.json);
            Ok(())
        }),
        KeyCommand::Withdraw(arguments) => {
            if arguments.which.all && !arguments.yes {
                confirm("Every key is withdrawn, and every token that is out is refused. Go on?")?;
            }
            with_database(config, async |administration| {
                let kids = chosen(&arguments.which, administration).await?;
                let kids: Vec<_> = kids.iter().map(String::as_str).collect();
                let changes = administration.withdraw_signing_keys(&kids).await?;
                show(&changes, arguments.json);
                Ok(())
            })
        }
    }
}

async fn chosen(which: &WhichArguments, administration: &Administration) -> anyhow::Result<Vec<String>> {
    if !which.all {
        return Ok(which.kids.clone());
    }
    let keys = administration.signing_keys().await?.into_iter();
    let in_use = keys.filter(|key| key.phase != Phase::Withdrawn);
    Ok(in_use.map(|key| key.kid).collect())
}

fn list(keys: &[SigningKeyRecord], is_json: bool) {
    let mut table = Table::new(
        is_json,
        &[
            "KID",
            "ALGORITHM",
            "PHASE",
            "ANNOUNCED",
            "ACTIVE",
            "RETIRED",
            "WITHDRAWN",
        ],
    );
    for key in keys {
        let row = [
            key.kid.clone(),
            key.algorithm.to_string(),
            key.phase.as_str().to_owned(),
            date(key.announced_at),
            date_if_any(key.active_at),
            date_if_any(key.retired_at),
            date_if_any(key.withdrawn_at),
        ];
        let object = json!({
            "kid": key.kid,
            "algorithm": key.algorithm.as_str(),
            "phase": key.phase.as_str(),
            "announced_at": date(key.announced_at),
            "active_at": key.active_at.map(date),
            "retired_at": key.retired_at.map(date),
            "withdrawn_at": key.withdrawn_at.map(date),
        });
        table.add(row, object);
    }
    table.show();
}

fn show(changes: &[SigningKeyChange], is_json: bool) {
    let mut table = Table::new(is_json, &["KID", "ALGORITHM", "NOW"]);
    for change in changes {
        let phase = change.phase.as_str();
        let row = [change.kid.clone(), change.algorithm.to_string(), phase.to_owned()];
        let object = json!({ "kid": change.kid, "algorithm": change.algorithm.as_str(), "phase": phase });
        table.add(row, object);
    }
    table.show();
}
