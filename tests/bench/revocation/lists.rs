//! A server of lists, and a resource server's side of it.

use std::sync::Arc;

use resource_server::http_keys::HttpKeys;
use resource_server::key_cache::KeyCache;
use resource_server::status_list::{HttpStatusLists, ListPlaces, StatusLists, StatusPolicy};
use resource_server::test_support::{FakeIssuer, TestKey, TestStatusList};
use resource_server::time::{Clock as _, SystemClock};
use resource_server::verifier::Verifier;
use url::Url;

/// Grants in use.
pub(crate) const GRANTS: usize = 1_000_000;

/// Grants that a list has room for.
const PLACES: usize = 1 << 20;

/// The path of the list.
const PATH: &str = "/statuslists/0";

/// An issuer with one list, over HTTP on loopback.
pub(crate) struct Issuer {
    pub(crate) http: FakeIssuer,
    pub(crate) key: TestKey,
}

impl Issuer {
    pub(crate) async fn start() -> Self {
        let key = TestKey::es256("k1");
        Self {
            http: FakeIssuer::publishing(&[&key]).await,
            key,
        }
    }

    pub(crate) fn uri(&self) -> String {
        format!("{}{PATH}", self.http.url())
    }

    /// Serves the list with these statuses; gives the size of the token.
    pub(crate) fn publish(&self, statuses: Vec<u8>) -> usize {
        let mut list = TestStatusList::at(&self.uri());
        list.issued_at = SystemClock.now().as_secs();
        list.statuses = statuses;
        let token = list.sign(&self.key);
        self.http.serve(PATH, 200, token.as_bytes());
        token.len()
    }

    pub(crate) fn follow(&self) -> (StatusLists, KeyCache) {
        let issuer = Url::parse(self.http.url()).expect("an address");
        let client = HttpKeys::client().expect("a client");
        let source = HttpKeys::of_issuer(issuer.clone(), client);
        let keys = KeyCache::new(Arc::new(source), Arc::new(SystemClock));
        let policy = StatusPolicy::default();
        let source = HttpStatusLists::new(policy.max_list_bytes).expect("a client");
        let places = ListPlaces::at_issuer(&issuer);
        let verifier = Verifier::access_token(self.http.url(), "any")
            .build()
            .expect("a verifier");
        let lists = StatusLists::new(&verifier, places, Arc::new(source), keys.clone(), policy);
        (lists, keys)
    }
}

/// A list in which one grant in so many has ended; none if it is zero.
pub(crate) fn with_one_ended_in(every: usize) -> Vec<u8> {
    let mut statuses = vec![0; PLACES / 8];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for index in 0..GRANTS {
        if every > 0 && random.next().is_multiple_of(every as u64) {
            statuses[index / 8] |= 1 << (index % 8);
        }
    }
    statuses
}

/// Numbers without a pattern, the same at each run (xorshift).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
