use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};
use url::Url;

use super::list::StatusList;
use super::policy::StatusPolicy;
use crate::error::TokenError;
use crate::key_cache::Generation;
use crate::time::UnixTime;

/// How long it is known that a list is out of reach: so long no request waits for it.
const OUTAGE_IS_KNOWN: Duration = Duration::from_secs(30);

/// How far the clock may be set back with a list still in use.
const FURTHEST_AHEAD: Duration = Duration::from_secs(5 * 60);

/// An instant that has never been.
const NEVER: i64 = i64::MIN;

/// A list that is followed, with what is known of it. Readers take no lock.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) uri: Url,
    /// Since when.
    since: UnixTime,
    held: ArcSwapOption<Held>,
    /// When the answer was asked for that brought the list, or said that it is still the same.
    good_at: AtomicI64,
    /// When the last look failed; `NEVER` when it did not.
    failed_at: AtomicI64,
    used_at: AtomicI64,
    /// Whether tokens were answered with 503 since the last good answer: told once.
    pub(super) refusing: AtomicBool,
    pub(super) looks: Looks,
}

/// A list in force.
#[derive(Debug)]
pub(super) struct Held {
    /// Its `iat` is the latest of all lists so far: lists that are each a little older than the one before lead nowhere.
    pub(super) list: StatusList,
    pub(super) etag: Option<String>,
    /// The keys that vouched for it. Under others it has to be looked at again, although it may not have changed.
    pub(super) generation: Option<Generation>,
}

/// How often somebody looked, and wants to.
#[derive(Debug)]
pub(super) struct Looks {
    pub(super) begun: AtomicU64,
    pub(super) ended: watch::Sender<u64>,
    pub(super) wanted: AtomicU64,
    pub(super) wake: Notify,
    running: Mutex<bool>,
}

/// What the list that is held says of a token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub(super) verdict: Result<(), TokenError>,
    /// Whether the list is as new as it has to be.
    pub(super) is_current: bool,
    /// Whether the list was made before the token that it speaks against. It may have to: an index is used again for a
    /// new grant, and lists become longer. Then a newer list says something else.
    pub(super) precedes_token: bool,
}

impl Followed {
    pub(super) fn new(uri: Url, now: UnixTime) -> Self {
        Self {
            uri,
            since: now,
            held: ArcSwapOption::empty(),
            good_at: AtomicI64::new(NEVER),
            failed_at: AtomicI64::new(NEVER),
            used_at: AtomicI64::new(now.as_secs()),
            refusing: AtomicBool::new(false),
            looks: Looks {
                begun: AtomicU64::new(0),
                ended: watch::Sender::new(0),
                wanted: AtomicU64::new(0),
                wake: Notify::new(),
                running: Mutex::new(false),
            },
        }
    }

    /// What the list says of the token with this index, issued then; `None` without a list.
    pub(super) fn standing(
        &self,
        index: u64,
        issued_at: Option<UnixTime>,
        policy: &StatusPolicy,
        now: UnixTime,
    ) -> Option<Standing> {
        // Read first: the list is then at least as new.
        let good_at = self.good_at();
        let held = self.held.load();
        let list = &held.as_ref()?.list;
        let is_expired = list
            .expires_at()
            .is_some_and(|expires_at| now >= expires_at + policy.leeway);
        let is_old =
            good_at.is_none_or(|good_at| good_at > now || now.since(good_at) > policy.max_age_of(list));
        let verdict = match list.status(index) {
            Some(0) => Ok(()),
            Some(1) => Err(TokenError::GrantEnded),
            Some(_) => Err(TokenError::StatusNotValid),
            None => Err(TokenError::StatusUnknown),
        };
        Some(Standing {
            verdict,
            is_current: !is_expired && !is_old,
            precedes_token: verdict.is_err()
                && issued_at.is_some_and(|issued_at| issued_at > list.issued_at()),
        })
    }

    pub(super) fn held(&self) -> Option<Arc<Held>> {
        self.held.load_full()
    }

    /// Puts a list in force that was asked for at this instant.
    pub(super) fn put(&self, held: Held, asked_at: UnixTime) {
        self.held.store(Some(Arc::new(held)));
        self.confirm(asked_at);
    }

    /// The list that is held is still the newest.
    pub(super) fn confirm(&self, asked_at: UnixTime) {
        self.good_at.store(asked_at.as_secs(), Ordering::Release);
    }

    /// When the list was last known to be the newest.
    pub(super) fn good_at(&self) -> Option<UnixTime> {
        instant(&self.good_at)
    }

    /// Whether the list has been out of reach for longer than this.
    pub(super) fn is_lost(&self, at_most: Duration, now: UnixTime) -> bool {
        let reached = self.good_at().unwrap_or(self.since);
        reached > now + FURTHEST_AHEAD || now.since(reached) > at_most
    }

    /// Notes how a look ended, and tells whether it is the first that ended so.
    pub(super) fn note_end(&self, is_good: bool, now: UnixTime) -> bool {
        let failed_at = if is_good { NEVER } else { now.as_secs() };
        let before = self.failed_at.swap(failed_at, Ordering::AcqRel);
        (before == NEVER) != is_good
    }

    /// Whether the last look failed.
    pub(super) fn is_out_of_reach(&self) -> bool {
        instant(&self.failed_at).is_some()
    }

    /// Whether the last look failed a moment ago, so that there is no use in waiting for the next.
    pub(super) fn outage_is_known(&self, now: UnixTime) -> bool {
        instant(&self.failed_at)
            .is_some_and(|failed_at| failed_at <= now && now.since(failed_at) <= OUTAGE_IS_KNOWN)
    }

    /// Notes that a token refers to it.
    pub(super) fn touch(&self, now: UnixTime) {
        let now = now.as_secs();
        // Written once a second: the threads that read do not fight for the line.
        if self.used_at.load(Ordering::Relaxed) != now {
            self.used_at.store(now, Ordering::Relaxed);
        }
    }

    /// Whether no token has referred to it for so long.
    pub(super) fn is_idle(&self, idle_after: Duration, now: UnixTime) -> bool {
        let used_at = UnixTime::from_secs(self.used_at.load(Ordering::Relaxed));
        now.since(used_at) > idle_after
    }
}

fn instant(cell: &AtomicI64) -> Option<UnixTime> {
    match cell.load(Ordering::Acquire) {
        NEVER => None,
        seconds => Some(UnixTime::from_secs(seconds)),
    }
}

impl Looks {
    /// Whether somebody is needed to do the looking; whoever is told so does it until [`Looks::rest`] lets them go.
    pub(super) fn begin_running(&self) -> bool {
        !std::mem::replace(&mut *self.lock(), true)
    }

    /// Stops, unless a look is wanted or the list is in use again.
    pub(super) fn rest(&self, is_idle: impl FnOnce() -> bool) -> bool {
        let mut running = self.lock();
        let may_rest = !self.is_wanted() && is_idle();
        *running &= !may_rest;
        may_rest
    }

    /// Whoever looked is gone, whatever the reason.
    pub(super) fn abandon(&self) {
        *self.lock() = false;
    }

    /// Whether a look is wanted beyond those that were begun.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Acquire) > self.begun.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
