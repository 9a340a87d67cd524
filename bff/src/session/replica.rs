//! Opened sessions in this node's memory, so that a request which finds its session here asks no store and decrypts
//! nothing.
//!
//! A copy serves while three things hold: nothing was heard of its session since it was read, no message can have been
//! missed since it was read, and the subscription vouches for this moment ([`ChangeListener::trusted_until`]). A copy
//! never ends a session: it says that one lives, or the store is asked.
//!
//! # Why a stale copy is never kept
//!
//! A reader could load a session, then a change could be heard, and then the reader could put its old copy in place. So
//! every reader takes a [`Reading`] *before* it asks the store, which holds the number of changes heard in the session's
//! shard. Keeping compares that number and inserts under the shard's lock; hearing counts and removes under the same
//! lock. A change that the load did not see is told after the load began, hence counted after the `Reading` was taken.
//! It is counted either before the copy is kept, and then the numbers differ and nothing is kept; or after it, and then
//! the copy is removed. The numbers are shared by the sessions of a shard, so now and then a copy is not kept although
//! it could be: the next request reads it again.
//!
//! The same holds for what nobody was told of: a copy carries the number of such gaps at its `Reading`, and serves only
//! while that is the number now.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use resource_server::time::UnixTime;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::lifetime::{Limits, Times};
use super::store::{Change, ChangeListener};
use super::tokens::{IssuedToken, Target};
use super::{OpenSession, RecordKey, SessionContent, SessionId, SessionKey};

const SHARDS: usize = 256;
/// The part of the memory that is for tickets: one takes about a tenth of what a session takes.
const TICKETS_SHARE: u64 = 8;
/// What a ticket takes with its place in the map, generously.
const TICKET_BYTES: u32 = 320;
/// What a session takes beside its texts: the map's entry, structures, allocations.
const SESSION_BYTES: usize = 1_024;
/// Tokens that nobody uses are not kept in memory for longer.
const UNUSED: Duration = Duration::from_secs(600);

/// The copies of one node.
#[derive(Debug)]
pub struct Replica {
    copies: Cache<SessionKey, Arc<Kept>>,
    tickets: Cache<RecordKey, SessionKey>,
    /// How many changes of a shard's sessions were heard.
    heard: Vec<Mutex<u64>>,
    /// How often something may have happened that nobody was told of.
    gaps: AtomicU64,
    began: Instant,
    /// Nanoseconds since `began`.
    trusted_until: AtomicU64,
}

/// What had been heard when a reader set out for the store.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    heard: u64,
    gaps: u64,
}

/// A session that was opened on this node.
#[derive(Debug)]
pub struct Kept {
    session: OpenSession,
    gaps: u64,
    last_used_at: AtomicI64,
    /// The next use that this node writes down is one from this second on.
    touch_from: AtomicI64,
}

impl Replica {
    /// An empty replica that holds about `max_bytes` at most. It serves nothing before somebody says that it may be
    /// trusted.
    #[must_use]
    pub fn new(max_bytes: u64) -> Self {
        let for_tickets = max_bytes / TICKETS_SHARE;
        Self {
            copies: Cache::builder()
                .max_capacity(max_bytes - for_tickets)
                .weigher(|_, kept: &Arc<Kept>| weight(&kept.session))
                .time_to_idle(UNUSED)
                .build(),
            tickets: Cache::builder()
                .max_capacity(for_tickets)
                .weigher(|_, _| TICKET_BYTES)
                .time_to_idle(UNUSED)
                .build(),
            heard: (0..SHARDS).map(|_| Mutex::default()).collect(),
            gaps: AtomicU64::default(),
            began: Instant::now(),
            trusted_until: AtomicU64::default(),
        }
    }

    /// The session that a ticket names, if this node has looked it up before. A ticket names the same session for ever,
    /// so this needs no trust: whether that session lives is asked afterwards.
    #[must_use]
    pub fn session_of(&self, ticket: &RecordKey) -> Option<SessionKey> {
        self.tickets.get(ticket)
    }

    /// Remembers which session a ticket names.
    pub fn keep_ticket(&self, ticket: &RecordKey, session: &SessionKey) {
        self.tickets.insert(ticket.clone(), session.clone());
    }

    /// Forgets a ticket.
    pub fn drop_ticket(&self, ticket: &RecordKey) {
        self.tickets.invalidate(ticket);
    }

    /// The copy of a session that serves now, for the browser that holds its id.
    #[must_use]
    pub fn get(&self, id: &SessionId, key: &SessionKey) -> Option<Arc<Kept>> {
        if !self.is_trusted() {
            return None;
        }
        let kept = self.copies.get(key)?;
        let serves = kept.gaps == self.gaps.load(Ordering::SeqCst) && kept.session.id.is(id);
        serves.then_some(kept)
    }

    /// To be called before the store is asked for what [`Replica::keep`] shall keep.
    #[must_use]
    pub fn reading(&self, key: &SessionKey) -> Reading {
        let gaps = self.gaps.load(Ordering::SeqCst);
        let heard = *self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        Reading { heard, gaps }
    }

    /// Keeps a session, unless something was heard of it since the reading.
    pub fn keep(&self, reading: Reading, session: &OpenSession, limits: &Limits) {
        if !self.is_trusted() {
            return;
        }
        let kept = Arc::new(Kept {
            session: session.clone(),
            gaps: reading.gaps,
            last_used_at: AtomicI64::new(session.times.last_used_at.as_secs()),
            touch_from: AtomicI64::new(limits.touch_from(&session.times).as_secs()),
        });
        let heard = self
            .shard(&session.key)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *heard == reading.heard {
            self.copies.insert(session.key.clone(), kept);
        }
    }

    /// Drops the copy of a session that this node has written or tried to write, before anybody is answered.
    pub fn forget(&self, key: &SessionKey) {
        self.hear(key, |_| true);
    }

    fn hear(&self, key: &SessionKey, is_outdated: impl Fn(&Kept) -> bool) {
        let mut heard = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        *heard += 1;
        if self.copies.get(key).is_some_and(|kept| is_outdated(&kept)) {
            self.copies.invalidate(key);
        }
    }

    fn is_trusted(&self) -> bool {
        let now = self.began.elapsed().as_nanos();
        now < u128::from(self.trusted_until.load(Ordering::SeqCst))
    }

    fn shard(&self, key: &SessionKey) -> &Mutex<u64> {
        // Keys are random texts, so anything that mixes their bytes spreads them.
        let mixed = key
            .as_str()
            .bytes()
            .fold(0_u8, |mixed, byte| mixed.wrapping_mul(31).wrapping_add(byte));
        &self.heard[usize::from(mixed) % SHARDS]
    }
}

impl ChangeListener for Replica {
    fn changed(&self, change: &Change) {
        match change {
            // A node hears of its own writes, too: a copy of the new revision or a later one is right.
            Change::Replaced(key, revision) => self.hear(key, |kept| kept.session.revision < *revision),
            Change::Ended(key) => self.forget(key),
            // A lease is no part of what is copied.
            Change::Released(_) => {}
        }
    }

    fn missed(&self) {
        self.gaps.fetch_add(1, Ordering::SeqCst);
        self.copies.invalidate_all();
    }

    fn trusted_until(&self, instant: Instant) {
        let since = instant.saturating_duration_since(self.began).as_nanos();
        self.trusted_until
            .store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Kept {
    /// The session, with its times as this node knows them; `lives_until` says when such a session ends.
    #[must_use]
    pub fn session(&self, lives_until: impl FnOnce(&Times, &SessionContent) -> UnixTime) -> OpenSession {
        let times = Times {
            last_used_at: UnixTime::from_secs(self.last_used_at.load(Ordering::Relaxed)),
            ..self.session.times
        };
        OpenSession {
            times,
            lives_until: lives_until(&times, &self.session.content),
            ..self.session.clone()
        }
    }

    /// Whether a use at `now` is to be written down, and by this caller: of those who ask at once, one is told so.
    #[must_use]
    pub fn claim_touch(&self, limits: &Limits, now: UnixTime) -> bool {
        let due = self.touch_from.load(Ordering::Relaxed);
        let next = (now + limits.touch_throttle()).as_secs();
        now.as_secs() >= due
            && self
                .touch_from
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// The use was written down.
    pub fn touched(&self, now: UnixTime) {
        self.last_used_at.fetch_max(now.as_secs(), Ordering::Relaxed);
    }

    /// The use could not be written down; somebody else is to try, but not everybody at once.
    pub fn touch_again_from(&self, instant: UnixTime) {
        self.touch_from.fetch_min(instant.as_secs(), Ordering::Relaxed);
    }
}

/// About how many bytes a copy takes.
fn weight(session: &OpenSession) -> u32 {
    let content = &session.content;
    let tokens = &content.tokens;
    let texts = content.subject.len()
        + content.provider_sid.as_ref().map_or(0, String::len)
        + issued_bytes(&tokens.access)
        + tokens
            .others
            .iter()
            .map(|(target, held)| target_bytes(target) + issued_bytes(held))
            .sum::<usize>()
        + tokens
            .refresh_token
            .as_ref()
            .map_or(0, |token| token.expose().len())
        + tokens.id_token.as_ref().map_or(0, |token| token.expose().len());
    u32::try_from(SESSION_BYTES + texts + members(&content.claims)).unwrap_or(u32::MAX)
}

fn issued_bytes(issued: &IssuedToken) -> usize {
    size_of::<IssuedToken>() + issued.token.expose().len() + issued.scope.as_ref().map_or(0, String::len)
}

fn target_bytes(target: &Target) -> usize {
    let texts = [&target.audience, &target.scope];
    size_of::<Target>() + texts.into_iter().flatten().map(String::len).sum::<usize>()
}

fn members(map: &Map<String, Value>) -> usize {
    map.iter()
        .map(|(name, value)| size_of::<String>() + name.len() + bytes_of(value))
        .sum()
}

fn bytes_of(value: &Value) -> usize {
    let inner = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(bytes_of).sum(),
        Value::Object(map) => members(map),
    };
    // Maps and lists have room to spare.
    inner + 2 * size_of::<Value>()
}

#[cfg(test)]
mod tests;
