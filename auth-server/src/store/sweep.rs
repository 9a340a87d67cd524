use std::time::Duration;

use resource_server::time::UnixTime;
use sqlx::AssertSqlSafe;

use super::db::Backend;
use super::{Store, StoreError};
use crate::grant::status::TOLD_FOR;

/// Rows deleted by one statement, so that a sweep never holds the write lock for long.
const BATCH: i64 = 500;
/// How long what is over is kept: a code that comes a second time hours later still ends its family.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// With the row of a grant goes its bit in a status list, and its index may be somebody else's: by then no token names it, no
/// list says anything about it, and every node and resource server has long forgotten what the last one said.
const _: () = assert!(KEPT.as_secs() > 4 * TOLD_FOR.as_secs());

/// A table and what is over in it: found by the index of one column, deleted by the key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Swept {
    table: &'static str,
    key: &'static str,
    over_at: &'static str,
    /// How long after.
    kept: Duration,
}

/// No idle time ends after the absolute one, nor after the family's end.
pub(super) const SWEPT: [Swept; 7] = [
    Swept::new("pushed_request", "digest", "expires_at", Duration::ZERO),
    Swept::new("sign_in_session", "key_digest", "idle_ends", Duration::ZERO),
    Swept::new("sign_in_attempt", "bucket", "window_ends", Duration::ZERO),
    Swept::new("session_client", "sid, client_id", "ends_at", Duration::ZERO),
    Swept::new("used_assertion", "digest", "ends_at", Duration::ZERO),
    Swept::new("authorization_code", "digest", "expires_at", KEPT),
    Swept::new("family", "id", "idle_ends", KEPT),
];

impl Swept {
    const fn new(table: &'static str, key: &'static str, over_at: &'static str, kept: Duration) -> Self {
        Self {
            table,
            key,
            over_at,
            kept,
        }
    }

    /// Deletes some. Rows that somebody is busy with are left for the next time, and nobody waits for another node that
    /// sweeps, too.
    pub(super) fn statement(self, backend: Backend) -> String {
        let Self {
            table, key, over_at, ..
        } = self;
        let skip_locked = backend.skip_locked();
        format!(
            "WITH done AS (SELECT {key} FROM {table} WHERE {over_at} <= $1 LIMIT $2{skip_locked})
             DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM done)"
        )
    }
}

impl Store {
    /// Deletes what nobody can use any more. Expiry itself never waits for this: every query asks the clock.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn sweep(&self, now: UnixTime) -> Result<u64, StoreError> {
        let mut swept = 0;
        for over in SWEPT {
            let statement = over.statement(self.backend);
            let before = now - over.kept;
            loop {
                let deleted = sqlx::query(AssertSqlSafe(statement.as_str()))
                    .bind(before.as_secs())
                    .bind(BATCH)
                    .execute(&self.writer)
                    .await?;
                swept += deleted.rows_affected();
                if deleted.rows_affected() < BATCH.unsigned_abs() {
                    break;
                }
            }
        }
        Ok(swept)
    }
}
