//! RS-23: a stream of invented key ids must not become a stream of requests to the provider.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{Stage, is_unavailable, is_unknown_key};
use crate::error::VerifyError;

const TOKENS: usize = 300;

/// Sends tokens with as many invented key ids, all at once.
async fn flood(stage: &Stage) -> Vec<Result<(), VerifyError>> {
    let tokens: Vec<String> = (0..TOKENS)
        .map(|n| stage.token_of_unknown_key(&format!("invented-{n}")))
        .collect();
    join_all(tokens.iter().map(|token| stage.verify(token))).await
}

/// The same one after the other.
async fn drip(stage: &Stage) -> Vec<Result<(), VerifyError>> {
    let mut verdicts = Vec::new();
    for n in 0..TOKENS {
        verdicts.push(
            stage
                .verify(&stage.token_of_unknown_key(&format!("invented-{n}")))
                .await,
        );
    }
    verdicts
}

// RS-23
#[tokio::test]
async fn invented_key_ids_cost_two_fetches_per_cooldown() {
    let stage = Stage::warm().await;
    stage.advance(10);
    assert!(flood(&stage).await.iter().all(is_unknown_key));
    assert!(drip(&stage).await.iter().all(is_unknown_key));
    assert_eq!(stage.source.fetches(), 3, "one, and one more");

    stage.advance(9);
    assert!(drip(&stage).await.iter().all(is_unknown_key));
    assert_eq!(stage.source.fetches(), 3, "the cooldown has not passed");
    stage.advance(1);
    assert!(drip(&stage).await.iter().all(is_unknown_key));
    assert_eq!(stage.source.fetches(), 5);
}

#[tokio::test]
async fn the_one_fetch_more_begins_a_cooldown_too() {
    let stage = Stage::warm().await;
    stage.advance(9);
    assert!(drip(&stage).await.iter().all(is_unknown_key));
    assert_eq!(stage.source.fetches(), 2);
    stage.advance(9);
    assert!(drip(&stage).await.iter().all(is_unknown_key));
    assert_eq!(stage.source.fetches(), 2);
}

#[tokio::test]
async fn invented_key_ids_right_after_the_first_fetch_cost_one_more() {
    let stage = Stage::warm().await;
    assert!(flood(&stage).await.iter().all(is_unknown_key));
    assert!(drip(&stage).await.iter().all(is_unknown_key));
    assert_eq!(stage.source.fetches(), 2);
}

// RS-23b, RS-26
#[tokio::test]
async fn the_limit_holds_while_the_endpoint_fails() {
    let stage = Stage::warm().await;
    stage.source.fail();
    stage.advance(10);

    assert!(flood(&stage).await.iter().all(is_unavailable));
    assert!(drip(&stage).await.iter().all(is_unavailable));
    assert_eq!(stage.source.fetches(), 2);
    stage.verify(&stage.token).await.unwrap();
}

// RS-23c
#[tokio::test]
async fn the_limit_holds_while_the_endpoint_answers_without_keys() {
    for answer in [&b"{\"keys\":[]}"[..], b"<html>", b""] {
        let stage = Stage::warm().await;
        stage.source.answer_with(Ok(answer.to_vec()));
        stage.advance(10);

        assert!(flood(&stage).await.iter().all(is_unavailable));
        assert!(drip(&stage).await.iter().all(is_unavailable));
        assert_eq!(stage.source.fetches(), 2);
        stage.verify(&stage.token).await.unwrap();
    }
}

#[tokio::test]
async fn the_limit_holds_while_there_are_no_keys_at_all() {
    let stage = Stage::new();
    stage.source.fail();
    assert!(flood(&stage).await.iter().all(is_unavailable));
    assert!(drip(&stage).await.iter().all(is_unavailable));
    assert_eq!(stage.source.fetches(), 1);
}

#[tokio::test]
async fn a_cooldown_is_counted_from_the_end_of_a_slow_failure() {
    let stage = Arc::new(Stage::warm().await);
    stage.source.fail();
    stage.advance(10);
    let gate = stage.source.close_gate();
    let waiting = tokio::spawn({
        let stage = stage.clone();
        async move { stage.verify(&stage.token_of_unknown_key("invented")).await }
    });
    gate.reached().await;
    stage.advance(30);
    gate.open();
    assert!(is_unavailable(&waiting.await.unwrap()));

    stage.advance(9);
    assert!(drip(&stage).await.iter().all(is_unavailable));
    assert_eq!(stage.source.fetches(), 2);
}

#[tokio::test]
async fn those_who_come_while_a_fetch_is_under_way_share_it() {
    let stage = Arc::new(Stage::new());
    let gate = stage.source.close_gate();
    let waiting: Vec<_> = (0..TOKENS)
        .map(|_| {
            let stage = stage.clone();
            tokio::spawn(async move { stage.verify(&stage.token).await })
        })
        .collect();
    gate.reached().await;
    // Even one who comes after the cooldown would be over joins the fetch that is there.
    stage.advance(60);
    let late = tokio::spawn({
        let stage = stage.clone();
        async move { stage.verify(&stage.token).await }
    });
    tokio::task::yield_now().await;
    gate.open();

    for verdict in join_all(waiting).await {
        verdict.unwrap().unwrap();
    }
    late.await.unwrap().unwrap();
    assert_eq!(stage.source.fetches(), 1);
}
