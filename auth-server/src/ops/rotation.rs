//! Keeps the keys in force up to date with the database.
//!
//! Every second, by the clock, the next request looks at the database before it is served: it carries out what is due, and
//! sees what another node or an operator has done. So a key that is withdrawn anywhere is believed nowhere a second
//! later, and a server that nobody asks anything has nothing to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use resource_server::time::{Clock, UnixTime};
use tokio::sync::Mutex;

use super::audit;
use crate::key::keeper::{Change, KeeperError};
use crate::key::phase::LOOK_EVERY;
use crate::key::{Keeper, KeyRing, LegacyKey, Phase, Signer, SigningAlgorithm};
use crate::store::{LOOK_PATIENCE, StoredKey};

/// The keys in force, and what keeps them so.
#[derive(Debug)]
pub(crate) struct Rotation {
    keeper: Keeper,
    signer: Arc<Signer>,
    clock: Arc<dyn Clock>,
    /// Before this second nobody looks.
    next_look: AtomicI64,
    /// Held by who looks.
    seen: Arc<Mutex<Seen>>,
    has_failed: AtomicBool,
}

/// What the keys in force were made from.
#[derive(Debug)]
struct Seen {
    wanted: Vec<SigningAlgorithm>,
    keys: Vec<StoredKey>,
    phases: Vec<Phase>,
}

impl Seen {
    fn is(&self, keys: &[StoredKey], now: UnixTime) -> bool {
        self.keys == keys && self.phases == phases(keys, now)
    }
}

fn phases(keys: &[StoredKey], now: UnixTime) -> Vec<Phase> {
    keys.iter().map(|key| key.instants.phase(now)).collect()
}

impl Rotation {
    /// Takes over what an older key file holds, does what is due, and opens the keys.
    pub(crate) async fn start(
        keeper: Keeper,
        legacy: &[LegacyKey],
        mut wanted: Vec<SigningAlgorithm>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KeeperError> {
        // What nobody chooses is ready all the same for clients that are added while the server runs.
        if !wanted.contains(&SigningAlgorithm::Es256) {
            wanted.push(SigningAlgorithm::Es256);
        }
        let now = clock.now();
        tell(&keeper.take_over(legacy, now).await?);
        let (keys, changes) = keeper.look_after(&wanted, now).await?;
        tell(&changes);
        let ring = KeyRing::open(&keys, keeper.sealing(), now)?;
        let phases = phases(&keys, now);
        Ok(Self {
            keeper,
            signer: Arc::new(Signer::new(ring)),
            clock,
            next_look: AtomicI64::new((now + LOOK_EVERY).as_secs()),
            seen: Arc::new(Mutex::new(Seen { wanted, keys, phases })),
            has_failed: AtomicBool::new(false),
        })
    }

    pub(crate) fn signer(&self) -> &Arc<Signer> {
        &self.signer
    }

    /// Looks at the database if it is time. Whoever comes meanwhile waits for it as well, and so meets the same keys; but
    /// nobody waits for long: then the keys known so far serve.
    pub(crate) async fn keep_up(self: Arc<Self>) {
        let now = self.clock.now();
        if !self.is_due(now) {
            return;
        }
        let Ok(mut seen) = Arc::clone(&self.seen).try_lock_owned() else {
            let _ = tokio::time::timeout(LOOK_PATIENCE, self.seen.lock()).await;
            return;
        };
        // In a task of its own: a client that goes away does not take it along.
        let look = tokio::spawn(async move {
            let outcome = self.look(&mut seen, now).await;
            self.next_look
                .store((now + LOOK_EVERY).as_secs(), Ordering::Relaxed);
            match outcome {
                Ok(()) if self.has_failed.swap(false, Ordering::Relaxed) => {
                    tracing::info!("the signing keys can be looked after again");
                }
                Err(error) if !self.has_failed.swap(true, Ordering::Relaxed) => {
                    tracing::error!(%error, cause = ?error, "the signing keys could not be looked after");
                }
                Ok(()) | Err(_) => {}
            }
        });
        // Whatever came of it has been told.
        let _ = tokio::time::timeout(LOOK_PATIENCE, look).await;
    }

    /// Whether it is time to look. A look that seems further away than it can be means that the clock was set back.
    pub(crate) fn is_due(&self, now: UnixTime) -> bool {
        let next = UnixTime::from_secs(self.next_look.load(Ordering::Relaxed));
        now >= next || next > now + LOOK_EVERY || self.signer.lacks_any()
    }

    async fn look(&self, seen: &mut Seen, now: UnixTime) -> Result<(), KeeperError> {
        for algorithm in self.signer.take_missing() {
            if !seen.wanted.contains(&algorithm) {
                seen.wanted.push(algorithm);
            }
        }
        match self.keeper.look_after(&seen.wanted, now).await {
            Ok((keys, changes)) => {
                tell(&changes);
                self.put_in_force(seen, keys, now);
                Ok(())
            }
            Err(error) => {
                // Whatever cannot be done: what is withdrawn counts.
                self.put_in_force(seen, self.keeper.keys().await?, now);
                Err(error)
            }
        }
    }

    fn put_in_force(&self, seen: &mut Seen, keys: Vec<StoredKey>, now: UnixTime) {
        if seen.is(&keys, now) {
            return;
        }
        let ring = self.signer.ring();
        self.signer
            .replace(ring.renewed(&keys, self.keeper.sealing(), now));
        seen.phases = phases(&keys, now);
        seen.keys = keys;
        tracing::info!("other signing keys are in force");
    }
}

fn tell(changes: &[Change]) {
    for change in changes {
        audit::signing_key_changed(&change.kid, change.algorithm.as_str(), change.now.as_str());
    }
}
