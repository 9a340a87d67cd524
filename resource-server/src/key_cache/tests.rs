mod fake;
mod floods;
mod outages;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;

use self::fake::FakeKeys;
use super::{CachePolicy, FetchKeysError, KeyCache, VerifyError};
use crate::error::TokenError;
use crate::test_support::{NOW, TestKey, good_claims, verifier};
use crate::time::ManualClock;

const POLICY: CachePolicy = CachePolicy {
    fresh_for: Duration::from_secs(300),
    cooldown: Duration::from_secs(10),
    cooldown_without_keys: Duration::from_secs(1),
    max_stale: Duration::from_secs(3600),
};

/// A cache before a provider that publishes one key, and the token of that key.
struct Stage {
    clock: ManualClock,
    source: Arc<FakeKeys>,
    cache: KeyCache,
    key: TestKey,
    token: String,
}

impl Stage {
    fn new() -> Self {
        let key = TestKey::es256("k1");
        let source = Arc::new(FakeKeys::serving(&[&key]));
        let clock = ManualClock::new(NOW);
        let cache = KeyCache::new(source.clone(), Arc::new(clock.clone())).with_policy(POLICY);
        let mut claims = good_claims();
        // Outlives every jump of the clock.
        claims["exp"] = (NOW.as_secs() + 100_000).into();
        let token = key.access_token(&claims);
        Self {
            clock,
            source,
            cache,
            key,
            token,
        }
    }

    /// The same with keys in the cache.
    async fn warm() -> Self {
        let stage = Self::new();
        stage.verify(&stage.token).await.unwrap();
        assert_eq!(stage.source.fetches(), 1);
        stage
    }

    async fn verify(&self, token: &str) -> Result<(), VerifyError> {
        self.cache.verify(&verifier(), token).await.map(drop)
    }

    /// The verdict on the good token if it comes without any waiting.
    fn verify_at_once(&self) -> Option<Result<(), VerifyError>> {
        self.verify(&self.token).now_or_never()
    }

    /// A token of a key with this name that nobody has published.
    fn token_of_unknown_key(&self, kid: &str) -> String {
        self.key.sign(
            &self.key.header_with("kid", serde_json::json!(kid)),
            &good_claims(),
        )
    }

    /// Lets a fetch in the background come to its end.
    async fn settle(&self) {
        while self.cache.0.lock().running.is_some() {
            tokio::task::yield_now().await;
        }
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

fn is_unknown_key(verdict: &Result<(), VerifyError>) -> bool {
    matches!(
        verdict,
        Err(VerifyError::Token(TokenError::UnknownKey) | VerifyError::UnknownKeyForNow)
    )
}

fn is_unavailable(verdict: &Result<(), VerifyError>) -> bool {
    matches!(verdict, Err(VerifyError::KeysUnavailable(_)))
}

#[tokio::test]
async fn keys_are_fetched_once_and_then_used() {
    let stage = Stage::new();
    assert_eq!(
        stage.source.fetches(),
        0,
        "nothing is fetched before a token comes"
    );
    for _ in 0..100 {
        stage.verify(&stage.token).await.unwrap();
    }
    assert_eq!(stage.source.fetches(), 1);
}

#[tokio::test]
async fn a_token_that_is_bad_with_any_keys_costs_no_fetch() {
    let stage = Stage::new();
    for token in [
        "",
        "a.b.c",
        "eyJhbGc",
        &stage
            .key
            .sign(&serde_json::json!({"alg": "none"}), &good_claims()),
    ] {
        assert!(
            matches!(stage.verify(token).await, Err(VerifyError::Token(_))),
            "{token:?}"
        );
    }
    assert_eq!(stage.source.fetches(), 0);
}

// RS-21
#[tokio::test]
async fn a_newly_announced_key_is_known_at_its_first_token() {
    for seconds in [0, 10] {
        let stage = Stage::warm().await;
        let new = TestKey::es256("k2");
        stage.source.publish(&[&stage.key, &new]);
        stage.advance(seconds);

        stage.verify(&new.access_token(&good_claims())).await.unwrap();
        stage.verify(&stage.token).await.unwrap();
        assert_eq!(stage.source.fetches(), 2);
    }
}

#[tokio::test]
async fn a_newly_announced_key_is_known_a_cooldown_after_a_flood() {
    let stage = Stage::warm().await;
    let new = TestKey::es256("k2");
    assert!(is_unknown_key(
        &stage.verify(&stage.token_of_unknown_key("x")).await
    ));
    stage.source.publish(&[&stage.key, &new]);
    let token = new.access_token(&good_claims());
    assert!(matches!(
        stage.verify(&token).await,
        Err(VerifyError::UnknownKeyForNow)
    ));
    stage.advance(9);
    assert!(is_unknown_key(&stage.verify(&token).await));
    stage.advance(1);
    stage.verify(&token).await.unwrap();
}

// RS-28
#[tokio::test]
async fn a_withdrawn_key_is_refused_as_soon_as_its_successor_is_known() {
    let stage = Stage::warm().await;
    let new = TestKey::es256("k2");
    stage.source.publish(&[&new]);
    stage.advance(10);

    stage.verify(&new.access_token(&good_claims())).await.unwrap();
    assert!(is_unknown_key(&stage.verify(&stage.token).await));
}

#[tokio::test]
async fn old_keys_are_renewed_in_the_background() {
    let stage = Stage::warm().await;
    stage.advance(299);
    stage.verify(&stage.token).await.unwrap();
    assert_eq!(stage.source.fetches(), 1, "still fresh");

    let new = TestKey::es256("k2");
    stage.source.publish(&[&new]);
    stage.advance(1);
    let gate = stage.source.close_gate();
    assert!(
        matches!(stage.verify_at_once(), Some(Ok(()))),
        "nobody waits for the renewal"
    );
    gate.reached().await;
    assert!(
        matches!(stage.verify_at_once(), Some(Ok(()))),
        "nor while it is under way"
    );
    gate.open();

    // The token of the new key joins the renewal or finds it done; either way there is no third fetch.
    stage.verify(&new.access_token(&good_claims())).await.unwrap();
    assert_eq!(stage.source.fetches(), 2);
    assert!(
        is_unknown_key(&stage.verify(&stage.token).await),
        "the withdrawn key is gone"
    );
}

// RS-28
#[tokio::test]
async fn a_key_that_was_withdrawn_while_nobody_came_is_not_believed_once_more() {
    let stage = Arc::new(Stage::warm().await);
    stage.source.publish(&[&TestKey::es256("k2")]);
    stage.advance(329);
    let gate = stage.source.close_gate();
    assert!(
        matches!(stage.verify_at_once(), Some(Ok(()))),
        "the renewal in the background has its time"
    );
    gate.reached().await;
    gate.open();
    stage.settle().await;
    assert!(is_unknown_key(&stage.verify(&stage.token).await));

    let stage = Arc::new(Stage::warm().await);
    stage.source.publish(&[&TestKey::es256("k2")]);
    stage.advance(330);
    let gate = stage.source.close_gate();
    let first = tokio::spawn({
        let stage = stage.clone();
        async move { stage.verify(&stage.token).await }
    });
    gate.reached().await;
    assert!(
        stage.verify_at_once().is_none(),
        "nor do others take the old keys meanwhile"
    );
    gate.open();
    assert!(is_unknown_key(&first.await.unwrap()));
}

// RS-24, RS-25
#[tokio::test]
async fn after_an_idle_time_one_renewal_is_waited_for_and_no_second() {
    let stage = Arc::new(Stage::warm().await);
    stage.source.fail();
    stage.advance(1_000);
    stage.verify(&stage.token).await.unwrap();
    assert_eq!(stage.source.fetches(), 2);

    stage.advance(10);
    let gate = stage.source.close_gate();
    assert!(matches!(stage.verify_at_once(), Some(Ok(()))));
    gate.reached().await;
    assert!(matches!(stage.verify_at_once(), Some(Ok(()))));
    gate.open();
}

// RS-24
#[tokio::test]
async fn a_slow_endpoint_does_not_delay_tokens_of_known_keys() {
    let stage = Arc::new(Stage::warm().await);
    stage.advance(10);
    let gate = stage.source.close_gate();
    let waiting = tokio::spawn({
        let stage = stage.clone();
        async move { stage.verify(&stage.token_of_unknown_key("k2")).await }
    });
    gate.reached().await;

    for _ in 0..100 {
        assert!(matches!(stage.verify_at_once(), Some(Ok(()))));
    }
    assert!(!waiting.is_finished());
    gate.open();
    assert!(is_unknown_key(&waiting.await.unwrap()));
}

#[tokio::test]
async fn a_request_that_is_cancelled_does_not_cancel_the_fetch() {
    let stage = Arc::new(Stage::new());
    let gate = stage.source.close_gate();
    let waiting = tokio::spawn({
        let stage = stage.clone();
        async move { stage.verify(&stage.token).await }
    });
    gate.reached().await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());

    gate.open();
    stage.verify(&stage.token).await.unwrap();
    assert_eq!(stage.source.fetches(), 1);
    assert_eq!(stage.source.answered(), 1, "the one fetch came to its end");
}

#[tokio::test]
async fn readiness_means_that_there_are_keys() {
    let stage = Stage::new();
    stage.source.fail();
    assert!(matches!(
        stage.cache.ready().await,
        Err(FetchKeysError::Status(503))
    ));

    stage.source.publish(&[&stage.key]);
    assert!(
        stage.cache.ready().await.is_err(),
        "not asked again within the cooldown"
    );
    stage.advance(1);
    assert!(stage.cache.ready().await.is_ok());
    for _ in 0..10 {
        assert!(stage.cache.ready().await.is_ok());
    }
    assert_eq!(stage.source.fetches(), 2);
}
