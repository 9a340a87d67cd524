use resource_server::time::UnixTime;
use std::time::Duration;

use super::{Store, StoreError};
use crate::secret::Digest;

/// How many wrong passwords a bucket takes within one window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttemptLimits {
    pub(crate) failures: u32,
    pub(crate) window: Duration,
}

impl Store {
    /// Claims one attempt in each bucket, or none at all when one of them is full: `false`.
    ///
    /// The claim comes before the password is looked at. Attempts that run side by side cannot pass a limit
    /// together, because each has to find room in the counter first.
    pub(crate) async fn claim_attempt(
        &self,
        buckets: &[(Digest, AttemptLimits)],
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        for (bucket, limits) in buckets {
            let claimed = sqlx::query(
                "INSERT INTO sign_in_attempt (bucket, failures, window_ends) VALUES (?1, 1, ?2)
                 ON CONFLICT (bucket) DO UPDATE SET
                    failures = CASE WHEN window_ends <= ?3 THEN 1 ELSE failures + 1 END,
                    window_ends = CASE WHEN window_ends <= ?3 THEN ?2 ELSE window_ends END
                 WHERE window_ends <= ?3 OR failures < ?4",
            )
            .bind(bucket.as_bytes())
            .bind((now + limits.window).as_secs())
            .bind(now.as_secs())
            .bind(limits.failures)
            .execute(&mut *transaction)
            .await?;
            if claimed.rows_affected() == 0 {
                transaction.rollback().await?;
                return Ok(false);
            }
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// The password was right: the account starts afresh, and the address gets back the one attempt it claimed.
    pub(crate) async fn forgive_attempt(&self, account: &Digest, address: &Digest) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        sqlx::query("DELETE FROM sign_in_attempt WHERE bucket = ?")
            .bind(account.as_bytes())
            .execute(&mut *transaction)
            .await?;
        sqlx::query("UPDATE sign_in_attempt SET failures = failures - 1 WHERE bucket = ? AND failures > 0")
            .bind(address.as_bytes())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}
