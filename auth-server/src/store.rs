//! The database: one SQLite file, opened by one connection that writes and a few that read.
//!
//! SQLite lets one connection write at a time. With a single writing connection the writers of this process stand
//! in one fair queue instead of polling a locked file, and none of them ever sees "database is locked"; other
//! processes (a second node on this machine, `auth-server user add`) are waited for by `busy_timeout`.

mod account;
mod attempt;
mod code;
mod consent;
mod db;
mod family;
mod live;
mod live_grant;
mod opening;
mod outbox;
mod pushed;
mod session;
mod signing_key;
mod sweep;
#[cfg(test)]
mod tests;
mod user;
mod writable;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Connection as _;

pub(crate) use account::OwnPassword;
pub(crate) use attempt::AttemptLimits;
pub(crate) use code::{CodeAdded, Redeemed};
pub(crate) use family::{GrantState, NewFamily, Rotation};
pub use live::LiveSession;
pub(crate) use live::Whose;
pub(crate) use live_grant::LiveGrant;
pub(crate) use outbox::Notification;
pub(crate) use pushed::{NewPushedRequest, Opening, PushedLimits};
pub(crate) use session::{FormerSession, NewSignIn, SessionOwner, SignInStored, StoredSession};
pub(crate) use signing_key::{Replacement, StoredKey};
pub(crate) use user::{CredentialsVersion, UserAdded, UserChange, UserKey};

use attempt::Lanes;
use db::{Pool, Transaction};
use opening::Access;
use writable::LastProof;

const READERS: u32 = 4;
/// How long a request waits for a connection before it is answered with 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// The database could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It failed or is not there.
    #[error("the database failed")]
    Query(#[source] sqlx::Error),
    /// Its tables could not be brought up to date.
    #[error("the database's tables could not be brought up to date")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// Too many sign-ins wait for it.
    #[error("too many sign-ins wait for the database")]
    Crowded,
    /// It holds what this program never writes.
    #[error("the database holds a damaged {0}")]
    Damaged(&'static str),
}

/// The database.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    reader: Pool,
    writer: Pool,
    lanes: Arc<Lanes>,
    last_proof: Arc<LastProof>,
}

impl Store {
    /// Opens the file, makes it if it is not there, and brings its tables up to date, of which several processes may do
    /// so at once.
    ///
    /// # Errors
    /// When the file cannot be opened or is no database of this program.
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        // Held until the others are open: the last connection to a file that is closed tidies up behind it.
        let first = opening::migrated(path).await?;
        let writer = opening::pool(path, Access::Write, 1).await?;
        let reader = opening::pool(path, Access::Read, READERS).await?;
        first.close().await?;
        Ok(Self {
            reader,
            writer,
            lanes: Arc::new(Lanes::new()),
            last_proof: Arc::default(),
        })
    }

    /// Waits for running statements and closes the file.
    pub(crate) async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    /// A transaction that holds the write lock from its beginning: a deferred one that reads first would fail, not
    /// wait, when another process writes in between.
    pub(crate) async fn begin(&self) -> Result<Transaction, StoreError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}
