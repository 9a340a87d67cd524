//! Carries out what the life of keys asks for, at the database, beside other nodes that do the same.

use resource_server::time::UnixTime;

use super::phase::{Life, Policy, Step, may_follow, next_step};
use super::ring::{RingError, open_private};
use super::seal::{Content, SealingKey};
use super::{Instants, KeyError, LegacyKey, Phase, SigningAlgorithm, SigningKey, pair};
use crate::store::{Replacement, Store, StoreError, StoredKey, in_time};

/// More than all that can be due at once; whoever needs more goes round in circles.
const MOST_STEPS: usize = 32;

/// Looks after the keys in the database.
#[derive(Debug)]
pub(crate) struct Keeper {
    store: Store,
    sealing: SealingKey,
    policy: Policy,
}

/// What has happened to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) kid: String,
    pub(crate) algorithm: SigningAlgorithm,
    pub(crate) now: Phase,
}

/// Why the keys could not be looked after.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeeperError {
    #[error("the database could not be used")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Ring(#[from] RingError),
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is no such key.
    #[error("there is no signing key {0}")]
    NoSuchKey(String),
    /// There is none of this algorithm.
    #[error("no key signs {0}: no client needs it, or no server has been started yet")]
    Unused(SigningAlgorithm),
    /// Verifiers that keep the key set would refuse what the next key signs.
    #[error("the next {algorithm} key may not sign before {}: verifiers do not all know it yet", date(.may_sign_at))]
    TooEarly {
        /// Whose next key it is.
        algorithm: SigningAlgorithm,
        /// When it may sign.
        may_sign_at: UnixTime,
    },
}

fn date(instant: &UnixTime) -> String {
    let seconds = u64::try_from(instant.as_secs()).unwrap_or(0);
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    humantime::format_rfc3339_seconds(time).to_string()
}

impl Keeper {
    pub(crate) fn new(store: Store, sealing: SealingKey, policy: Policy) -> Self {
        Self {
            store,
            sealing,
            policy,
        }
    }

    pub(crate) fn sealing(&self) -> &SealingKey {
        &self.sealing
    }

    /// The keys as they are stored.
    pub(crate) async fn keys(&self) -> Result<Vec<StoredKey>, KeeperError> {
        Ok(in_time(self.store.signing_keys()).await?)
    }

    /// Takes over the keys that the version before kept in its key file: the first one signed. Only a database without
    /// keys takes them, so that none comes back that was withdrawn.
    pub(crate) async fn take_over(
        &self,
        legacy: &[LegacyKey],
        now: UnixTime,
    ) -> Result<Vec<Change>, KeeperError> {
        if legacy.is_empty() || !self.store.signing_keys().await?.is_empty() {
            return Ok(Vec::new());
        }
        let mut keys = Vec::with_capacity(legacy.len());
        for (index, key) in legacy.iter().enumerate() {
            let mut stored = self.sealed(&key.signing, &key.pkcs8, now);
            stored.instants.active_at = Some(now);
            if index > 0 {
                stored.instants.retired_at = Some(now);
                stored.sealed = self.public_part(&key.signing);
            }
            keys.push(stored);
        }
        let changes = keys.iter().map(|key| change(key, key.instants.phase(now)));
        let changes = changes.collect();
        // Another node with the same file was faster: then there is nothing left to do.
        let is_done = self.store.add_signing_keys(&keys).await?;
        Ok(if is_done { changes } else { Vec::new() })
    }

    /// Does what is due, step by step, and gives the keys as they are then, with what has changed.
    pub(crate) async fn look_after(
        &self,
        wanted: &[SigningAlgorithm],
        now: UnixTime,
    ) -> Result<(Vec<StoredKey>, Vec<Change>), KeeperError> {
        let mut changes = Vec::new();
        for _ in 0..MOST_STEPS {
            let keys = self.keys().await?;
            let lives: Vec<_> = keys.iter().map(life).collect();
            let Some(step) = next_step(&self.policy, &lives, wanted, now) else {
                return Ok((keys, changes));
            };
            changes.extend(self.carry_out(step, &keys, now).await?);
        }
        Err(KeeperError::Store(StoreError::Damaged("set of signing keys")))
    }

    /// Rotates the keys of one algorithm, or of all, before it is time.
    pub(crate) async fn rotate(
        &self,
        only: Option<SigningAlgorithm>,
        now: UnixTime,
    ) -> Result<Vec<Change>, KeeperError> {
        let (keys, mut changes) = self.look_after(&[], now).await?;
        let mut steps = Vec::new();
        for algorithm in SigningAlgorithm::ALL {
            if only.is_some_and(|only| only != algorithm) {
                continue;
            }
            let find = |phase| {
                let mut of_algorithm = keys.iter().filter(|key| key.algorithm == algorithm);
                of_algorithm.find(|key| key.instants.phase(now) == phase)
            };
            let (Some(active), Some(announced)) = (find(Phase::Active), find(Phase::Announced)) else {
                if only.is_some() {
                    return Err(KeeperError::Unused(algorithm));
                }
                continue;
            };
            if !may_follow(&self.policy, &life(announced), now) {
                let may_sign_at = announced.instants.announced_at + self.policy.announced_for;
                return Err(KeeperError::TooEarly {
                    algorithm,
                    may_sign_at,
                });
            }
            steps.push(Step::Rotate {
                from: active.kid.clone(),
                to: announced.kid.clone(),
            });
        }
        for step in steps {
            changes.extend(self.carry_out(step, &keys, now).await?);
        }
        changes.extend(self.look_after(&[], now).await?.1);
        Ok(changes)
    }

    /// Takes keys out of service at once, and lets others sign in their place. Needs none of them to open: this is also
    /// how one goes on whose root key is lost.
    pub(crate) async fn withdraw(&self, kids: &[&str], now: UnixTime) -> Result<Vec<Change>, KeeperError> {
        let before = self.store.signing_keys().await?;
        let mut replacements = Vec::new();
        for kid in kids {
            let Some(key) = before.iter().find(|key| key.kid == *kid) else {
                return Err(KeeperError::NoSuchKey((*kid).to_owned()));
            };
            let is_new = replacements
                .iter()
                .all(|known: &Replacement| known.active.algorithm != key.algorithm);
            if is_new && key.instants.phase(now) != Phase::Withdrawn {
                let mut active = self.fresh(key.algorithm, now).await?;
                active.instants.active_at = Some(now);
                let announced = self.fresh(key.algorithm, now).await?;
                replacements.push(Replacement { active, announced });
            }
        }
        self.store.withdraw_signing_keys(kids, &replacements, now).await?;
        let after = self.store.signing_keys().await?;
        let is_changed = |key: &&StoredKey| {
            let old = before.iter().find(|old| old.kid == key.kid);
            old.map(|old| old.instants.phase(now)) != Some(key.instants.phase(now))
        };
        let changed = after.iter().filter(is_changed);
        Ok(changed.map(|key| change(key, key.instants.phase(now))).collect())
    }

    /// Another node may have been faster with the same step: then nothing has changed here.
    async fn carry_out(
        &self,
        step: Step,
        keys: &[StoredKey],
        now: UnixTime,
    ) -> Result<Vec<Change>, KeeperError> {
        let find = |kid: &str| keys.iter().find(|key| key.kid == kid);
        let (is_done, changes) = match step {
            Step::Begin(algorithm) => {
                let mut key = self.fresh(algorithm, now).await?;
                key.instants.active_at = Some(now);
                let changes = vec![change(&key, Phase::Active)];
                (in_time(self.store.add_signing_keys(&[key])).await?, changes)
            }
            Step::Announce(algorithm) => {
                let key = self.fresh(algorithm, now).await?;
                let changes = vec![change(&key, Phase::Announced)];
                (in_time(self.store.add_signing_keys(&[key])).await?, changes)
            }
            Step::Promote(kid) => {
                let changes = find(&kid).map(|key| change(key, Phase::Active));
                (
                    in_time(self.store.promote_signing_key(&kid, now)).await?,
                    changes.into_iter().collect(),
                )
            }
            Step::Rotate { from, to } => {
                let (Some(old), Some(new)) = (find(&from), find(&to)) else {
                    return Ok(Vec::new());
                };
                let public = self.public_part(&open_private(old, &self.sealing)?);
                // What is announced has to open before anything rests on it.
                open_private(new, &self.sealing)?;
                let changes = vec![change(old, Phase::Retired), change(new, Phase::Active)];
                (
                    in_time(self.store.rotate_signing_key(&from, &public, &to, now)).await?,
                    changes,
                )
            }
        };
        Ok(if is_done { changes } else { Vec::new() })
    }

    /// A new key, announced. Making one of RSA would hold up those who share the thread.
    async fn fresh(&self, algorithm: SigningAlgorithm, now: UnixTime) -> Result<StoredKey, KeeperError> {
        let made = tokio::task::spawn_blocking(move || pair::generate(algorithm)).await;
        let pkcs8 = made.unwrap_or(Err(KeyError::Generation))?;
        let signing = SigningKey::from_pkcs8(algorithm, &pkcs8).ok_or(KeyError::Generation)?;
        Ok(self.sealed(&signing, &pkcs8, now))
    }

    fn sealed(&self, signing: &SigningKey, pkcs8: &[u8], now: UnixTime) -> StoredKey {
        let (kid, algorithm) = (signing.public().kid.clone(), signing.algorithm());
        StoredKey {
            sealed: self.sealing.seal(Content::PrivateKey, algorithm, &kid, pkcs8),
            kid,
            algorithm,
            instants: Instants {
                announced_at: now,
                active_at: None,
                retired_at: None,
                withdrawn_at: None,
            },
        }
    }

    fn public_part(&self, signing: &SigningKey) -> Vec<u8> {
        let public = signing.public();
        let jwk = public.jwk.to_string();
        self.sealing.seal(
            Content::PublicKey,
            signing.algorithm(),
            &public.kid,
            jwk.as_bytes(),
        )
    }
}

fn life(key: &StoredKey) -> Life<'_> {
    Life {
        kid: &key.kid,
        algorithm: key.algorithm,
        instants: key.instants,
    }
}

fn change(key: &StoredKey, now: Phase) -> Change {
    Change {
        kid: key.kid.clone(),
        algorithm: key.algorithm,
        now,
    }
}
