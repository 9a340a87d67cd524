//! Opening an SQLite file and bringing its tables up to date, while other processes may be about to do the same.

use std::path::Path;
use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{ConnectOptions as _, Connection as _};

use super::db::Pool;
use super::{ACQUIRE_TIMEOUT, StoreError, schema};
use crate::config::Durability;

/// What every connection is told. A statement waits for another process that writes.
const PRAGMAS: &str = "PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000";
/// How long a start waits for another process that brings the tables up to date, which may be large.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(60);
const RETRY_AFTER: Duration = Duration::from_millis(20);
/// `SQLITE_BUSY`, the low byte of its kinds.
const BUSY: i32 = 5;

/// What the connections of a pool may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Some connections to a file that is there.
pub(super) async fn pool(
    path: &Path,
    access: Access,
    durability: Durability,
    connections: u32,
) -> Result<Pool, StoreError> {
    sqlx::any::install_default_drivers();
    let mode = match access {
        Access::Read => "ro",
        Access::Write => "rw",
    };
    let name = percent_encode(path.as_os_str().as_encoded_bytes(), NON_ALPHANUMERIC);
    let options: AnyConnectOptions = format!("sqlite:{name}?mode={mode}").parse()?;
    let pool = AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(PRAGMAS).execute(&mut *connection).await?;
                sqlx::raw_sql(synchronous(durability)).execute(connection).await?;
                Ok(())
            })
        });
    Ok(pool.connect_with(options).await?)
}

fn synchronous(durability: Durability) -> &'static str {
    match durability {
        // A rotation that is answered but lost in a power cut turns an honest client's next refresh into reuse.
        Durability::Full => "PRAGMA synchronous = FULL",
        Durability::Normal => "PRAGMA synchronous = NORMAL",
    }
}

/// How the first connection is opened; the file is made here if it is not there.
pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    make_private(path);
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        // The file remembers this one.
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(MIGRATION_TIMEOUT)
}

/// A connection to the file, whose tables are up to date. sqlx locks nothing on SQLite: here one process is alone because
/// the transaction holds the write lock from its beginning.
pub(super) async fn migrated(path: &Path) -> Result<SqliteConnection, StoreError> {
    let mut connection = connect(&options(path)).await?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    schema::bring_up_to_date(&mut *transaction, &schema::of_sqlite()).await?;
    transaction.commit().await?;
    Ok(connection)
}

/// Connects. A file that is new has to be switched to WAL first, and of several that switch at once SQLite turns all but
/// one away without making them wait: they would wait for each other.
async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, StoreError> {
    let began = Instant::now();
    loop {
        match options.connect().await {
            Err(error) if is_busy(&error) && began.elapsed() < MIGRATION_TIMEOUT => {
                tokio::time::sleep(RETRY_AFTER).await;
            }
            outcome => return Ok(outcome?),
        }
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .and_then(|code| code.parse::<i32>().ok())
        .is_some_and(|code| code & 0xff == BUSY)
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

#[cfg(test)]
pub(super) mod tests;
