//! What the program does: it serves, or carries out one wish of an operator.
//!
//! An operator's command reads the configuration without the clients' secrets, answers on standard output (a table, or
//! with `--json` one object a line) and writes its events of the audit trail to standard error.

pub(crate) mod client;
mod input;
pub(crate) mod key;
mod log;
pub(crate) mod output;
pub(crate) mod serve;
pub(crate) mod session;
pub(crate) mod user;

use std::sync::Arc;

use auth_server::config::OperatorConfig;
use auth_server::operator::{Administration, WhichUser};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use resource_server::time::SystemClock;

/// A user: always said, and in one way.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct UserArguments {
    /// What the user types to sign in.
    #[arg(value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    name: Option<String>,
    /// The `sub` of tokens, which is `user.id` in the log.
    #[arg(long, value_name = "SUB", value_parser = NonEmptyStringValueParser::new())]
    id: Option<String>,
}

impl UserArguments {
    fn which(&self) -> WhichUser<'_> {
        match (&self.name, &self.id) {
            (_, Some(id)) => WhichUser::Id(id),
            (name, None) => WhichUser::Name(name.as_deref().unwrap_or_default()),
        }
    }
}

/// Runs a command's work to its end.
fn run_to_end(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

/// Opens the database, works on it, and closes it whatever came of that.
fn with_database(
    config: &OperatorConfig,
    work: impl AsyncFnOnce(&Administration) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    log::start_for_command(config.log())?;
    run_to_end(async {
        let administration = Administration::open(config, Arc::new(SystemClock)).await?;
        let done = work(&administration).await;
        administration.close().await;
        done
    })
}
