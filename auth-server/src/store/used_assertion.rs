use resource_server::time::UnixTime;

use super::{Store, StoreError};
use crate::secret::Digest;

impl Store {
    /// Notes that an assertion is used; says whether this is its first use. Of any number of simultaneous calls, on any
    /// number of nodes, one is the first. One that is remembered longer than it counts makes way for another of its name.
    pub(crate) async fn use_assertion(
        &self,
        digest: &Digest,
        remember_until: UnixTime,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let used = sqlx::query(
            "INSERT INTO used_assertion (digest, ends_at) VALUES ($1, $2)
             ON CONFLICT (digest) DO UPDATE SET ends_at = excluded.ends_at WHERE used_assertion.ends_at <= $3",
        )
        .bind(digest.as_bytes())
        .bind(remember_until.as_secs())
        .bind(now.as_secs())
        .execute(&self.writer)
        .await?;
        Ok(used.rows_affected() == 1)
    }
}
