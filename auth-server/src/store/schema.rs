//! The tables, written once: as SQLite takes them, and translated for PostgreSQL.
//!
//! The look at what is missing and all that follows from it are one transaction, in which one process is alone: the
//! others find everything done. So no migration may ask for `-- no-transaction`.

use std::borrow::Cow;

use sqlx::migrate::{Migrate, Migration, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use super::StoreError;

static SQLITE: Migrator = sqlx::migrate!("src/store/migrations");

/// In the place of those of the same number that cannot be translated.
static POSTGRES: Migrator = sqlx::migrate!("src/store/migrations/postgres");

/// Words of SQLite and what PostgreSQL calls them, in this order. Numbers are 64 bits wide and texts are compared byte
/// by byte on both.
const WORDS: [(&str, &str); 7] = [
    ("BLOB", "BYTEA"),
    ("INTEGER", "BIGINT"),
    ("TEXT", "TEXT COLLATE \"C\""),
    (") STRICT;", ");"),
    ("(idle_ends <= min(", "(idle_ends <= least("),
    ("TABLE user ", "TABLE \"user\" "),
    ("REFERENCES user ", "REFERENCES \"user\" "),
];

/// The migrations of SQLite.
pub(super) fn of_sqlite() -> Migrator {
    let migrations = SQLITE.iter().cloned().collect();
    migrator(migrations)
}

/// The migrations of PostgreSQL.
pub(super) fn of_postgres() -> Migrator {
    let own = |version| POSTGRES.iter().find(|own| own.version == version);
    let translated = SQLITE
        .iter()
        .map(|migration| translate(own(migration.version).unwrap_or(migration)))
        .collect();
    migrator(translated)
}

/// Brings the tables up to date, in a transaction that keeps other processes from doing the same.
pub(super) async fn bring_up_to_date(
    connection: &mut impl Migrate,
    migrations: &Migrator,
) -> Result<(), StoreError> {
    // As `run`, whose future the compiler lets no thread move: its `Acquire` is "not general enough" there.
    Ok(migrations.run_direct(None, connection, false).await?)
}

fn migrator(migrations: Vec<Migration>) -> Migrator {
    let mut migrator = Migrator::DEFAULT;
    migrator.migrations = Cow::Owned(migrations);
    migrator.set_locking(false);
    migrator
}

/// The checksum stays that of the file.
fn translate(migration: &Migration) -> Migration {
    let mut text = migration.sql.as_str().to_owned();
    for (word, translation) in WORDS {
        text = text.replace(word, translation);
    }
    Migration {
        sql: AssertSqlSafe(text).into_sql_str(),
        ..migration.clone()
    }
}
