use std::time::Duration;

use resource_server::time::UnixTime;

use super::{Store, StoreError};

/// Rows deleted by one statement, so that a sweep never holds the write lock for long.
const BATCH: i64 = 500;
/// How long what is over is kept: a code that comes a second time hours later still ends its family.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// What is deleted at once. Each statement finds its rows by the index of one column: no idle time ends after the
/// absolute one, nor after the family's end.
pub(super) const OVER: [&str; 4] = [
    "DELETE FROM pushed_request WHERE digest IN (SELECT digest FROM pushed_request WHERE expires_at <= $1 LIMIT $2)",
    "DELETE FROM sign_in_session WHERE key_digest IN (SELECT key_digest FROM sign_in_session WHERE idle_ends <= $1 LIMIT $2)",
    "DELETE FROM sign_in_attempt WHERE bucket IN (SELECT bucket FROM sign_in_attempt WHERE window_ends <= $1 LIMIT $2)",
    "DELETE FROM session_client WHERE (sid, client_id) IN (SELECT sid, client_id FROM session_client
        WHERE ends_at <= $1 LIMIT $2)",
];
/// What is deleted after [`KEPT`].
pub(super) const LONG_OVER: [&str; 2] = [
    "DELETE FROM authorization_code WHERE digest IN (SELECT digest FROM authorization_code
        WHERE expires_at <= $1 LIMIT $2)",
    "DELETE FROM family WHERE id IN (SELECT id FROM family WHERE idle_ends <= $1 LIMIT $2)",
];

impl Store {
    /// Deletes what nobody can use any more. Expiry itself never waits for this: every query asks the clock.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn sweep(&self, now: UnixTime) -> Result<u64, StoreError> {
        let over = OVER.map(|statement| (statement, now));
        let long_over = LONG_OVER.map(|statement| (statement, now - KEPT));
        let mut swept = 0;
        for (statement, before) in over.into_iter().chain(long_over) {
            loop {
                let deleted = sqlx::query(statement)
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
