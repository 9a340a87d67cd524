//! `auth-server client list`: what the configuration says of clients, without anything secret.

use auth_server::client::{Client, Grant};
use auth_server::config::OperatorConfig;
use clap::{Args, Subcommand};
use serde_json::json;

use super::output::Table;

#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Lists the clients of the configuration file, which a running server may have read in an older version.
    List(ListArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Answers in JSON, one object a line.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &ClientCommand, config: &OperatorConfig) -> anyhow::Result<()> {
    let ClientCommand::List(ListArguments { json }) = command;
    let mut clients: Vec<&Client> = config.clients().iter().collect();
    clients.sort_by(|one, other| one.id.cmp(&other.id));
    let mut table = Table::new(
        *json,
        &["ID", "NAME", "KIND", "GRANTS", "SCOPES", "REDIRECT URIS"],
    );
    for client in clients {
        let grants: Vec<_> = client.grants.iter().copied().map(Grant::as_str).collect();
        let redirect_uris: Vec<_> = client.redirect_uris.iter().map(ToString::to_string).collect();
        let kind = if client.is_public() {
            "public"
        } else {
            "confidential"
        };
        let row = [
            client.id.clone(),
            client.name.clone(),
            kind.to_owned(),
            grants.join(" "),
            client.scopes.to_string(),
            redirect_uris.join(" "),
        ];
        let mut apis = client.resources.apis().map(|api| api.identifier.as_str());
        let audience = apis.next();
        let back_channel = client.back_channel.as_ref();
        let object = json!({
            "id": client.id,
            "name": client.name,
            "kind": kind,
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
        });
        table.add(row, object);
    }
    table.show();
    Ok(())
}
