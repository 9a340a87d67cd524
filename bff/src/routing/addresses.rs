//! The addresses of a route's upstream, and which of them is asked next.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::Uri;
use http::uri::Authority;

use super::connection::{Connecting, Destination};
use super::table::Upstream;

/// So many connections in a row have to fail before an address is left out: one alone may be a full queue.
const FAILURES: u32 = 3;
/// For how long it is left out at first; twice as long after each attempt that fails again.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(60);

/// One address or several, asked in turn. One that cannot be reached is left out for a while, but never all of them.
#[derive(Debug)]
pub struct Addresses {
    first: Address,
    others: Vec<Address>,
    turn: AtomicUsize,
}

/// Where a request may go.
#[derive(Debug)]
pub struct Address {
    destination: Arc<Destination>,
    /// The path that goes in front.
    path: String,
    health: Mutex<Health>,
}

impl Addresses {
    /// `first` and the others, reached in the same way.
    #[must_use]
    pub fn new(first: Upstream, others: Vec<Upstream>, connecting: &Connecting) -> Self {
        let address = |upstream| Address::new(upstream, connecting.clone());
        Self {
            first: address(first),
            others: others.into_iter().map(address).collect(),
            turn: AtomicUsize::new(0),
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Address> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Whether there is more than one.
    #[must_use]
    pub const fn are_several(&self) -> bool {
        !self.others.is_empty()
    }

    /// Whose turn it is. `besides` has just failed and comes last.
    #[must_use]
    pub fn pick(&self, besides: Option<&Address>, now: Instant) -> &Address {
        if self.others.is_empty() {
            return &self.first;
        }
        let is_asked = |address: &&Address| besides.is_none_or(|besides| !std::ptr::eq(*address, besides));
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % (self.others.len() + 1);
        let in_turn = self.iter().skip(turn).chain(self.iter().take(turn));
        let picked = in_turn
            .filter(is_asked)
            .find(|address| address.health().takes_one(now));
        // With none left the one is tried that will be back soonest.
        picked
            .or_else(|| {
                let left_out = self.iter().filter(is_asked);
                left_out.min_by_key(|address| address.health().rests_until)
            })
            .unwrap_or(&self.first)
    }

    /// Takes over what is known of addresses that an earlier table had too, and their connections.
    pub(super) fn inherit(&mut self, earlier: &[&Address]) {
        for address in std::iter::once(&mut self.first).chain(&mut self.others) {
            if let Some(known) = earlier
                .iter()
                .find(|known| known.destination == address.destination)
            {
                address.destination = Arc::clone(&known.destination);
                *address.health() = *known.health();
            }
        }
    }
}

impl Address {
    fn new(upstream: Upstream, connecting: Connecting) -> Self {
        let (scheme, authority, path) = upstream.into_parts();
        let destination = Destination {
            scheme,
            authority,
            connecting,
        };
        Self {
            destination: Arc::new(destination),
            path,
            health: Mutex::default(),
        }
    }

    /// What a connection is made to.
    #[must_use]
    pub const fn destination(&self) -> &Arc<Destination> {
        &self.destination
    }

    /// What is asked for there, in the name of this host. `None` when it does not make a URI.
    #[must_use]
    pub fn uri(&self, path: &str, query: &str, host: &Authority) -> Option<Uri> {
        let is_root = self.path.is_empty() && path.is_empty();
        let root = if is_root { "/" } else { "" };
        let mark = if query.is_empty() { "" } else { "?" };
        let target = [self.path.as_str(), path, root, mark, query].concat();
        Uri::builder()
            .scheme(self.destination.scheme.clone())
            .authority(host.clone())
            .path_and_query(target)
            .build()
            .ok()
    }

    /// It has answered. Says whether it was left out until now.
    pub fn succeeded(&self) -> bool {
        let mut health = self.health();
        let was_left_out = health.rests_until.is_some();
        *health = Health::default();
        was_left_out
    }

    /// No connection could be made. Says for how long it is left out from now on, if it is.
    #[must_use]
    pub fn failed(&self, now: Instant) -> Option<Duration> {
        self.health().failed(now)
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Health {
    /// In a row.
    failures: u32,
    rests_until: Option<Instant>,
    /// One request is finding out whether it is back.
    is_tried: bool,
}

impl Health {
    fn takes_one(&mut self, now: Instant) -> bool {
        match self.rests_until {
            None => true,
            Some(until) if now < until => false,
            // The first to come finds out; the others go elsewhere until it has.
            Some(_) => {
                self.rests_until = Some(now + self.rest());
                self.is_tried = true;
                true
            }
        }
    }

    fn failed(&mut self, now: Instant) -> Option<Duration> {
        // What began before it was left out says nothing new.
        if self.rests_until.is_some_and(|until| now < until) && !self.is_tried {
            return None;
        }
        self.is_tried = false;
        self.failures = self.failures.saturating_add(1);
        if self.failures < FAILURES {
            return None;
        }
        let rest = self.rest();
        self.rests_until = Some(now + rest);
        Some(rest)
    }

    fn rest(&self) -> Duration {
        let doublings = self.failures.saturating_sub(FAILURES).min(16);
        (FIRST_REST * (1 << doublings)).min(LONGEST_REST)
    }
}

#[cfg(test)]
mod tests;
