//! A BFF's part that holds sessions: registry, vault, replica and store, put together as the program does.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bff::background::Background;
use bff::session::embedded::EmbeddedStore;
use bff::session::index::Indexer;
use bff::session::key_ring::KeyRing;
use bff::session::lifetime::Limits;
use bff::session::redis::{RedisAddress, RedisStore};
use bff::session::replica::Replica;
use bff::session::store::SessionStore;
use bff::session::{SessionId, SessionKey, SessionRegistry, Vault};
use e2e::redis::PREFIX;
use e2e::wait::eventually;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use resource_server::time::{Clock as _, ManualClock, SystemClock};
use tokio::time::Instant;

use crate::content;

/// Longer than any answer takes here: what is slow shall be seen and not fail.
const TIMEOUT: Duration = Duration::from_secs(60);
const STALENESS: Duration = Duration::from_secs(1);
/// The program's defaults.
const LIMITS: Limits = Limits {
    idle: Duration::from_secs(3_600),
    absolute: Duration::from_secs(8 * 3_600),
};
/// How many callers ask at once where the rate counts: more than twice what shares a transaction of the embedded store.
const AT_ONCE: usize = 768;

/// Does all of this, many things at a time.
pub(crate) async fn at_once<T>(work: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    stream::iter(work).buffer_unordered(AT_ONCE).collect().await
}

/// A session as its browser knows it.
pub(crate) type Ticket = (SessionId, SessionKey);

/// Where the sessions are.
#[derive(Debug)]
pub(crate) enum Place {
    File(PathBuf),
    Redis(String),
}

impl Place {
    pub(crate) fn parse(text: &str) -> Self {
        if text.starts_with("redis://") {
            Self::Redis(text.to_owned())
        } else {
            Self::File(text.into())
        }
    }

    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::File(path) => path.to_str().expect("a path that is text").to_owned(),
            Self::Redis(url) => url.clone(),
        }
    }
}

pub(crate) struct Node {
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) registry: SessionRegistry,
    /// Stands still unless it is moved.
    pub(crate) clock: ManualClock,
}

impl Node {
    /// One that hears of changes and may keep this much in memory.
    pub(crate) async fn open(place: &Place, ring: &str, max_bytes: u64) -> Self {
        let ring = Arc::new(KeyRing::parse(ring).expect("a key ring"));
        let clock = ManualClock::new(SystemClock.now());
        let store: Arc<dyn SessionStore> = match place {
            Place::File(path) => Arc::new(EmbeddedStore::open(path, Arc::new(clock.clone())).unwrap()),
            Place::Redis(url) => Arc::new(RedisStore::new(
                RedisAddress::standalone(url, None, TIMEOUT).unwrap(),
                PREFIX.to_owned(),
                STALENESS,
                Background::current(),
            )),
        };
        let registry = SessionRegistry::new(
            Arc::clone(&store),
            Vault::new(Arc::clone(&ring)),
            Indexer::new(&ring, "https://issuer.example".to_owned()),
            LIMITS,
            Arc::new(clock.clone()),
            Replica::new(max_bytes),
        );
        eventually("changes are heard", || async {
            (registry.changes().told_until() > Instant::now()).then_some(())
        })
        .await;
        Self {
            store,
            registry,
            clock,
        }
    }

    /// Signs users `from..to` in, many at once.
    pub(crate) async fn sign_in(&self, from: usize, to: usize) -> Vec<Ticket> {
        let next = AtomicUsize::new(from);
        let signing_in = |_| async {
            let mut tickets = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= to {
                    return tickets;
                }
                let content = content::of_user(number, self.clock.now());
                tickets.push(self.registry.start(&content, content::device()).await.unwrap());
            }
        };
        join_all((0..AT_ONCE.min(to - from)).map(signing_in))
            .await
            .concat()
    }
}
