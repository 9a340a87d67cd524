//! `auth-server client …`: those of the configuration file are shown, those of the database are changed, too.

mod change;

use auth_server::client::{Client, Grant};
use auth_server::config::OperatorConfig;
use auth_server::operator::{Administration, ClientRecord, OperatorError};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::output::{Table, date, date_if_any, safe, say};
use super::{log, run_to_end};
use change::{AddArguments, OneArguments, RemoveArguments, SecretCommand};

#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Adds a client to the database, with a secret if it needs one.
    Add(AddArguments),
    /// Lists the clients of the configuration file, which a running server may have read in an older version, and those of
    /// the database.
    List(ListArguments),
    /// Shows one client.
    Show(OneArguments),
    /// Changes the secrets of a client of the database.
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Lets a client of the database do nothing more, and ends its grants.
    Disable(OneArguments),
    /// Lets a disabled client act again.
    Enable(OneArguments),
    /// Removes a client from the database, and ends its grants.
    Remove(RemoveArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Answers in JSON, one object a line.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &ClientCommand, config: &OperatorConfig) -> anyhow::Result<()> {
    match command {
        ClientCommand::Add(arguments) => change::add(config, arguments),
        ClientCommand::List(arguments) => list(config, arguments),
        ClientCommand::Show(arguments) => show(config, arguments),
        ClientCommand::Secret(command) => change::secret(config, command),
        ClientCommand::Disable(arguments) => change::disable(config, arguments),
        ClientCommand::Enable(arguments) => change::enable(config, arguments),
        ClientCommand::Remove(arguments) => change::remove(config, arguments),
    }
}

/// Those of the database; none where there is no database yet.
fn stored(config: &OperatorConfig) -> anyhow::Result<Vec<ClientRecord>> {
    log::start_for_command(config.log())?;
    let mut stored = Vec::new();
    run_to_end(async {
        let clock = std::sync::Arc::new(resource_server::time::SystemClock);
        let administration = match Administration::open(config, clock).await {
            Ok(administration) => administration,
            Err(OperatorError::NoDatabase(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let found = administration.clients(config).await;
        administration.close().await;
        stored = found?;
        Ok(())
    })?;
    Ok(stored)
}

fn list(config: &OperatorConfig, arguments: &ListArguments) -> anyhow::Result<()> {
    let stored = stored(config)?;
    let mut lines: Vec<_> = config
        .clients()
        .iter()
        .map(|client| (client.id.clone(), row(client, "file"), of_file(client)))
        .collect();
    lines.extend(stored.iter().map(|record| {
        let row = match (&record.client, record.disabled_at) {
            (Ok(client), None) => row(client, "database"),
            (Ok(client), Some(_)) => row(client, "disabled"),
            (Err(_), _) => {
                let mut row = [const { String::new() }; 7];
                row[0].clone_from(&record.id);
                "faulty".clone_into(&mut row[1]);
                row
            }
        };
        (record.id.clone(), row, of_record(record))
    }));
    lines.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    let head = ["ID", "IN", "NAME", "KIND", "GRANTS", "SCOPES", "REDIRECT URIS"];
    let mut table = Table::new(arguments.json, &head);
    for (_, row, object) in lines {
        table.add(row, object);
    }
    table.show();
    Ok(())
}

fn show(config: &OperatorConfig, arguments: &OneArguments) -> anyhow::Result<()> {
    let object = match config.clients().find(&arguments.id) {
        Some(client) => of_file(client),
        None => {
            let records = stored(config)?;
            let record = records.iter().find(|record| record.id == arguments.id);
            of_record(record.ok_or_else(|| anyhow::anyhow!("there is no client {:?}", arguments.id))?)
        }
    };
    if arguments.json {
        say(object);
        return Ok(());
    }
    for (key, value) in object.as_object().into_iter().flatten() {
        let text = match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        say(format_args!("{key:<36} {}", safe(&text)));
    }
    Ok(())
}

fn kind(client: &Client) -> &'static str {
    if client.is_public() {
        "public"
    } else {
        "confidential"
    }
}

fn row(client: &Client, place: &str) -> [String; 7] {
    let grants: Vec<_> = client.grants.iter().copied().map(Grant::as_str).collect();
    let redirect_uris: Vec<_> = client.redirect_uris.iter().map(ToString::to_string).collect();
    [
        client.id.clone(),
        place.to_owned(),
        client.name.clone(),
        kind(client).to_owned(),
        grants.join(" "),
        client.scopes.to_string(),
        redirect_uris.join(" "),
    ]
}

fn object(client: &Client) -> Value {
    let grants: Vec<_> = client.grants.iter().copied().map(Grant::as_str).collect();
    let redirect_uris: Vec<_> = client.redirect_uris.iter().map(ToString::to_string).collect();
    let mut apis = client.resources.apis().map(|api| api.identifier.as_str());
    let audience = apis.next();
    let back_channel = client.back_channel.as_ref();
    json!({
        "id": client.id,
        "name": client.name,
        "kind": kind(client),
        "token_endpoint_auth_method": client.authentication_method(),
        "grants": grants,
        "scope": client.scopes.to_string(),
        "redirect_uris": redirect_uris,
        "post_logout_redirect_uris": client.post_logout_redirect_uris,
        "backchannel_logout_uri": back_channel.map(|channel| channel.uri.as_str()),
        "backchannel_logout_session_required": back_channel.map(|channel| channel.session_required),
        "audience": audience,
        "resources": apis.collect::<Vec<_>>(),
        "id_token_signed_response_alg": client.signing.id_token.as_str(),
        "access_token_signing_alg": client.signing.access_token.as_str(),
    })
}

fn of_file(client: &Client) -> Value {
    let mut object = object(client);
    object["in"] = json!("file");
    object
}

/// What is known of secrets says nothing about them.
fn of_record(record: &ClientRecord) -> Value {
    let mut object = match &record.client {
        Ok(client) => object(client),
        Err(faults) => json!({ "id": record.id, "faults": faults.to_string() }),
    };
    object["in"] = json!("database");
    object["created_at"] = json!(date(record.created_at));
    object["disabled_at"] = json!(record.disabled_at.map(date));
    let secrets = record.secrets.iter().map(|secret| {
        json!({ "id": secret.id, "created_at": date(secret.created_at), "ends_at": date_if_any(secret.ends_at) })
    });
    object["secrets"] = secrets.collect();
    object
}
