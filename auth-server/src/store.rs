//! The database: an SQLite file or a PostgreSQL database, spoken to in the same statements.
//!
//! SQLite lets one connection write at a time. With a single writing connection the writers of this process stand
//! in one fair queue instead of polling a locked file, and none of them ever sees "database is locked"; other
//! processes (a second node on this machine, `auth-server user add`) are waited for by `busy_timeout`.
//!
//! On PostgreSQL many write at once. Most changes are one conditional statement, of which the database itself makes an
//! order. Those that are not name what they have to have for themselves ([`db::hold_sid`]).

mod account;
mod attempt;
mod batches;
mod client;
mod code;
mod consent;
mod db;
mod family;
mod gather;
mod lanes;
mod live;
mod live_grant;
mod outbox;
mod postgres;
mod pushed;
mod rotation;
mod schema;
mod session;
mod signing_key;
mod sqlite;
mod status;
mod sweep;
#[cfg(test)]
mod tests;
#[cfg(test)]
#[path = "store/tests.rs"]
#[expect(clippy::duplicate_mod, reason = "one contract for both databases")]
mod tests_on_postgres;
mod used_assertion;
mod user;
mod writable;

use std::sync::Arc;
use std::time::Duration;

use sqlx::Connection as _;

pub(crate) use account::OwnPassword;
pub(crate) use attempt::AttemptLimits;
pub(crate) use client::{ClientChange, ClientRow, SecretRow};
pub(crate) use code::{CodeAdded, Redeemed};
pub(crate) use db::{LOOK_PATIENCE, in_time};
pub(crate) use family::{GrantState, NewFamily};
pub use live::LiveSession;
pub(crate) use live::Whose;
pub(crate) use live_grant::LiveGrant;
pub(crate) use outbox::Notification;
pub(crate) use pushed::{NewPushedRequest, Opening, PushedLimits};
pub(crate) use rotation::Rotation;
pub(crate) use session::{FormerSession, NewSignIn, SessionOwner, SignInStored, StoredSession};
pub(crate) use signing_key::{Replacement, StoredKey};
pub(crate) use status::EndedGrant;
pub(crate) use user::{CredentialsVersion, UserAdded, UserChange, UserKey};

use crate::config::StorageConfig;
use db::{Backend, Pool, Transaction};
use lanes::Lanes;
use rotation::Refreshes;
use sqlite::Access;
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
    /// One statement was to serve several requests.
    #[error("the database failed")]
    Together(#[source] Arc<StoreError>),
    /// Too many requests of one kind, or of one user, wait for it.
    #[error("too many requests of one kind wait for the database")]
    Crowded,
    /// It holds what this program never writes.
    #[error("the database holds a damaged {0}")]
    Damaged(&'static str),
}

/// The database.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    backend: Backend,
    reader: Pool,
    writer: Pool,
    lanes: Arc<Lanes>,
    refreshes: Arc<Refreshes>,
    last_proof: Arc<LastProof>,
}

impl Store {
    /// Opens the database and brings its tables up to date, of which several processes may do so at once. An SQLite file
    /// that is not there is made.
    ///
    /// # Errors
    /// When it cannot be opened or is no database of this program.
    pub(crate) async fn open(config: &StorageConfig) -> Result<Self, StoreError> {
        let (backend, reader, writer) = match config {
            StorageConfig::Sqlite { path, durability } => {
                // Held until the others are open: the last connection to a file that is closed tidies up behind it.
                let first = sqlite::migrated(path).await?;
                let writer = sqlite::pool(path, Access::Write, *durability, 1).await?;
                let reader = sqlite::pool(path, Access::Read, *durability, READERS).await?;
                first.close().await?;
                (Backend::Sqlite, reader, writer)
            }
            StorageConfig::Postgres(config) => {
                let pool = postgres::open(config).await?;
                (Backend::Postgres, pool.clone(), pool)
            }
        };
        Ok(Self {
            backend,
            reader,
            writer,
            lanes: Arc::new(Lanes::new()),
            refreshes: Arc::new(Refreshes::new(backend)),
            last_proof: Arc::default(),
        })
    }

    /// Waits for running statements and closes the file.
    pub(crate) async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    /// A transaction. On SQLite it is alone from its beginning to its end; on PostgreSQL others run beside it, and it has to
    /// [hold](db::hold_sid) what they must not touch meanwhile.
    pub(crate) async fn begin(&self) -> Result<Transaction, StoreError> {
        Ok(self.writer.begin_with(self.backend.begin()).await?)
    }
}
