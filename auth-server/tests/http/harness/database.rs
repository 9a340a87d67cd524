//! Where the server under test keeps everything.

use std::path::Path;

use sqlx::AnyPool;

#[path = "../../support/postgres.rs"]
mod postgres;

/// What a program of these tests keeps everything in: its main file says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "each program names one")]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

impl Database {
    /// A fresh one, as a line of `[storage]`.
    pub(super) async fn fresh(self, folder: &str) -> String {
        match self {
            Self::Sqlite => format!("path = \"{folder}/db.sqlite3\""),
            Self::Postgres => format!("url = \"{}\"", postgres::fresh_database().await),
        }
    }

    pub(super) async fn dump(self, database: &AnyPool, file: &Path) -> Vec<u8> {
        match self {
            Self::Sqlite => {
                sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
                    .execute(database)
                    .await
                    .unwrap();
                std::fs::read(file).unwrap()
            }
            Self::Postgres => {
                let name: String = sqlx::query_scalar("SELECT current_database()::text")
                    .fetch_one(database)
                    .await
                    .unwrap();
                postgres::dump(&name).await
            }
        }
    }
}
