//! The looks that nobody waits for.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::advance;

use super::{ENDED, Stage};
use crate::status_list::{Fail, StatusPolicy};

/// Lets both clocks go on, and whatever that begins come to its end.
async fn pass(stage: &Stage, seconds: u64) {
    for _ in 0..seconds {
        stage.clock.advance(Duration::from_secs(1));
        advance(Duration::from_secs(1)).await;
        stage.settle().await;
    }
}

impl Stage {
    /// Returns when no look is under way.
    async fn settle(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        while self.is_looking() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_is_renewed_before_anybody_has_to_wait() {
    let stage = Stage::warm(StatusPolicy::default()).await;
    stage.publish_ended(&[7]);
    pass(&stage, 3).await;
    assert_eq!(stage.source.fetches(), 1);
    assert_eq!(stage.check_at_once(7), Some(Ok(())));
    pass(&stage, 1).await;
    assert_eq!(stage.source.fetches(), 2, "after four fifths of five seconds");
    assert_eq!(stage.check_at_once(7), Some(ENDED));
    for _ in 0..60 {
        pass(&stage, 1).await;
        assert_eq!(stage.check_at_once(8), Some(Ok(())), "never out of date");
    }
    assert_eq!(stage.source.fetches(), 2 + 15);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_nobody_uses_is_left_alone_until_somebody_does() {
    let stage = Stage::warm(StatusPolicy {
        idle_after: Duration::from_secs(60),
        ..StatusPolicy::default()
    })
    .await;
    pass(&stage, 120).await;
    let asked = stage.source.fetches();
    assert!((15..=17).contains(&asked), "{asked}");
    pass(&stage, 600).await;
    assert_eq!(stage.source.fetches(), asked, "nobody asks any more");

    stage.publish_ended(&[7]);
    assert_eq!(
        stage.check(7).await,
        ENDED,
        "the first to come waits for a new list"
    );
    assert_eq!(stage.source.fetches(), asked + 1);
    pass(&stage, 4).await;
    assert_eq!(stage.source.fetches(), asked + 2, "followed again");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_is_asked_again_soon_and_then_less_often() {
    let stage = Stage::warm(StatusPolicy {
        fail: Fail::Closed,
        ..StatusPolicy::default()
    })
    .await;
    stage.source.fail();
    pass(&stage, 4).await;
    assert_eq!(stage.source.fetches(), 2);
    pass(&stage, 1).await;
    assert_eq!(stage.source.fetches(), 3, "half a second later");
    stage.publish_ended(&[]);
    pass(&stage, 1).await;
    assert_eq!(
        stage.check_at_once(8),
        Some(Ok(())),
        "so that a short outage is none"
    );

    stage.source.fail();
    let asked = stage.source.fetches();
    pass(&stage, 100).await;
    let asked = stage.source.fetches() - asked;
    assert!((24..=32).contains(&asked), "{asked}");
}

#[tokio::test]
async fn whoever_looks_may_fall_over() {
    let stage = Stage::new();
    stage.source.panic_once();
    assert_eq!(stage.check(7).await, Ok(()), "open: as if there was no list");
    assert_eq!(stage.lists.figures().unchecked, 1);
    stage.publish_ended(&[7]);
    assert_eq!(stage.check(7).await, ENDED, "somebody else looks");
    assert_eq!(stage.source.fetches(), 2);
}

#[tokio::test]
async fn nobody_looks_when_the_lists_are_gone() {
    let stage = Stage::warm(StatusPolicy::default()).await;
    assert!(Arc::strong_count(&stage.source) > 1);
    let source = stage.source.clone();
    drop(stage);
    while Arc::strong_count(&source) > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(source.fetches(), 1);
}
