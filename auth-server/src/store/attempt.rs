use std::time::Duration;

use resource_server::time::UnixTime;

use super::lanes::enter;
use super::{Store, StoreError};
use crate::secret::Digest;

/// How many wrong passwords a bucket takes within one window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttemptLimits {
    pub(crate) failures: u32,
    pub(crate) window: Duration,
}

impl Store {
    /// Whether each bucket has room for one attempt. A look, and no claim: it keeps what is refused anyway away from
    /// the writer.
    pub(crate) async fn has_room(
        &self,
        buckets: &[(Digest, AttemptLimits)],
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let _turn = enter(&self.lanes.looks).await?;
        for (bucket, limits) in buckets {
            let full = sqlx::query(
                "SELECT 1 FROM sign_in_attempt WHERE bucket = $1 AND window_ends > $2 AND failures >= $3",
            )
            .bind(bucket.as_bytes())
            .bind(now.as_secs())
            .bind(i64::from(limits.failures))
            .fetch_optional(&self.reader)
            .await?;
            if full.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Claims one attempt in each bucket, or none at all when one of them is full: `false`.
    ///
    /// The claim comes before the password is looked at. Attempts that run side by side cannot pass a limit
    /// together, because each has to find room in the counter first.
    pub(crate) async fn claim_attempt(
        &self,
        buckets: &[(Digest, AttemptLimits)],
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let _turn = enter(&self.lanes.writes).await?;
        let mut buckets = buckets.to_vec();
        buckets.sort_unstable_by_key(|(bucket, _)| bucket.as_bytes().to_vec());
        let mut transaction = self.begin().await?;
        for (bucket, limits) in buckets {
            let claimed = sqlx::query(
                "INSERT INTO sign_in_attempt (bucket, failures, window_ends) VALUES ($1, 1, $2)
                 ON CONFLICT (bucket) DO UPDATE SET
                    failures = CASE WHEN sign_in_attempt.window_ends <= $3 THEN 1
                        ELSE sign_in_attempt.failures + 1 END,
                    window_ends = CASE WHEN sign_in_attempt.window_ends <= $3 THEN $2
                        ELSE sign_in_attempt.window_ends END
                 WHERE sign_in_attempt.window_ends <= $3 OR sign_in_attempt.failures < $4",
            )
            .bind(bucket.as_bytes())
            .bind((now + limits.window).as_secs())
            .bind(now.as_secs())
            .bind(i64::from(limits.failures))
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

    /// Lets some buckets start afresh, and gives back to others the one attempt that was claimed there.
    pub(crate) async fn forgive_attempt(
        &self,
        afresh: &[Digest],
        given_back: &[Digest],
    ) -> Result<(), StoreError> {
        let _turn = enter(&self.lanes.writes).await?;
        let afresh = afresh
            .iter()
            .map(|bucket| (bucket, "DELETE FROM sign_in_attempt WHERE bucket = $1"));
        let given_back = given_back.iter().map(|bucket| {
            let give_back =
                "UPDATE sign_in_attempt SET failures = failures - 1 WHERE bucket = $1 AND failures > 0";
            (bucket, give_back)
        });
        let mut changes: Vec<_> = afresh.chain(given_back).collect();
        changes.sort_unstable_by_key(|(bucket, _)| bucket.as_bytes());
        let mut transaction = self.begin().await?;
        for (bucket, statement) in changes {
            sqlx::query(statement)
                .bind(bucket.as_bytes())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}
