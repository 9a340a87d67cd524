//! The database: one SQLite file, opened by one connection that writes and a few that read.
//!
//! SQLite lets one connection write at a time. With a single writing connection the writers of this process stand
//! in one fair queue instead of polling a locked file, and none of them ever sees "database is locked"; other
//! processes (`auth-server user add`) are waited for by `busy_timeout`.

mod attempt;
mod code;
mod family;
mod live;
mod session;
mod sweep;
#[cfg(test)]
mod tests;
mod user;

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

pub(crate) use attempt::AttemptLimits;
pub(crate) use code::{CodeAdded, Redeemed};
pub(crate) use family::{GrantState, NewFamily, Rotation};
pub use live::LiveSession;
pub(crate) use live::Whose;
pub(crate) use session::{FormerSession, NewSignIn, SessionOwner, SignInStored, StoredSession};
pub(crate) use user::{UserAdded, UserChange, UserKey};

const READERS: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request waits for a connection before it is answered with 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// The database could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It failed or is not there.
    #[error("the database failed")]
    Query(#[from] sqlx::Error),
    /// Its tables could not be brought up to date.
    #[error("the database's tables could not be brought up to date")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// It holds what this program never writes.
    #[error("the database holds a damaged {0}")]
    Damaged(&'static str),
}

/// The database.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    reader: SqlitePool,
    writer: SqlitePool,
}

impl Store {
    /// Opens the file, makes it if it is not there, and brings its tables up to date.
    ///
    /// # Errors
    /// When the file cannot be opened or is no database of this program.
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        make_private(path);
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A rotation that is answered but lost in a power cut would turn an honest client's next refresh into
            // reuse, so every commit reaches the disk.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = || {
            SqlitePoolOptions::new()
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .test_before_acquire(false)
        };
        let writer = pool().max_connections(1).connect_with(options.clone()).await?;
        sqlx::migrate!("src/store/migrations").run(&writer).await?;
        let reader = pool()
            .max_connections(READERS)
            .connect_with(options.create_if_missing(false).read_only(true))
            .await?;
        Ok(Self { reader, writer })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.reader).await?;
        Ok(())
    }

    /// Waits for running statements and closes the file.
    pub(crate) async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    /// A transaction that holds the write lock from its beginning: a deferred one that reads first would fail, not
    /// wait, when another process writes in between.
    async fn begin(&self) -> Result<sqlx::Transaction<'static, sqlx::Sqlite>, StoreError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

/// The file holds password hashes and e-mail addresses: it is made readable for its owner only. SQLite gives its
/// journals the same mode. An existing file keeps the mode that its operator chose.
#[cfg(unix)]
fn make_private(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt as _;

    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    // Whatever is wrong with the path is reported by SQLite, which opens it next.
    drop(made);
}

#[cfg(not(unix))]
fn make_private(_path: &Path) {}
