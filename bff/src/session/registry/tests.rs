use std::collections::BTreeMap;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use futures_util::FutureExt;
use resource_server::time::ManualClock;

use super::fake::FakeStore;
use super::*;
use crate::session::key_ring::{KeyName, KeyRing};
use crate::session::tokens::{AccessToken, IssuedToken, RefreshToken};

const LIMITS: Limits = Limits {
    idle: Duration::from_secs(600),
    absolute: Duration::from_secs(3_600),
};

/// One node, and a store that other nodes use, too.
struct Node {
    store: Arc<FakeStore>,
    registry: Arc<SessionRegistry>,
    clock: ManualClock,
}

impl Node {
    /// A node that hears all that happens.
    fn new() -> Self {
        let store = Arc::new(FakeStore::default());
        let ring = KeyRing::generate(&KeyName::parse("k1").unwrap());
        let ring = Arc::new(KeyRing::parse(&ring).unwrap());
        let clock = ManualClock::new(UnixTime::from_secs(1_000_000));
        let registry = Arc::new(SessionRegistry::new(
            Arc::clone(&store) as Arc<dyn SessionStore>,
            Vault::new(Arc::clone(&ring)),
            Indexer::new(&ring, "https://op.example".to_owned()),
            LIMITS,
            Arc::new(clock.clone()),
            Replica::new(1_024 * 1_024),
        ));
        let node = Self {
            store,
            registry,
            clock,
        };
        node.hears_for(Duration::from_secs(3_600));
        node
    }

    fn hears_for(&self, time: Duration) {
        self.store.news().trusted_until(Instant::now() + time);
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    async fn start(&self, refresh_lifetime: Option<Duration>) -> (SessionId, SessionKey) {
        let content = SessionContent {
            subject: "alice".to_owned(),
            provider_sid: None,
            claims: serde_json::Map::new(),
            tokens: self.tokens("first", refresh_lifetime),
        };
        self.registry.start(&content, Device::default()).await.unwrap()
    }

    fn tokens(&self, name: &str, refresh_lifetime: Option<Duration>) -> TokenSet {
        let now = self.clock.now();
        TokenSet {
            access: IssuedToken {
                token: AccessToken::new(name.to_owned()),
                obtained_at: now,
                refresh_from: now + Duration::from_secs(200),
                expires_at: now + Duration::from_secs(300),
                scope: None,
            },
            others: BTreeMap::new(),
            refresh_token: Some(RefreshToken::new(name.to_owned())),
            refresh_expires_at: refresh_lifetime.map(|lifetime| now + lifetime),
            id_token: None,
        }
    }

    async fn find(&self, (id, key): &(SessionId, SessionKey)) -> Result<Option<OpenSession>, SessionError> {
        self.registry.find(id, key, true).await
    }

    async fn found(&self, ticket: &(SessionId, SessionKey)) -> OpenSession {
        self.find(ticket).await.unwrap().expect("the session lives")
    }

    fn loads(&self) -> usize {
        self.store.loads.load(SeqCst)
    }

    fn touches(&self) -> usize {
        self.store.touches.load(SeqCst)
    }

    /// Another node ends the session; the news is not told yet.
    fn is_ended_elsewhere(&self, key: &SessionKey) {
        assert!(self.store.sessions.lock().unwrap().remove(key).is_some());
    }
}

fn token_of(session: &OpenSession) -> &str {
    session.content.tokens.access.token.expose()
}

#[tokio::test]
async fn a_session_that_was_found_is_found_again_at_once_while_the_store_is_silent() {
    let node = Node::new();
    let (id, key) = node.start(None).await;
    assert_eq!(
        node.registry.session_of(&id.record_key()).await.unwrap().as_ref(),
        Some(&key)
    );
    node.registry.find(&id, &key, true).await.unwrap().unwrap();
    assert_eq!(node.loads(), 2);
    node.store.slow.store(true, SeqCst);
    node.store.is_down.store(true, SeqCst);

    // One poll is enough: nothing is waited for.
    let named = node.registry.session_of(&id.record_key()).now_or_never();
    let found = node.registry.find(&id, &key, true).now_or_never();

    assert_eq!(named.unwrap().unwrap(), Some(key));
    assert_eq!(token_of(&found.unwrap().unwrap().unwrap()), "first");
    assert_eq!(node.loads(), 2);
}

#[tokio::test]
async fn an_outage_is_bridged_while_the_news_is_trusted_and_no_longer() {
    let node = Node::new();
    let ticket = node.start(None).await;
    node.found(&ticket).await;
    node.store.is_down.store(true, SeqCst);
    node.found(&ticket).await;

    node.hears_for(Duration::ZERO);

    assert!(matches!(node.find(&ticket).await, Err(SessionError::Store(_))));
    node.store.is_down.store(false, SeqCst);
    node.found(&ticket).await;
}

#[tokio::test]
async fn a_session_that_ended_elsewhere_is_gone_once_that_is_heard() {
    let node = Node::new();
    let ticket = node.start(None).await;
    node.found(&ticket).await;
    node.is_ended_elsewhere(&ticket.1);
    node.found(&ticket).await;

    node.store.news().changed(&Change::Ended(ticket.1.clone()));

    assert!(node.find(&ticket).await.unwrap().is_none());
}

#[tokio::test]
async fn a_session_that_ended_elsewhere_is_gone_once_the_subscription_is_silent_or_had_a_gap() {
    for is_gap in [true, false] {
        let node = Node::new();
        let ticket = node.start(None).await;
        node.found(&ticket).await;
        node.is_ended_elsewhere(&ticket.1);
        if is_gap {
            node.store.news().missed();
        } else {
            node.hears_for(Duration::ZERO);
        }
        assert!(node.find(&ticket).await.unwrap().is_none(), "gap: {is_gap}");
    }
}

/// The read waits in the network, the session ends elsewhere, the news is heard, and then the read comes back.
#[tokio::test]
async fn a_read_that_was_overtaken_by_an_ending_serves_its_own_request_and_no_other() {
    let node = Node::new();
    let ticket = node.start(None).await;
    node.store.slow.store(true, SeqCst);
    let (registry, (id, key)) = (Arc::clone(&node.registry), ticket.clone());
    let slow_read = tokio::spawn(async move { registry.find(&id, &key, false).await });
    while node.loads() == 0 {
        tokio::task::yield_now().await;
    }
    node.is_ended_elsewhere(&ticket.1);
    node.store.news().changed(&Change::Ended(ticket.1.clone()));

    node.store.slow.store(false, SeqCst);
    node.store.permits.notify_one();

    assert!(slow_read.await.unwrap().unwrap().is_some());
    assert!(node.find(&ticket).await.unwrap().is_none());
}

#[tokio::test]
async fn what_this_node_renews_or_ends_its_next_request_sees() {
    let node = Node::new();
    let ticket = node.start(None).await;
    let session = node.found(&ticket).await;
    let renewed = node
        .registry
        .renew(&session, node.tokens("second", None))
        .await
        .unwrap();
    assert!(matches!(renewed, Renewed::Stored(_)));
    assert_eq!(token_of(&node.found(&ticket).await), "second");

    node.registry.end(&ticket.1, EndReason::Logout).await.unwrap();

    assert!(node.find(&ticket).await.unwrap().is_none());
}

#[tokio::test]
async fn a_write_with_an_unknown_outcome_drops_the_copy() {
    let node = Node::new();
    let ticket = node.start(None).await;
    let session = node.found(&ticket).await;
    for what in ["renew", "end", "end_unless_renewed"] {
        node.found(&ticket).await;
        let loads = node.loads();
        node.store.is_down.store(true, SeqCst);
        let is_written = match what {
            "renew" => node
                .registry
                .renew(&session, node.tokens("second", None))
                .await
                .is_ok(),
            "end" => node.registry.end(&ticket.1, EndReason::Logout).await.is_ok(),
            _ => {
                let ended = node
                    .registry
                    .end_unless_renewed(&session, EndReason::Logout)
                    .await;
                ended.is_ok()
            }
        };
        assert!(!is_written);
        node.store.is_down.store(false, SeqCst);
        node.found(&ticket).await;
        assert_eq!(node.loads(), loads + 1, "{what}: an old copy serves");
    }
}

#[tokio::test]
async fn a_busy_session_costs_one_write_a_minute() {
    let node = Node::new();
    let ticket = node.start(None).await;
    for second in 0..180 {
        for _ in 0..3 {
            let session = node.found(&ticket).await;
            assert!(session.lives_until >= node.clock.now() + LIMITS.idle - Duration::from_secs(60));
        }
        assert_eq!(node.touches(), second / 60, "in second {second}");
        node.advance(1);
    }
    assert_eq!(node.loads(), 1);
}

#[tokio::test]
async fn looking_without_use_writes_nothing() {
    let node = Node::new();
    let (id, key) = node.start(None).await;
    for _ in 0..5 {
        node.advance(100);
        let session = node.registry.find(&id, &key, false).await.unwrap().unwrap();
        assert_eq!(session.lives_until, UnixTime::from_secs(1_000_600));
    }
    assert_eq!(node.touches(), 0);
    node.advance(100);
    assert!(node.registry.find(&id, &key, false).await.unwrap().is_none());
}

#[tokio::test]
async fn a_use_that_cannot_be_written_down_fails_no_request_and_is_tried_again() {
    let node = Node::new();
    let ticket = node.start(None).await;
    node.found(&ticket).await;
    node.advance(60);
    node.store.is_down.store(true, SeqCst);
    for _ in 0..10 {
        let session = node.found(&ticket).await;
        assert_eq!(session.lives_until, UnixTime::from_secs(1_000_600));
    }
    assert_eq!(node.touches(), 1, "every request waited for the store");

    node.store.is_down.store(false, SeqCst);
    node.advance(5);

    let session = node.found(&ticket).await;
    assert_eq!(node.touches(), 2);
    assert_eq!(session.lives_until, UnixTime::from_secs(1_000_665));
}

#[tokio::test]
async fn a_use_written_down_elsewhere_keeps_a_session_alive_here() {
    let node = Node::new();
    let ticket = node.start(None).await;
    node.found(&ticket).await;
    node.advance(500);
    let now = node.clock.now();
    node.store
        .sessions
        .lock()
        .unwrap()
        .get_mut(&ticket.1)
        .unwrap()
        .times
        .last_used_at = now;
    node.advance(100);

    // By the copy it was idle for too long.
    let session = node.found(&ticket).await;

    assert_eq!(session.lives_until, node.clock.now() + LIMITS.idle);
}

#[tokio::test]
async fn a_use_of_a_session_that_ended_unheard_is_refused() {
    let node = Node::new();
    let ticket = node.start(None).await;
    node.found(&ticket).await;
    node.is_ended_elsewhere(&ticket.1);
    node.advance(60);

    assert!(node.find(&ticket).await.unwrap().is_none());
    assert!(node.find(&ticket).await.unwrap().is_none());
}

/// (58)
#[tokio::test]
async fn a_session_ends_with_its_refresh_token_and_a_renewal_prolongs_it() {
    let node = Node::new();
    let ticket = node.start(Some(Duration::from_secs(400))).await;
    let session = node.found(&ticket).await;
    assert_eq!(session.lives_until, UnixTime::from_secs(1_000_400));
    node.advance(300);
    let session = node.found(&ticket).await;
    let tokens = node.tokens("second", Some(Duration::from_secs(400)));
    let Renewed::Stored(renewed) = node.registry.renew(&session, tokens).await.unwrap() else {
        panic!("nobody else renewed it");
    };
    assert_eq!(renewed.lives_until, UnixTime::from_secs(1_000_700));
    node.advance(399);
    let session = node.found(&ticket).await;
    assert_eq!(session.lives_until, UnixTime::from_secs(1_000_700));

    node.advance(1);

    assert!(node.find(&ticket).await.unwrap().is_none());
    assert!(
        node.store.sessions.lock().unwrap().is_empty(),
        "it ended in the store"
    );
}
