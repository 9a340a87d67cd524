//! RS-25 to RS-27: what happens to keys when the provider is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;

use super::fake::FakeKeys;
use super::{POLICY, Stage, is_unavailable, is_unknown_key};
use crate::key_cache::{FetchKeysError, KeyCache};
use crate::test_support::{NOW, TestKey, good_claims, verifier};
use crate::time::{Clock, UnixTime};

// RS-25, RS-27
#[tokio::test]
async fn keys_outlast_an_outage_up_to_their_greatest_age() {
    for answer in [
        Err(FetchKeysError::Status(503)),
        Ok(b"{\"keys\":[]}".to_vec()),
        Ok(b"garbage".to_vec()),
    ] {
        let stage = Stage::warm().await;
        stage.source.answer_with(answer);
        for round in 0..35 {
            stage.advance(100);
            let asked = stage.source.answered();
            stage.verify(&stage.token).await.unwrap();
            stage.settle().await;
            let expected = if round < 2 { asked } else { asked + 1 };
            assert_eq!(
                stage.source.answered(),
                expected,
                "old keys are asked for again and again"
            );
        }
        stage.advance(99);
        stage.verify(&stage.token).await.unwrap();

        stage.advance(1);
        assert!(
            is_unavailable(&stage.verify(&stage.token).await),
            "an hour is too long"
        );
    }
}

#[tokio::test]
async fn keys_that_grew_too_old_are_replaced_at_once_when_the_provider_is_back() {
    let stage = Stage::warm().await;
    stage.advance(10_000);
    stage.verify(&stage.token).await.unwrap();
    assert_eq!(stage.source.fetches(), 2);
}

#[tokio::test]
async fn a_provider_that_starts_late_is_noticed_soon() {
    let stage = Stage::new();
    stage.source.fail();
    assert!(is_unavailable(&stage.verify(&stage.token).await));

    stage.source.publish(&[&stage.key]);
    assert!(
        is_unavailable(&stage.verify(&stage.token).await),
        "not asked again within the same second"
    );
    stage.advance(1);
    stage.verify(&stage.token).await.unwrap();
    assert_eq!(stage.source.fetches(), 2);
}

// RS-26
#[tokio::test]
async fn a_token_of_a_new_key_is_not_called_bad_while_nobody_can_tell() {
    let stage = Stage::warm().await;
    stage.source.fail();
    stage.advance(10);
    let new = TestKey::es256("k2");
    let token = new.access_token(&good_claims());
    assert!(is_unavailable(&stage.verify(&token).await));

    stage.source.publish(&[&stage.key, &new]);
    stage.advance(10);
    stage.verify(&token).await.unwrap();
}

#[tokio::test]
async fn an_error_tells_why_there_are_no_keys() {
    let stage = Stage::new();
    stage.source.answer_with(Ok(b"{\"keys\":[]}".to_vec()));
    let error = anyhow::Error::from(stage.verify(&stage.token).await.unwrap_err());
    assert_eq!(
        format!("{error:#}"),
        "the keys to verify the token are not available: the key set cannot be used: no usable key in the JWK set"
    );
}

/// A clock that can go back.
#[derive(Debug)]
struct WrongClock(AtomicI64);

impl Clock for WrongClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.0.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_stop_fetching() {
    let key = TestKey::es256("k1");
    let source = Arc::new(FakeKeys::serving(&[&key]));
    let day = 86_400;
    let clock = Arc::new(WrongClock(AtomicI64::new(NOW.as_secs() + day)));
    let cache = KeyCache::new(source.clone(), clock.clone()).with_policy(POLICY);
    cache.ready().await.unwrap();

    clock.0.store(NOW.as_secs(), Ordering::SeqCst);
    let new = TestKey::es256("k2");
    source.publish(&[&new]);
    let token = new.access_token(&good_claims());
    cache.verify(&verifier(), &token).await.unwrap();
    assert_eq!(source.fetches(), 2);

    let again = cache
        .verify(&verifier(), &key.access_token(&good_claims()))
        .await
        .map(drop);
    assert!(is_unknown_key(&again));
    let again = cache
        .verify(&verifier(), &key.access_token(&good_claims()))
        .await
        .map(drop);
    assert!(is_unknown_key(&again));
    assert_eq!(
        source.fetches(),
        3,
        "the cooldown counts from the right time again, with its one fetch more"
    );
    assert_eq!(cache.retry_after(), Duration::from_secs(1));
}

#[tokio::test]
async fn keys_from_the_future_are_renewed_and_from_afar_not_used() {
    for (seconds_back, is_used_meanwhile) in [(60, true), (300, true), (301, false), (86_400, false)] {
        let stage = Stage::new();
        let source = &stage.source;
        let clock = Arc::new(WrongClock(AtomicI64::new(NOW.as_secs() + seconds_back)));
        let cache = KeyCache::new(source.clone(), clock.clone()).with_policy(POLICY);
        cache.ready().await.unwrap();
        clock.0.store(NOW.as_secs(), Ordering::SeqCst);

        let gate = source.close_gate();
        let verifier = verifier();
        let at_once = cache.verify(&verifier, &stage.token).now_or_never();
        assert_eq!(
            matches!(at_once, Some(Ok(_))),
            is_used_meanwhile,
            "{seconds_back}"
        );
        assert_eq!(at_once.is_none(), !is_used_meanwhile, "{seconds_back}");
        gate.reached().await;
        gate.open();
        cache.ready().await.unwrap();
        while source.answered() < 2 || cache.0.lock().running.is_some() {
            tokio::task::yield_now().await;
        }

        // The new keys have the right time: they are fresh, and nothing is fetched any more.
        clock.0.store(NOW.as_secs() + 299, Ordering::SeqCst);
        cache.verify(&verifier, &stage.token).await.unwrap();
        assert_eq!(source.fetches(), 2, "{seconds_back}");
    }
}
