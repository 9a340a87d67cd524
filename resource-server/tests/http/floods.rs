//! RS-23: a stream of invented names of keys must not become a stream of requests to the issuer.

use crate::harness::{Answer, Stage};

const RANDOM_KEYS: usize = 300;

/// Half of them at once and half one after the other.
async fn flood(stage: &Stage, count: usize) -> Vec<Answer> {
    let tokens = stage.tokens_of_random_keys(count);
    let (at_once, in_turn) = tokens.split_at(count / 2);
    let mut answers = stage.get_all(at_once).await;
    for token in in_turn {
        answers.push(stage.get(token).await);
    }
    answers
}

#[tokio::test]
async fn rs_23_random_keys_cost_two_fetches_at_most() {
    for seconds_after_a_fetch in [0, 9, 10, 100] {
        let stage = Stage::start().await;
        stage.advance(seconds_after_a_fetch);
        for answer in flood(&stage, RANDOM_KEYS).await {
            answer.assert_invalid_token();
        }
        let fetches = stage.issuer.visits() - 1;
        assert!(fetches <= 2, "{fetches} after {seconds_after_a_fetch} s");
        stage.get(&stage.minter.good()).await.assert_welcome();
        stage.stop().await;
    }
}

#[tokio::test]
async fn rs_23b_random_keys_cost_two_fetches_at_most_while_the_endpoint_fails() {
    random_keys_cost_two_fetches_at_most_while_it_answers(503, "").await;
}

#[tokio::test]
async fn rs_23c_an_empty_key_set_evicts_nothing_and_lifts_no_limit() {
    random_keys_cost_two_fetches_at_most_while_it_answers(200, "{\"keys\":[]}").await;
}

async fn random_keys_cost_two_fetches_at_most_while_it_answers(status: u16, body: &'static str) {
    let stage = Stage::start().await;
    stage.issuer.answer_with(status, body);
    stage.advance(10);
    for answer in flood(&stage, RANDOM_KEYS).await {
        answer.assert_unavailable();
    }
    let fetches = stage.issuer.visits() - 1;
    assert!(fetches <= 2, "{fetches}");
    stage.get(&stage.minter.good()).await.assert_welcome();
    stage.stop().await;
}

#[tokio::test]
async fn rs_23d_random_keys_cost_two_fetches_at_most_while_the_endpoint_hangs() {
    let stage = Stage::start().await;
    stage.issuer.hang();
    stage.advance(10);
    let tokens = stage.tokens_of_random_keys(RANDOM_KEYS);
    let flood = stage.get_all(&tokens);
    let meanwhile = async {
        stage.issuer.visited(2).await;
        for _ in 0..20 {
            stage.get(&stage.minter.good()).await.assert_welcome();
        }
        let fetches = stage.issuer.visits() - 1;
        stage.issuer.answer_again();
        fetches
    };
    let (answers, fetches) = futures_util::future::join(flood, meanwhile).await;
    assert_eq!(fetches, 1, "while it hangs, all wait for the one fetch");
    for answer in answers {
        answer.assert_invalid_token();
    }
    let fetches = stage.issuer.visits() - 1;
    assert!(fetches <= 2, "{fetches} in all");
    stage.stop().await;
}

#[tokio::test]
async fn rs_23e_random_keys_cost_one_fetch_while_there_never_were_keys() {
    let stage = Stage::start_cold().await;
    for answer in flood(&stage, RANDOM_KEYS).await {
        answer.assert_unavailable();
    }
    assert_eq!(stage.issuer.visits(), 1);
    stage.stop().await;
}
