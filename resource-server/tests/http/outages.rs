//! RS-24 to RS-31: an issuer that is slow, wrong, or away, and the service after all that.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{NOW, Stage, encode};

/// How long keys are used that cannot be renewed.
const GREATEST_AGE: u64 = 24 * 60 * 60;

fn lasting(stage: &Stage) -> String {
    stage.minter.claiming("exp", json!(NOW.as_secs() + 10_000_000))
}

#[tokio::test]
async fn rs_24_a_slow_key_endpoint_delays_no_token_of_a_known_key() {
    let stage = Stage::start().await;
    stage.issuer.hang();
    let unknown = stage.other_minter("k2").good();
    let waiting = stage.get(&unknown);
    let meanwhile = async {
        stage.issuer.visited(2).await;
        // Answered although the endpoint is not: otherwise this test would never end.
        for _ in 0..100 {
            stage.get(&stage.minter.good()).await.assert_welcome();
        }
        stage.issuer.answer_again();
    };
    let (answer, ()) = futures_util::future::join(waiting, meanwhile).await;
    answer.assert_invalid_token();
    stage.stop().await;
}

#[tokio::test]
async fn rs_25_known_keys_outlast_an_outage_up_to_a_day() {
    let stage = Stage::start().await;
    let token = lasting(&stage);
    stage.issuer.answer_with(503, "");
    for _ in 0..23 {
        stage.advance(60 * 60);
        stage.get(&token).await.assert_welcome();
    }
    assert!(stage.issuer.visits() > 1, "newer ones were asked for");
    stage.advance(GREATEST_AGE - 23 * 60 * 60 - 1);
    stage.get(&token).await.assert_welcome();
    stage.advance(1);
    stage.get(&token).await.assert_unavailable();
    assert!(!stage.is_ready().await);

    stage.issuer.publish(&[&stage.minter]);
    stage.advance(10);
    stage.get(&token).await.assert_welcome();
    stage.stop().await;
}

#[tokio::test]
async fn rs_26_an_unknown_key_in_an_outage_cannot_be_judged() {
    let stage = Stage::start().await;
    stage.issuer.answer_with(500, "oops");
    stage.advance(10);
    for token in stage.tokens_of_random_keys(20) {
        stage.get(&token).await.assert_unavailable();
    }
    stage.stop().await;
}

#[tokio::test]
async fn rs_27_a_key_endpoint_that_answers_garbage_takes_no_key_away() {
    for garbage in [
        "garbage",
        "",
        "null",
        "{\"keys\":{}}",
        "<html>",
        "{\"keys\":[{\"kty\":\"oct\"}]}",
    ] {
        let stage = Stage::start().await;
        let token = lasting(&stage);
        stage.issuer.answer_with(200, garbage);
        stage.advance(400);
        stage.get(&token).await.assert_welcome();
        stage.issuer.visited(2).await;
        stage.get(&token).await.assert_welcome();
        stage
            .get(&stage.other_minter("k2").good())
            .await
            .assert_unavailable();
        stage.stop().await;
    }
}

// How fast a check is, a bench tells; here, that none asks anybody or waits for anything.
#[tokio::test]
async fn rs_29_with_known_keys_a_check_asks_nobody() {
    let stage = Stage::start().await;
    let mut times = Vec::new();
    for _ in 0..200 {
        let token = stage.minter.good();
        let begun = Instant::now();
        stage.get(&token).await.assert_welcome();
        times.push(begun.elapsed());
    }
    times.sort();
    assert_eq!(stage.issuer.visits(), 1);
    assert!(times[100] < Duration::from_millis(100), "median {:?}", times[100]);
    stage.stop().await;
}

#[tokio::test]
async fn rs_30_after_all_attacks_the_service_is_well() {
    let stage = Stage::start().await;
    let foreign = stage.other_minter("k1");
    let good = stage.minter.good();
    let mut attacks = stage.tokens_of_random_keys(100);
    attacks.extend((0..100).map(|n| foreign.claiming("jti", json!(n.to_string()))));
    attacks.extend((0..100).map(|n| good[..good.len() * n / 100].to_owned()));
    attacks.extend((0..100).map(|n| encode(&[n; 300])));
    attacks.extend((0..20).map(|n| stage.minter.claiming("pad", json!("x".repeat(n * 4_000)))));
    let served = stage.get_all(&attacks).await;
    assert!(served.iter().all(|answer| matches!(answer.status, 200 | 401)));
    assert!(stage.issuer.visits() <= 3);

    for _ in 0..100 {
        stage.get(&stage.minter.good()).await.assert_welcome();
    }
    assert!(stage.is_ready().await);
    assert_eq!(stage.issuer.strays(), Vec::<String>::new());
    stage.stop().await;
}

#[tokio::test]
async fn rs_31_a_service_starts_without_its_issuer_and_heals_by_itself() {
    let stage = Stage::start_cold().await;
    for _ in 0..20 {
        stage.get(&stage.minter.good()).await.assert_unavailable();
    }
    assert!(!stage.is_ready().await);
    stage.get("nonsense").await.assert_invalid_token();

    stage.issuer.publish(&[&stage.minter]);
    stage.advance(1);
    stage.get(&stage.minter.good()).await.assert_welcome();
    assert!(stage.is_ready().await);
    stage.stop().await;
}
