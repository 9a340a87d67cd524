//! The signing keys, sealed. Each step of their lives is one conditional write: of nodes that do the same at the same
//! time, one does it.

use resource_server::time::UnixTime;
use sqlx::Row as _;

use super::db::{Query, Transaction, hold_sid};
use super::{Store, StoreError};
use crate::key::{Instants, SigningAlgorithm};

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredKey {
    pub(crate) kid: String,
    pub(crate) algorithm: SigningAlgorithm,
    /// The private key while it may sign, then the public one; nothing of a withdrawn one.
    pub(crate) sealed: Vec<u8>,
    pub(crate) instants: Instants,
}

/// Keys to take the place of withdrawn ones of their algorithm, as far as there is a place.
#[derive(Debug)]
pub(crate) struct Replacement {
    /// Signs at once, if no announced key can.
    pub(crate) active: StoredKey,
    /// Is announced.
    pub(crate) announced: StoredKey,
}

/// What transactions on keys hold: nodes that rotate and operators who withdraw come one after the other, whatever rows
/// they touch in whatever order. No `sid` has a space.
const ALL_KEYS: &str = "signing keys";

impl Store {
    /// Every key there ever was, the oldest first.
    pub(crate) async fn signing_keys(&self) -> Result<Vec<StoredKey>, StoreError> {
        let rows = sqlx::query(
            "SELECT kid, algorithm, sealed, announced_at, active_at, retired_at, withdrawn_at
             FROM signing_key ORDER BY announced_at, kid",
        )
        .fetch_all(&self.reader)
        .await?;
        let mut keys = Vec::with_capacity(rows.len());
        for row in rows {
            let instant = |column: &str| -> Result<Option<UnixTime>, sqlx::Error> {
                Ok(row.try_get::<Option<i64>, _>(column)?.map(UnixTime::from_secs))
            };
            let algorithm: String = row.try_get("algorithm")?;
            keys.push(StoredKey {
                kid: row.try_get("kid")?,
                algorithm: SigningAlgorithm::parse(&algorithm).ok_or(StoreError::Damaged("signing key"))?,
                sealed: row.try_get("sealed")?,
                instants: Instants {
                    announced_at: UnixTime::from_secs(row.try_get("announced_at")?),
                    active_at: instant("active_at")?,
                    retired_at: instant("retired_at")?,
                    withdrawn_at: instant("withdrawn_at")?,
                },
            });
        }
        Ok(keys)
    }

    /// Adds keys; `false` if one of them has its place taken, and then none is added.
    pub(crate) async fn add_signing_keys(&self, keys: &[StoredKey]) -> Result<bool, StoreError> {
        let mut transaction = self.begin_with_keys().await?;
        for key in keys {
            if add_key(key).execute(&mut *transaction).await?.rows_affected() == 0 {
                return Ok(false);
            }
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Lets the announced key sign where none does; `false` if one does, or it is announced no more.
    pub(crate) async fn promote_signing_key(&self, kid: &str, now: UnixTime) -> Result<bool, StoreError> {
        let mut transaction = self.begin_with_keys().await?;
        let promoted = sqlx::query(
            "UPDATE signing_key SET active_at = $1
             WHERE kid = $2 AND active_at IS NULL AND withdrawn_at IS NULL AND NOT EXISTS (
                 SELECT 1 FROM signing_key AS other WHERE other.algorithm = signing_key.algorithm
                 AND other.active_at IS NOT NULL AND other.retired_at IS NULL AND other.withdrawn_at IS NULL)",
        )
        .bind(now.as_secs())
        .bind(kid)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(promoted.rows_affected() == 1)
    }

    /// Retires the key that signs, keeping its public part alone, and lets the announced one sign; `false` if either has
    /// moved on meanwhile.
    pub(crate) async fn rotate_signing_key(
        &self,
        from: &str,
        public_part: &[u8],
        to: &str,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin_with_keys().await?;
        let retired = sqlx::query(
            "UPDATE signing_key SET retired_at = $1, sealed = $2
             WHERE kid = $3 AND active_at IS NOT NULL AND retired_at IS NULL AND withdrawn_at IS NULL",
        )
        .bind(now.as_secs())
        .bind(public_part.to_vec())
        .bind(from)
        .execute(&mut *transaction)
        .await?;
        if retired.rows_affected() == 0 {
            return Ok(false);
        }
        let activated = sqlx::query(
            "UPDATE signing_key SET active_at = $1 WHERE kid = $2 AND active_at IS NULL AND withdrawn_at IS NULL",
        )
        .bind(now.as_secs())
        .bind(to)
        .execute(&mut *transaction)
        .await?;
        if activated.rows_affected() == 0 {
            return Ok(false);
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Withdraws keys and fills the places that they leave, in one step: there is no moment without a key that signs.
    /// Gives the keys that were withdrawn now and not before.
    pub(crate) async fn withdraw_signing_keys(
        &self,
        kids: &[&str],
        replacements: &[Replacement],
        now: UnixTime,
    ) -> Result<Vec<String>, StoreError> {
        let mut transaction = self.begin_with_keys().await?;
        let mut withdrawn = Vec::new();
        for kid in kids {
            let done = sqlx::query(
                "UPDATE signing_key SET withdrawn_at = $1, sealed = $2 WHERE kid = $3 AND withdrawn_at IS NULL",
            )
            .bind(now.as_secs())
            .bind(Vec::<u8>::new())
            .bind(*kid)
            .execute(&mut *transaction)
            .await?;
            if done.rows_affected() > 0 {
                withdrawn.push((*kid).to_owned());
            }
        }
        for replacement in replacements {
            let algorithm = replacement.active.algorithm.as_str();
            sqlx::query(
                "UPDATE signing_key SET active_at = $1
                 WHERE algorithm = $2 AND active_at IS NULL AND withdrawn_at IS NULL AND NOT EXISTS (
                     SELECT 1 FROM signing_key AS other WHERE other.algorithm = $2
                     AND other.active_at IS NOT NULL AND other.retired_at IS NULL AND other.withdrawn_at IS NULL)",
            )
            .bind(now.as_secs())
            .bind(algorithm)
            .execute(&mut *transaction)
            .await?;
            // The indexes see to it that what has its place taken is not added.
            add_key(&replacement.active).execute(&mut *transaction).await?;
            add_key(&replacement.announced).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(withdrawn)
    }

    async fn begin_with_keys(&self) -> Result<Transaction, StoreError> {
        let mut transaction = self.begin().await?;
        hold_sid(&mut transaction, ALL_KEYS).await?;
        Ok(transaction)
    }
}

fn add_key(key: &StoredKey) -> Query<'_> {
    let seconds = |instant: Option<UnixTime>| instant.map(UnixTime::as_secs);
    sqlx::query(
        "INSERT INTO signing_key (kid, algorithm, sealed, announced_at, active_at, retired_at, withdrawn_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind(&key.kid)
    .bind(key.algorithm.as_str())
    .bind(&key.sealed)
    .bind(key.instants.announced_at.as_secs())
    .bind(seconds(key.instants.active_at))
    .bind(seconds(key.instants.retired_at))
    .bind(seconds(key.instants.withdrawn_at))
}
