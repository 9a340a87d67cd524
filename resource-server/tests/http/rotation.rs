//! RS-21, RS-22, RS-28: keys that come and go, and how soon that is noticed.

use serde_json::json;

use crate::harness::{Minter, NOW, Stage};

/// A token that outlives every jump of the clock.
fn lasting(minter: &Minter) -> String {
    minter.claiming("exp", json!(NOW.as_secs() + 1_000_000))
}

#[tokio::test]
async fn rs_21_a_newly_announced_key_is_good_at_once() {
    let stage = Stage::start().await;
    let next = stage.other_minter("k2");
    stage.issuer.publish(&[&stage.minter, &next]);
    // The clock has not moved: the keys were fetched at this very second.
    stage.get(&next.good()).await.assert_welcome();
    assert_eq!(stage.issuer.visits(), 2);
    stage.stop().await;
}

#[tokio::test]
async fn rs_21b_a_newly_announced_key_is_good_a_cooldown_after_a_flood() {
    let stage = Stage::start().await;
    for answer in stage.get_all(&stage.tokens_of_random_keys(20)).await {
        answer.assert_invalid_token();
    }
    let next = stage.other_minter("k2");
    stage.issuer.publish(&[&stage.minter, &next]);
    stage.get(&next.good()).await.assert_invalid_token();
    stage.advance(10);
    stage.get(&next.good()).await.assert_welcome();
    stage.stop().await;
}

#[tokio::test]
async fn rs_22_the_previous_key_is_good_beside_the_new_one() {
    let stage = Stage::start().await;
    let next = stage.other_minter("k2");
    stage.issuer.publish(&[&stage.minter, &next]);
    stage.get(&next.good()).await.assert_welcome();
    // One that was seen before, and one that was not.
    let seen = stage.minter.good();
    stage.get(&seen).await.assert_welcome();
    stage.get(&seen).await.assert_welcome();
    stage.get(&stage.minter.good()).await.assert_welcome();
    stage.stop().await;
}

#[tokio::test]
async fn rs_28_in_an_emergency_the_new_key_is_good_at_once_and_the_old_one_refused_then() {
    let stage = Stage::start().await;
    let remembered = stage.minter.good();
    stage.get(&remembered).await.assert_welcome();
    stage.get(&remembered).await.assert_welcome();

    let next = stage.other_minter("k2");
    stage.issuer.publish(&[&next]);
    stage.get(&next.good()).await.assert_welcome();
    stage.get(&remembered).await.assert_invalid_token();
    stage.get(&stage.minter.good()).await.assert_invalid_token();
    stage.get(&next.good()).await.assert_welcome();
    stage.stop().await;
}

#[tokio::test]
async fn rs_28b_a_withdrawn_key_is_refused_after_five_minutes_though_no_new_one_is_seen() {
    let stage = Stage::start().await;
    let remembered = lasting(&stage.minter);
    stage.get(&remembered).await.assert_welcome();
    let next = stage.other_minter("k2");
    stage.issuer.publish(&[&next]);

    stage.advance(299);
    stage.get(&remembered).await.assert_welcome();
    assert_eq!(stage.issuer.visits(), 1, "the keys are fresh");
    stage.advance(1);
    // The first one begins the renewal, in the background.
    stage.get(&remembered).await.assert_welcome();
    stage.issuer.visited(2).await;
    while stage.get(&remembered).await.status == 200 {}
    stage.get(&remembered).await.assert_invalid_token();
    stage.get(&lasting(&stage.minter)).await.assert_invalid_token();
    stage.stop().await;
}

#[tokio::test]
async fn rs_28c_a_key_that_was_withdrawn_while_nobody_came_is_not_believed_once_more() {
    for (idle, is_remembered) in [(330, true), (330, false), (80_000, true), (80_000, false)] {
        let stage = Stage::start().await;
        let token = lasting(&stage.minter);
        if is_remembered {
            stage.get(&token).await.assert_welcome();
        }
        let next = stage.other_minter("k2");
        stage.issuer.publish(&[&next]);
        stage.advance(idle);
        stage.get(&token).await.assert_invalid_token();
        stage.get(&lasting(&next)).await.assert_welcome();
        stage.stop().await;
    }
}
