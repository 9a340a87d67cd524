//! `auth-server session …`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use auth_server::config::OperatorConfig;
use auth_server::operator::{Administration, LiveSession, OperatorError, WhichSessions, WhichUser};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::input::confirm;
use super::output::{Table, counted, date, date_if_any, say};
use super::with_database;

#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// Lists what is signed in: sessions of browsers and the grants that came from them.
    List(ListArguments),
    /// Ends sessions and all that came from them, as signing out does.
    End(EndArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    which: WhichArguments,
    /// Answers in JSON, one object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EndArguments {
    #[command(flatten)]
    which: WhichArguments,
    /// Does not ask before every session ends.
    #[arg(long)]
    yes: bool,
    /// Answers in JSON, one object a line.
    #[arg(long)]
    json: bool,
}

/// Which sessions: always said, and in one way.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct WhichArguments {
    /// Those of the user who signs in by this name.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    user: Option<String>,
    /// Those of the user of this `sub`.
    #[arg(long, value_name = "SUB", value_parser = NonEmptyStringValueParser::new())]
    user_id: Option<String>,
    /// The one that ID tokens and the log call so.
    #[arg(long, value_name = "SID", value_parser = NonEmptyStringValueParser::new())]
    sid: Option<String>,
    /// Every session there is.
    #[arg(long)]
    all: bool,
}

/// A choice whose user is known to exist.
enum Chosen {
    All,
    User(String),
    Sid(String),
}

impl Chosen {
    fn which(&self) -> WhichSessions<'_> {
        match self {
            Self::All => WhichSessions::All,
            Self::User(id) => WhichSessions::OfUser(id),
            Self::Sid(sid) => WhichSessions::Sid(sid),
        }
    }
}

impl WhichArguments {
    async fn choose(&self, administration: &Administration) -> anyhow::Result<Chosen> {
        let user = match (&self.user, &self.user_id, &self.sid) {
            (Some(name), _, _) => WhichUser::Name(name),
            (None, Some(id), _) => WhichUser::Id(id),
            (None, None, Some(sid)) => return Ok(Chosen::Sid(sid.clone())),
            (None, None, None) => return Ok(Chosen::All),
        };
        Ok(Chosen::User(administration.user(user).await?.user.id))
    }
}

pub(crate) fn run(command: &SessionCommand, config: &OperatorConfig) -> anyhow::Result<()> {
    match command {
        SessionCommand::List(arguments) => with_database(config, async |administration| {
            let chosen = arguments.which.choose(administration).await?;
            list(administration, &chosen, arguments.json).await
        }),
        SessionCommand::End(arguments) => {
            if arguments.which.all && !arguments.yes {
                confirm("Every session ends, and everybody has to sign in again. Go on?")?;
            }
            with_database(config, async |administration| {
                let chosen = arguments.which.choose(administration).await?;
                let ended = administration.end_sessions(chosen.which()).await?;
                anyhow::ensure!(
                    ended > 0 || !matches!(chosen, Chosen::Sid(_)),
                    "there is no such session"
                );
                if arguments.json {
                    say(json!({ "ended": ended }));
                } else {
                    say(format_args!("{} ended", counted(ended, "session")));
                }
                Ok(())
            })
        }
    }
}

async fn list(administration: &Administration, chosen: &Chosen, is_json: bool) -> anyhow::Result<()> {
    let mut table = Table::new(
        is_json,
        &[
            "SID",
            "USER",
            "SIGNED IN",
            "BROWSER UNTIL",
            "GRANTS UNTIL",
            "CLIENTS",
        ],
    );
    let mut names = HashMap::new();
    let mut after: Option<String> = None;
    loop {
        let page = administration.sessions(chosen.which(), after.as_deref()).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.sid.clone());
        for session in &page {
            let name = match names.entry(session.user_id.clone()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => unknown.insert(name_of(administration, &session.user_id).await?),
            };
            let name = name.clone();
            let object = object(session, &name);
            let row = [
                session.sid.clone(),
                name,
                date(session.auth_time),
                date_if_any(session.browser_until),
                date_if_any(session.grants_until),
                session.clients.join(", "),
            ];
            table.add(row, object);
        }
    }
    table.show();
    Ok(())
}

/// Empty for a user whose row somebody deleted: the session is shown all the same.
async fn name_of(administration: &Administration, id: &str) -> anyhow::Result<String> {
    match administration.user(WhichUser::Id(id)).await {
        Ok(record) => Ok(record.user.name.to_string()),
        Err(OperatorError::NoSuchUser) => Ok(String::new()),
        Err(error) => Err(error.into()),
    }
}

fn object(session: &LiveSession, name: &str) -> Value {
    json!({
        "sid": session.sid,
        "sub": session.user_id,
        "user": name,
        "signed_in_at": date(session.auth_time),
        "browser_until": session.browser_until.map(date),
        "grants_until": session.grants_until.map(date),
        "clients": session.clients,
    })
}
