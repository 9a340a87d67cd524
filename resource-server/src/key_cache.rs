//! Holds a provider's keys, so that verifying a token costs no call.
//!
//! Readers take a snapshot without a lock; nothing they do waits for a fetch as long as the key of their token is in
//! it. A fetch is begun when the snapshot has grown old (in the background), or when a token names a key that is not
//! in it: then the request waits. There is at most one fetch at a time, which all who need it join, and a cooldown
//! between two. The cooldown is claimed before a fetch and again at its end, whatever the end.
//!
//! One fetch more is allowed within a cooldown, for a token that names an unknown key when the last fetch went well: so
//! the first token of a new key is good at once, although the keys were fetched a moment ago. After it the cooldown
//! begins anew. A stream of invented key ids thus costs the provider two requests per cooldown, and one while it fails.
//!
//! Where no token came for long, nobody began a fetch in the background: then the first ones wait for it, so that a key
//! that was withdrawn meanwhile is not believed once more.
//!
//! A fetch runs in a task of its own: a client that goes away takes its request with it, not the fetch that others
//! wait for.

mod policy;

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use tokio::sync::watch;

pub use self::policy::CachePolicy;
use crate::claims::Claims;
use crate::error::TokenError;
pub use crate::error::{FetchKeysError, VerifyError};
use crate::jwks::{JwksError, KeySet};
use crate::time::{Clock, UnixTime};
use crate::verifier::Verifier;

/// Where the keys come from.
#[async_trait]
pub trait FetchKeys: fmt::Debug + Send + Sync {
    /// Fetches the JWK set. It has to come to an end by itself: requests wait for it.
    async fn fetch(&self) -> Result<Vec<u8>, FetchKeysError>;

    /// Whose keys they are, or where they are, for the log: with several issuers nobody could tell otherwise.
    fn whose(&self) -> Option<&str> {
        None
    }
}

/// How long a renewal in the background may take, with a cooldown before and the deadline of its source.
const RENEWED_WITHIN: Duration = Duration::from_secs(30);

/// How far the clock may be set back with keys still in use. Clocks that are corrected go back by seconds.
const FURTHEST_AHEAD: Duration = Duration::from_secs(5 * 60);

/// A provider's keys, shared by all workers; clones share one snapshot.
#[derive(Debug, Clone)]
pub struct KeyCache(Arc<Shared>);

impl KeyCache {
    /// A cache without keys: the first token makes it fetch them.
    #[must_use]
    pub fn new(source: Arc<dyn FetchKeys>, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared {
            source,
            clock,
            policy: CachePolicy::default(),
            snapshot: ArcSwapOption::empty(),
            next_fetch: AtomicI64::new(i64::MIN),
            last_end: AtomicI64::new(i64::MIN),
            fetching: Mutex::new(Fetching {
                running: None,
                last: Ok(()),
                one_more: false,
            }),
        }))
    }

    /// The same source under another policy; to be called before the first token.
    #[must_use]
    pub fn with_policy(self, policy: CachePolicy) -> Self {
        let mut cache = Self::new(self.0.source.clone(), self.0.clock.clone());
        if let Some(shared) = Arc::get_mut(&mut cache.0) {
            shared.policy = policy;
        }
        cache
    }

    /// Judges a token with the keys at hand; if it names one that is not there, newer keys are asked for, once per
    /// cooldown. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// [`VerifyError::KeysUnavailable`] when only keys that cannot be had now could tell,
    /// [`VerifyError::UnknownKeyForNow`] when it is too early to ask for them.
    pub async fn verify(&self, verifier: &Verifier, token: &str) -> Result<Claims, VerifyError> {
        self.renew_if_overdue().await;
        let now = self.now();
        match self.verify_with_held_keys(verifier, token, now) {
            Err(TokenError::UnknownKey) => {}
            verdict => return verdict.map_err(VerifyError::Token),
        }
        let renewal = self.0.renew(now, Occasion::UnknownKey).await;
        renewal.outcome.map_err(VerifyError::KeysUnavailable)?;
        match self.verify_with_held_keys(verifier, token, self.now()) {
            Err(TokenError::UnknownKey) if !renewal.was_asked => Err(VerifyError::UnknownKeyForNow),
            verdict => verdict.map_err(VerifyError::Token),
        }
    }

    /// Sees to it that there are keys, as a readiness probe wants to know.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn ready(&self) -> Result<(), FetchKeysError> {
        let now = self.now();
        if self.0.has_keys(now) {
            return Ok(());
        }
        self.0.renew(now, Occasion::Age).await.outcome
    }

    /// Asks for keys if there are none and it is not too early, and waits for nothing.
    pub(crate) fn ask_if_missing(&self) {
        let now = self.now();
        if !self.0.has_keys(now) {
            drop(self.0.join_fetch(now, Occasion::Age));
        }
    }

    /// Whether there are keys that may be used, and why the last fetch brought none, if it failed. Asks nobody.
    pub(crate) fn standing(&self) -> (bool, Option<FetchKeysError>) {
        let fault = self.0.lock().last.clone().err();
        (self.0.has_keys(self.now()), fault)
    }

    /// Waits for newer keys if nobody asked for them for so long that those at hand may have been withdrawn. However
    /// that ends, the keys at hand are what there is.
    pub(crate) async fn renew_if_overdue(&self) {
        let now = self.now();
        if self.0.is_overdue(now) {
            drop(self.0.renew(now, Occasion::Age).await);
        }
    }

    /// When a request that found no keys is worth being repeated.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        self.0.policy.cooldown_without_keys
    }

    /// Shows the keys at hand, and which these are; begins to renew them like a look at a token does.
    #[cfg(feature = "status-list")]
    pub(crate) fn show<T>(&self, look: impl FnOnce(&KeySet, Option<Generation>, UnixTime) -> T) -> T {
        let now = self.now();
        self.with_held(now, |snapshot| match snapshot {
            Some(snapshot) => look(&snapshot.keys, Some(snapshot.generation), now),
            None => look(&KeySet::EMPTY, None, now),
        })
    }

    /// The clock by which this cache judges.
    #[cfg(feature = "status-list")]
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        self.0.clock.clone()
    }

    /// Asks for newer keys, if it is not too early for that.
    #[cfg(feature = "status-list")]
    pub(crate) async fn renew(&self) -> Result<(), FetchKeysError> {
        self.0.renew(self.now(), Occasion::UnknownKey).await.outcome
    }

    /// Which keys are in force now, if there are any. Renews them like a look at a token does.
    pub(crate) fn generation(&self) -> Option<Generation> {
        self.with_held(self.now(), |snapshot| {
            snapshot.map(|snapshot| snapshot.generation)
        })
    }

    /// The instant by which this cache judges.
    pub(crate) fn now(&self) -> UnixTime {
        self.0.clock.now()
    }

    fn verify_with_held_keys(
        &self,
        verifier: &Verifier,
        token: &str,
        now: UnixTime,
    ) -> Result<Claims, TokenError> {
        self.with_held(now, |snapshot| match snapshot {
            Some(snapshot) => verifier.verify(token, &snapshot.keys, now),
            // A token that is bad with any keys needs none to be refused.
            None => verifier.verify(token, &KeySet::EMPTY, now),
        })
    }

    /// Looks at the snapshot, if it may still be used, and begins to renew it if it has grown old.
    fn with_held<T>(&self, now: UnixTime, look: impl FnOnce(Option<&Snapshot>) -> T) -> T {
        let snapshot = self.0.snapshot.load();
        let snapshot = snapshot
            .as_deref()
            .filter(|snapshot| self.0.is_usable(snapshot, now));
        let is_old = snapshot.is_some_and(|snapshot| self.0.is_old(snapshot, now));
        if is_old && self.0.may_fetch(now) {
            drop(self.0.join_fetch(now, Occasion::Age));
        }
        look(snapshot)
    }
}

/// Counts the key sets that were in force one after the other: what was found out with one does not hold for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generation(u64);

impl Generation {
    pub(crate) const FIRST: Self = Self(0);

    pub(crate) fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

#[derive(Debug)]
struct Snapshot {
    keys: KeySet,
    fetched_at: UnixTime,
    /// The answer the keys were read from: the same answer again is the same generation.
    document: Vec<u8>,
    generation: Generation,
}

impl Snapshot {
    fn parse(document: Vec<u8>, fetched_at: UnixTime, last: Option<&Self>) -> Result<Self, JwksError> {
        let generation = match last {
            None => Generation::FIRST,
            Some(last) if last.document == document => last.generation,
            Some(last) => last.generation.next(),
        };
        Ok(Self {
            keys: KeySet::parse(&document)?,
            fetched_at,
            document,
            generation,
        })
    }
}

type Outcome = Result<(), FetchKeysError>;

#[derive(Debug)]
struct Shared {
    source: Arc<dyn FetchKeys>,
    clock: Arc<dyn Clock>,
    policy: CachePolicy,
    snapshot: ArcSwapOption<Snapshot>,
    /// Before this instant no fetch begins. Written under the lock, read without.
    next_fetch: AtomicI64,
    /// When the last fetch ended, well or not. Written under the lock, read without.
    last_end: AtomicI64,
    fetching: Mutex<Fetching>,
}

#[derive(Debug)]
struct Fetching {
    running: Option<watch::Receiver<Option<Outcome>>>,
    last: Outcome,
    /// Whether a token that names an unknown key may still begin a fetch within this cooldown.
    one_more: bool,
}

/// Why newer keys are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    /// There are none, or they have grown old.
    Age,
    /// A token names one that is not there.
    UnknownKey,
}

enum Joined {
    Running(watch::Receiver<Option<Outcome>>),
    /// Too early for another fetch; this is how the last one ended.
    CoolingDown(Outcome),
}

/// How asking for newer keys ended.
struct Renewal {
    outcome: Outcome,
    /// Whether the endpoint was asked on this occasion; otherwise this is how it ended last time.
    was_asked: bool,
}

impl Shared {
    async fn renew(self: &Arc<Self>, now: UnixTime, occasion: Occasion) -> Renewal {
        let mut running = match self.join_fetch(now, occasion) {
            Joined::Running(running) => running,
            Joined::CoolingDown(outcome) => {
                return Renewal {
                    outcome,
                    was_asked: false,
                };
            }
        };
        let outcome = match running.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Err(FetchKeysError::Interrupted)),
            Err(_) => Err(FetchKeysError::Interrupted),
        };
        Renewal {
            outcome,
            was_asked: true,
        }
    }

    fn join_fetch(self: &Arc<Self>, now: UnixTime, occasion: Occasion) -> Joined {
        let mut fetching = self.lock();
        if let Some(running) = &fetching.running {
            return Joined::Running(running.clone());
        }
        let is_due = self.may_fetch(now);
        // Without keys every request comes here, and a provider that fails is not helped by haste.
        let may_be_early = occasion == Occasion::UnknownKey
            && fetching.one_more
            && fetching.last.is_ok()
            && self.has_keys(now);
        if !is_due && !may_be_early {
            return Joined::CoolingDown(fetching.last.clone());
        }
        fetching.one_more = is_due;
        self.cool_down(now);
        let (landing, running) = watch::channel(None);
        fetching.running = Some(running.clone());
        tokio::spawn(Flight::new(self.clone(), landing).run());
        Joined::Running(running)
    }

    fn may_fetch(&self, now: UnixTime) -> bool {
        let next = UnixTime::from_secs(self.next_fetch.load(Ordering::Acquire));
        // A cooldown that seems longer than it can be means that the clock was set back.
        now >= next || next > now + self.policy.cooldown.max(self.policy.cooldown_without_keys)
    }

    fn cool_down(&self, now: UnixTime) {
        let cooldown = if self.has_keys(now) {
            self.policy.cooldown
        } else {
            self.policy.cooldown_without_keys
        };
        self.next_fetch
            .store((now + cooldown).as_secs(), Ordering::Release);
    }

    fn has_keys(&self, now: UnixTime) -> bool {
        self.snapshot
            .load()
            .as_deref()
            .is_some_and(|snapshot| self.is_usable(snapshot, now))
    }

    fn is_usable(&self, snapshot: &Snapshot, now: UnixTime) -> bool {
        // Further ahead, it may be of any age.
        snapshot.fetched_at <= now + FURTHEST_AHEAD && now.since(snapshot.fetched_at) < self.policy.max_stale
    }

    /// A snapshot from the future means that the clock was set back: its age is unknown, and it would never grow old.
    fn is_old(&self, snapshot: &Snapshot, now: UnixTime) -> bool {
        snapshot.fetched_at > now || now.since(snapshot.fetched_at) >= self.policy.fresh_for
    }

    /// Whether there are keys to which nobody has looked for newer ones for long. While the provider is away, somebody
    /// has, so that nobody waits for it again and again.
    fn is_overdue(&self, now: UnixTime) -> bool {
        let last_end = UnixTime::from_secs(self.last_end.load(Ordering::Acquire));
        now.since(last_end) >= self.policy.fresh_for + RENEWED_WITHIN && self.has_keys(now)
    }

    async fn fetch(&self) -> Outcome {
        // The age counts from the question: the answer may have been made right then.
        let fetched_at = self.clock.now();
        let document = self.source.fetch().await?;
        // There is one fetch at a time, so that nobody else stores between this look and the end.
        let last = self.snapshot.load_full();
        let snapshot = Snapshot::parse(document, fetched_at, last.as_deref())?;
        tracing::debug!(keys = snapshot.keys.len(), "the provider's keys were fetched");
        self.snapshot.store(Some(Arc::new(snapshot)));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Fetching> {
        self.fetching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fetch under way. However it ends, even by a panic or with the runtime it runs on, it is taken off the books and
/// those who wait are told.
struct Flight {
    shared: Arc<Shared>,
    landing: watch::Sender<Option<Outcome>>,
    landed: bool,
}

impl Flight {
    fn new(shared: Arc<Shared>, landing: watch::Sender<Option<Outcome>>) -> Self {
        Self {
            shared,
            landing,
            landed: false,
        }
    }

    async fn run(mut self) {
        let outcome = self.shared.fetch().await;
        self.land(outcome);
    }

    fn land(&mut self, outcome: Outcome) {
        self.landed = true;
        let now = self.shared.clock.now();
        if let Err(error) = &outcome {
            let kept = self.shared.has_keys(now);
            tracing::warn!(
                provider = self.shared.source.whose(),
                error = error as &dyn std::error::Error,
                keys.kept = kept,
                "no new keys from the provider"
            );
        }
        let mut fetching = self.shared.lock();
        self.shared.cool_down(now);
        self.shared.last_end.store(now.as_secs(), Ordering::Release);
        fetching.running = None;
        fetching.last = outcome.clone();
        drop(fetching);
        self.landing.send_replace(Some(outcome));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.landed {
            self.land(Err(FetchKeysError::Interrupted));
        }
    }
}

#[cfg(test)]
mod tests;
