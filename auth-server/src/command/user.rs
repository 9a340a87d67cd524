//! `auth-server user …`.

use std::sync::Arc;

use auth_server::config::OperatorConfig;
use auth_server::operator::{Administration, WhichUser};
use auth_server::user::{NewUser, UserRecord};
use clap::{Args, Subcommand};
use resource_server::time::SystemClock;
use serde_json::{Value, json};

use super::input::ask_password;
use super::output::{Table, counted, date, date_if_any, safe, say};
use super::{UserArguments, log, run_to_end, with_database};

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Adds a user. The password is asked for, or read from the first line of standard input.
    Add(AddArguments),
    /// Lists users by name.
    List(ListArguments),
    /// Shows one user.
    Show(OneArguments),
    /// Ends everything that is signed in for a user, and lets nobody sign in by that name.
    Disable(OneArguments),
    /// Lets a disabled user sign in again.
    Enable(OneArguments),
    /// Gives a user another password, asked for as by `add`, and ends what was signed in with the old one.
    Password(PasswordArguments),
}

#[derive(Debug, Args)]
pub(crate) struct AddArguments {
    /// What the user types to sign in.
    name: String,
    /// For the claim `email`.
    #[arg(long)]
    email: Option<String>,
    /// The full name, for the claim `name`.
    #[arg(long = "name", id = "full-name", value_name = "FULL NAME")]
    full_name: Option<String>,
    /// Answers in JSON, one object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Answers in JSON, one object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct OneArguments {
    #[command(flatten)]
    user: UserArguments,
    /// Answers in JSON, one object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PasswordArguments {
    #[command(flatten)]
    one: OneArguments,
    /// Leaves what is signed in as it is.
    #[arg(long)]
    keep_sessions: bool,
}

pub(crate) fn run(command: UserCommand, config: &OperatorConfig) -> anyhow::Result<()> {
    match command {
        UserCommand::Add(arguments) => add(config, arguments),
        UserCommand::List(arguments) => with_database(config, async |administration| {
            list(administration, arguments.json).await
        }),
        UserCommand::Show(arguments) => with_database(config, async |administration| {
            let record = administration.user(arguments.user.which()).await?;
            show(&record, arguments.json);
            Ok(())
        }),
        UserCommand::Disable(arguments) => with_database(config, async |administration| {
            let record = administration.user(arguments.user.which()).await?;
            let ended = administration.disable_user(&record.user.id).await?;
            let told = format!(
                "disabled {}; {} ended",
                record.user.name,
                counted(ended, "session")
            );
            changed(administration, &record, told, Some(ended), arguments.json).await
        }),
        UserCommand::Enable(arguments) => with_database(config, async |administration| {
            let record = administration.user(arguments.user.which()).await?;
            administration.enable_user(&record.user.id).await?;
            let told = format!("enabled {}", record.user.name);
            changed(administration, &record, told, None, arguments.json).await
        }),
        UserCommand::Password(arguments) => with_database(config, async |administration| {
            change_password(administration, &arguments).await
        }),
    }
}

/// The one command that makes the database if need be.
fn add(config: &OperatorConfig, arguments: AddArguments) -> anyhow::Result<()> {
    log::start_for_command(config.log())?;
    let new = NewUser {
        password: ask_password()?,
        name: arguments.name,
        email: arguments.email,
        full_name: arguments.full_name,
    };
    let database = config.storage().to_string();
    run_to_end(async {
        let administration = Administration::open_or_create(config, Arc::new(SystemClock)).await?;
        let added = administration.add_user(new).await;
        let shown = match added {
            Ok(user) => {
                let told = format!("added {} with the subject {} to {database}", user.name, user.id);
                let record = administration.user(WhichUser::Id(&user.id)).await;
                record
                    .map(|record| tell(&record, told, None, arguments.json))
                    .map_err(Into::into)
            }
            Err(error) => Err(error.into()),
        };
        administration.close().await;
        shown
    })
}

async fn list(administration: &Administration, is_json: bool) -> anyhow::Result<()> {
    let mut table = Table::new(
        is_json,
        &["NAME", "SUBJECT", "EMAIL", "FULL NAME", "ADDED", "DISABLED"],
    );
    let mut after = None;
    loop {
        let page = administration.users(after.as_ref()).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.user.name.clone());
        for record in &page {
            let user = &record.user;
            let row = [
                user.name.to_string(),
                user.id.clone(),
                user.email.clone().unwrap_or_default(),
                user.full_name.clone().unwrap_or_default(),
                date(record.created_at),
                date_if_any(record.disabled_at),
            ];
            table.add(row, object(record));
        }
    }
    table.show();
    Ok(())
}

fn show(record: &UserRecord, is_json: bool) {
    if is_json {
        say(object(record));
        return;
    }
    let user = &record.user;
    for (title, value) in [
        ("name", user.name.to_string()),
        ("subject", user.id.clone()),
        ("email", user.email.clone().unwrap_or_default()),
        ("full name", user.full_name.clone().unwrap_or_default()),
        ("added", date(record.created_at)),
        ("disabled", date_if_any(record.disabled_at)),
    ] {
        say(format_args!("{title:<10} {}", safe(&value)));
    }
}

async fn change_password(
    administration: &Administration,
    arguments: &PasswordArguments,
) -> anyhow::Result<()> {
    // Before anything is asked: a name that is not there is told at once.
    let record = administration.user(arguments.one.user.which()).await?;
    let new = ask_password()?;
    let ended = administration
        .change_password(&record.user, new, !arguments.keep_sessions)
        .await?;
    let told = format!(
        "changed the password of {}; {} ended",
        record.user.name,
        counted(ended, "session")
    );
    changed(administration, &record, told, Some(ended), arguments.one.json).await
}

/// Tells of a change, and in JSON of the user as it left them.
async fn changed(
    administration: &Administration,
    before: &UserRecord,
    told: String,
    ended: Option<usize>,
    is_json: bool,
) -> anyhow::Result<()> {
    let record = administration.user(WhichUser::Id(&before.user.id)).await?;
    tell(&record, told, ended, is_json);
    Ok(())
}

fn tell(record: &UserRecord, told: String, ended: Option<usize>, is_json: bool) {
    if !is_json {
        say(told);
        return;
    }
    let mut object = object(record);
    if let Some(ended) = ended {
        object["sessions_ended"] = ended.into();
    }
    say(object);
}

fn object(record: &UserRecord) -> Value {
    let user = &record.user;
    json!({
        "sub": user.id,
        "name": user.name.as_str(),
        "email": user.email,
        "full_name": user.full_name,
        "created_at": date(record.created_at),
        "disabled_at": record.disabled_at.map(date),
    })
}
