//! Which database driver the store speaks through: this file alone names it.
//!
//! It is sqlx's `Any`, which decides at run time between SQLite and PostgreSQL: each statement stands in the program
//! once. What a statement has to be like so that both take it:
//!
//! - Parameters are `$1`, `$2` …; sqlx's `QueryBuilder` writes `?` and is of no use here. (Statements that are written while the
//!   program runs may ask [`Backend`] instead, as [`super::rotation`] does.)
//! - Bound and read are `i64`, `&str`, `String`, `&[u8]`, `Vec<u8>` and `Option`s of them, nothing else: no `u32`, and no
//!   `bool`, which SQLite has no type for (read the column that tells, or `count(*)`), nor `sum()`, which is no `i64`.
//! - `"user"` stands in quotes: without them PostgreSQL reads it as the name of who is connected.
//! - In `ON CONFLICT … DO UPDATE` a column of the table is named with its table: `sign_in_attempt.failures`.
//! - No scalar `min` and `max` (`CASE`), `rowid`, `instr`, JSON, `INSERT OR`, double quotes around texts.
//! - A transaction sees what others commit while it runs (READ COMMITTED on PostgreSQL): one conditional statement judges
//!   and changes, and nothing is decided by an earlier `SELECT`.
//! - Rows of several keys are changed in the order of their keys, so that two transactions never wait for each other.
//! - No text has a NUL: PostgreSQL takes none.
//!
//! Migrations are written once, too, in the words of SQLite: `TEXT`, `INTEGER` for every number, `BLOB`, `) STRICT;`, and
//! `REFERENCES "user" (id)`. For PostgreSQL these words are translated.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{Database as _, Sqlite};
use std::time::Duration;

use super::{ACQUIRE_TIMEOUT, StoreError};
use crate::secret::Digest;

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backend {
    Sqlite,
    Postgres,
}

/// Some connections to the database.
pub(super) type Pool = sqlx::AnyPool;

/// One of them.
pub(super) type Connection = sqlx::AnyConnection;

/// One of them, to be given back to its pool when it is dropped.
pub(super) type PooledConnection = sqlx::pool::PoolConnection<sqlx::Any>;

/// Statements that are carried out together or not at all, as [`super::Store::begin`] begins them; they are carried out
/// by `&mut **transaction`.
pub(super) type Transaction = sqlx::Transaction<'static, sqlx::Any>;

/// A statement, some of its parameters bound.
pub(super) type Query<'q> = sqlx::query::Query<'q, sqlx::Any, AnyArguments>;

/// What a statement found.
pub(super) type Row = AnyRow;

impl Backend {
    /// Begins a transaction. On SQLite it holds the write lock at once: one that reads first would fail, not wait, when
    /// another process writes in between.
    pub(super) fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }

    /// The number that the next end will have, at least, if it is not visible yet (`family.end_number`). On PostgreSQL that
    /// is the oldest transaction that is still under way: what a later one has ended may be seen before what this one has.
    pub(super) fn next_end(self) -> &'static str {
        match self {
            Self::Sqlite => "(SELECT number + 1 FROM last_end WHERE id = 1)",
            Self::Postgres => "txid_snapshot_xmin(txid_current_snapshot())",
        }
    }

    /// The end of a `SELECT` whose rows are about to be deleted or claimed: those that somebody else is busy with are left
    /// alone. It has to stand in a `WITH`: PostgreSQL may carry out a subquery several times, and finds others each time.
    pub(super) fn skip_locked(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }
}

/// How long a request waits for a look at what has changed elsewhere. When that takes longer, what is known so far serves.
pub(crate) const LOOK_PATIENCE: Duration = Duration::from_secs(2);

/// Gives up on a database that says nothing. The driver has no deadline of its own, and the system's for a connection that
/// has died is a quarter of an hour: a request ends when its client has had enough, but what nobody waits for would hang.
pub(crate) async fn in_time<T, E: From<sqlx::Error>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    match tokio::time::timeout(ACQUIRE_TIMEOUT, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(sqlx::Error::PoolTimedOut.into()),
    }
}

/// Keeps other transactions from beginning or ending anything of a `sid`, whether it is there yet or not, until this one
/// ends; waits until no other does. On SQLite every transaction is alone.
///
/// Whoever can be made to do this any number of times at once has taken a turn before the transaction
/// ([`super::Store::turn_of`]). Who changes the row of a user, too, does that before, and who takes several takes them in order: so no two ever wait for
/// each other.
pub(super) async fn hold_sid(transaction: &mut Transaction, sid: &str) -> Result<(), StoreError> {
    hold(transaction, sid).await
}

/// The same for what one user has allowed one client. It comes before any `sid`.
pub(super) async fn hold_consent(
    transaction: &mut Transaction,
    user_id: &str,
    client_id: &str,
) -> Result<(), StoreError> {
    hold(transaction, &format!("consent {user_id} {client_id}")).await
}

async fn hold(transaction: &mut Transaction, what: &str) -> Result<(), StoreError> {
    if transaction.backend_name() == Sqlite::NAME {
        return Ok(());
    }
    // Two that share a number, of 2^64, wait for each other without need.
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(number_of(what))
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// A number that stands for a name.
pub(super) fn number_of(name: &str) -> i64 {
    let digest = Digest::of(name.as_bytes());
    i64::from_be_bytes(digest.as_bytes().first_chunk().copied().unwrap_or_default())
}
