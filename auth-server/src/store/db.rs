//! Which database driver the store speaks through: this file alone names it.
//!
//! It is sqlx's `Any`, which decides at run time between SQLite and PostgreSQL: each statement stands in the program
//! once. What a statement has to be like so that both take it:
//!
//! - Parameters are `$1`, `$2` …; sqlx's `QueryBuilder` writes `?` and is of no use here.
//! - Bound and read are `i64`, `&str`, `String`, `&[u8]`, `Vec<u8>` and `Option`s of them, nothing else: no `u32`, and no
//!   `bool`, which SQLite has no type for (read the column that tells, or `count(*)`).
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

/// Some connections to the database.
pub(super) type Pool = sqlx::AnyPool;

/// Statements that are carried out together or not at all, as [`super::Store::begin`] begins them; they are carried out
/// by `&mut **transaction`.
pub(super) type Transaction = sqlx::Transaction<'static, sqlx::Any>;

/// A statement, some of its parameters bound.
pub(super) type Query<'q> = sqlx::query::Query<'q, sqlx::Any, AnyArguments>;

/// What a statement found.
pub(super) type Row = AnyRow;
