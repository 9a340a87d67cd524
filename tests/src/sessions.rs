//! Sessions by the thousand, made without browser and provider: the BFF's part that holds sessions (registry, vault, replica
//! and store), put together as the program does.

pub mod content;
mod cookie;

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub use self::cookie::Signer;
use bff::background::Background;
use bff::session::device::Device;
use bff::session::embedded::EmbeddedStore;
use bff::session::index::Indexer;
use bff::session::key_ring::KeyRing;
use bff::session::lifetime::Limits;
use bff::session::redis::{RedisAddress, RedisStore};
use bff::session::replica::Replica;
use bff::session::store::SessionStore;
use bff::session::{SessionContent, SessionId, SessionKey, SessionRegistry, Vault};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use resource_server::time::{Clock as _, ManualClock, SystemClock};
use tokio::time::Instant;

use self::content::Serves;
use crate::redis::PREFIX;
use crate::wait::eventually;

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
pub async fn at_once<T>(work: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    stream::iter(work).buffer_unordered(AT_ONCE).collect().await
}

/// A session as its browser knows it.
pub type Ticket = (SessionId, SessionKey);

/// Where the sessions are.
#[derive(Debug)]
pub enum Place {
    /// An embedded store.
    File(PathBuf),
    /// The URL of a Redis.
    Redis(String),
}

impl Place {
    /// Reads what [`Place::to_text`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text.starts_with("redis://") {
            Self::Redis(text.to_owned())
        } else {
            Self::File(text.into())
        }
    }

    /// As text, for another process.
    ///
    /// # Panics
    /// When the path is no text.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::File(path) => path.to_str().expect("a path that is text").to_owned(),
            Self::Redis(url) => url.clone(),
        }
    }
}

/// A node without HTTP.
pub struct Node {
    /// The store alone.
    pub store: Arc<dyn SessionStore>,
    /// What the program asks.
    pub registry: SessionRegistry,
    /// Stands still unless it is moved.
    pub clock: ManualClock,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

impl Node {
    /// One that hears of changes and may keep this much in memory.
    ///
    /// # Panics
    /// When the store cannot be had.
    pub async fn open(place: &Place, ring: &str, max_bytes: u64) -> Self {
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

    /// Signs users `from..to` in, many at once, with access tokens of five minutes.
    pub async fn sign_in(&self, from: usize, to: usize) -> Vec<Ticket> {
        let device = Device {
            browser: Some("Firefox".to_owned()),
            platform: Some("Android".to_owned()),
        };
        let content = |number| content::of_user(number, Serves::for_minutes(self.clock.now()));
        self.begin(from..to, &device, content).await
    }

    /// Begins sessions of these users, many at once, with what each login is said to bring.
    ///
    /// # Panics
    /// When the store does not take them.
    pub async fn begin(
        &self,
        users: Range<usize>,
        device: &Device,
        content: impl Fn(usize) -> SessionContent,
    ) -> Vec<Ticket> {
        let next = AtomicUsize::new(users.start);
        let signing_in = |_| async {
            let mut tickets = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= users.end {
                    return tickets;
                }
                let begun = self.registry.start(&content(number), device.clone()).await;
                tickets.push(begun.unwrap());
            }
        };
        join_all((0..AT_ONCE.min(users.len())).map(signing_in))
            .await
            .concat()
    }
}
