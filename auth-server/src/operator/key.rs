//! What operators do to signing keys. A running server sees it within a second.

use resource_server::time::UnixTime;

use super::{Administration, OperatorError};
use crate::key::keeper::{Change, KeeperError};
use crate::key::{Keeper, file};
pub use crate::key::{Phase, SigningAlgorithm};
use crate::ops::audit;
use crate::store::StoredKey;

/// A signing key, without anything secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// How tokens and the key set call it.
    pub kid: String,
    /// What it signs by.
    pub algorithm: SigningAlgorithm,
    /// Where it is in its life.
    pub phase: Phase,
    /// When it was published first.
    pub announced_at: UnixTime,
    /// When it began to sign.
    pub active_at: Option<UnixTime>,
    /// When another took over.
    pub retired_at: Option<UnixTime>,
    /// When it was withdrawn.
    pub withdrawn_at: Option<UnixTime>,
}

/// What has happened to a signing key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyChange {
    /// How tokens and the key set call it.
    pub kid: String,
    /// What it signs by.
    pub algorithm: SigningAlgorithm,
    /// The phase that it is in now.
    pub phase: Phase,
}

impl Administration {
    /// Every signing key there ever was, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, OperatorError> {
        let now = self.clock.now();
        let keys = self.store.signing_keys().await?.into_iter();
        Ok(keys.map(|key| record(key, now)).collect())
    }

    /// Lets the announced key of one algorithm, or of each, sign from now on, before it is time. What was signed stays
    /// good.
    ///
    /// # Errors
    /// When the announced key is too young for every verifier to know it, when the key file cannot be read, or when the
    /// database fails.
    pub async fn rotate_signing_keys(
        &self,
        only: Option<SigningAlgorithm>,
    ) -> Result<Vec<SigningKeyChange>, OperatorError> {
        let changes = self.keeper()?.rotate(only, self.clock.now()).await;
        tell(changes.map_err(failed)?)
    }

    /// Withdraws keys: what they have signed is believed no more, and others sign in their place at once. Keys that are
    /// withdrawn already stay so.
    ///
    /// # Errors
    /// When there is no such key, when the key file cannot be read, or when the database fails.
    pub async fn withdraw_signing_keys(&self, kids: &[&str]) -> Result<Vec<SigningKeyChange>, OperatorError> {
        let changes = self.keeper()?.withdraw(kids, self.clock.now()).await;
        tell(changes.map_err(failed)?)
    }

    fn keeper(&self) -> Result<Keeper, OperatorError> {
        // A file that is not there is not made: its path is wrong, and what it sealed would open nowhere else.
        let keys = file::load(&self.keys.path).map_err(|error| failed(error.into()))?;
        Ok(Keeper::new(
            self.store.clone(),
            keys.sealing_key(),
            self.keys.policy(),
        ))
    }
}

fn failed(error: KeeperError) -> OperatorError {
    OperatorError::SigningKeys(error.into())
}

fn tell(changes: Vec<Change>) -> Result<Vec<SigningKeyChange>, OperatorError> {
    let told = changes.into_iter().map(|change| {
        audit::signing_key_changed(&change.kid, change.algorithm.as_str(), change.now.as_str());
        SigningKeyChange {
            kid: change.kid,
            algorithm: change.algorithm,
            phase: change.now,
        }
    });
    Ok(told.collect())
}

fn record(key: StoredKey, now: UnixTime) -> SigningKeyRecord {
    SigningKeyRecord {
        phase: key.instants.phase(now),
        kid: key.kid,
        algorithm: key.algorithm,
        announced_at: key.instants.announced_at,
        active_at: key.instants.active_at,
        retired_at: key.instants.retired_at,
        withdrawn_at: key.instants.withdrawn_at,
    }
}
