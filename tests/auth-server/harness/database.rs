//! Where the server under test keeps everything.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AnyPool, AssertSqlSafe};
use tokio::sync::OnceCell;
use url::Url;

use super::clock::StoryClock;
use super::process::{configure, fresh_folder, run};
use super::{PASSWORD, configuration};

#[path = "../../../auth-server/tests/support/postgres.rs"]
mod postgres;

/// What a program of these tests keeps everything in: its main file says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "each program names one")]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

impl Database {
    /// One with the users alice and bob, as a line of `[storage]`.
    pub(super) async fn fresh(self, folder: &Path) -> String {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();

        // A copy takes a tenth of what it takes to make the tables and to hash two passwords.
        let template = TEMPLATE.get_or_init(|| self.template()).await;
        match self {
            Self::Sqlite => {
                let file = folder.join("db.sqlite3");
                std::fs::copy(template, &file).unwrap();
                format!("path = \"{}\"", file.display())
            }
            Self::Postgres => format!("url = \"{}\"", copy(template).await),
        }
    }

    /// The file or the URL of a database that is copied for each story; the program itself makes it.
    async fn template(self) -> String {
        let folder = fresh_folder().keep();
        let clock = StoryClock::in_folder(&folder);
        let file = folder.join("db.sqlite3").display().to_string();
        let (storage, template) = match self {
            Self::Sqlite => (format!("path = \"{file}\""), file),
            Self::Postgres => {
                let url = postgres::fresh_database().await;
                (format!("url = \"{url}\""), url)
            }
        };
        configure(&folder, &configuration(super::ISSUER, &folder, &storage, ""));
        for name in ["alice", "bob"] {
            let (email, full_name) = (format!("{name}@example.com"), format!("{name} <b>Example</b>"));
            let words = ["user", "add", name, "--email", &email, "--name", &full_name];
            let added = run(&folder, &clock, &words, PASSWORD).await;
            assert!(added.status.success(), "{added:?}");
        }
        assert!(!folder.join("db.sqlite3-wal").exists(), "all is in the one file");
        template
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

/// A copy of a database at the same server.
async fn copy(template: &str) -> Url {
    static COPIES: AtomicU32 = AtomicU32::new(0);

    let mut url = Url::parse(template).unwrap();
    let template = url.path().trim_start_matches('/').to_owned();
    url.set_path("postgres");
    sqlx::any::install_default_drivers();
    let beside = AnyPool::connect(url.as_str()).await.unwrap();
    let name = format!("story_{}", COPIES.fetch_add(1, Ordering::Relaxed));
    let statement = format!("CREATE DATABASE {name} TEMPLATE {template}");
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(&beside)
        .await
        .unwrap();
    beside.close().await;
    url.set_path(&name);
    url
}
