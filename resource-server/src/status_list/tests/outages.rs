//! What happens to tokens whose list cannot be had.

use std::time::Duration;

use url::Url;

use super::{ENDED, Fail, Stage, StatusPolicy, URI, Verdict};
use crate::status_list::StatusError;
use crate::status_list::followed::Followed;
use crate::test_log::TestLog;
use crate::test_support::{NOW, TestKey, TestStatusList};

const MINUTE: Duration = Duration::from_secs(60);

fn open_for(at_most: Duration) -> StatusPolicy {
    StatusPolicy {
        fail: Fail::Open { at_most },
        ..StatusPolicy::default()
    }
}

fn closed() -> StatusPolicy {
    StatusPolicy {
        fail: Fail::Closed,
        ..StatusPolicy::default()
    }
}

fn is_unavailable(verdict: &Verdict) -> bool {
    matches!(verdict, Err(StatusError::Unavailable(after)) if !after.is_zero())
}

#[tokio::test]
async fn open_means_that_tokens_are_accepted_for_a_bounded_time() {
    let stage = Stage::new_ended(open_for(MINUTE)).await;
    stage.source.fail();
    stage.advance(60);
    assert_eq!(stage.check(8).await, Ok(()), "the last second");
    assert_eq!(stage.check(7).await, ENDED, "what is known to have ended");
    stage.advance(1);
    assert!(is_unavailable(&stage.check(8).await));
    assert!(is_unavailable(&stage.check(7).await), "too long ago to tell");
    let figures = stage.lists.figures();
    assert_eq!((figures.unchecked, figures.unavailable), (1, 2));
    assert_eq!((figures.lists, figures.lists_out_of_reach), (1, 1));

    stage.publish_ended(&[7, 9]);
    stage.advance(31);
    assert_eq!(stage.check(8).await, Ok(()), "it heals by itself");
    assert_eq!(stage.check(9).await, ENDED);
    assert_eq!(stage.lists.figures().lists_out_of_reach, 0);
}

/// An end is known from the newest list, which was made after the token. An older list that comes behind it changes nothing of
/// that, so that whoever sends one and then keeps all others back wins no time.
#[tokio::test]
async fn what_is_known_to_have_ended_stays_so_whichever_list_came_last() {
    let stage = Stage::with(open_for(MINUTE));
    stage.advance(30);
    stage.publish_ended(&[7]);
    assert_eq!(stage.check(7).await, ENDED);
    // Before the token was issued.
    let earlier = TestStatusList {
        issued_at: NOW.as_secs() - 25,
        ..TestStatusList::default()
    };
    stage.source.publish(&earlier, &stage.key);
    stage.advance(6);
    assert_eq!(stage.check(8).await, Ok(()));

    stage.source.fail();
    stage.advance(59);
    assert_eq!(stage.check(8).await, Ok(()));
    assert_eq!(stage.check(7).await, ENDED);
}

#[tokio::test]
async fn closed_means_that_no_token_is_judged_without_a_current_list() {
    let stage = Stage::new_ended(closed()).await;
    stage.source.fail();
    stage.advance(5);
    assert_eq!(stage.check(8).await, Ok(()), "still current");
    stage.advance(1);
    assert!(is_unavailable(&stage.check(8).await));
    assert!(is_unavailable(&stage.check(7).await));
    stage.publish_ended(&[7]);
    stage.advance(31);
    assert_eq!(stage.check(8).await, Ok(()));
    assert_eq!(stage.check(7).await, ENDED);
}

#[tokio::test]
async fn a_list_that_was_never_had_counts_from_its_first_token() {
    let stage = Stage::with(open_for(MINUTE));
    stage.source.fail();
    assert_eq!(stage.check(7).await, Ok(()));
    stage.advance(60);
    assert_eq!(stage.check(7).await, Ok(()));
    stage.advance(1);
    assert!(is_unavailable(&stage.check(7).await));

    let stage = Stage::with(closed());
    stage.source.fail();
    assert!(is_unavailable(&stage.check(7).await));
}

#[tokio::test]
async fn nobody_waits_for_a_server_that_is_known_to_be_away() {
    let stage = Stage::warm(open_for(MINUTE)).await;
    stage.source.fail();
    stage.advance(6);
    assert_eq!(stage.check(8).await, Ok(()));
    let asked = stage.source.fetches();
    stage.source.close_gate();
    for _ in 0..100 {
        assert_eq!(stage.check_at_once(8), Some(Ok(())));
    }
    assert_eq!(stage.source.fetches(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_holds_a_request_for_seconds_and_then_no_other() {
    let stage = Stage::warm(closed()).await;
    stage.source.close_gate();
    stage.advance(6);
    let begun = tokio::time::Instant::now();
    assert!(is_unavailable(&stage.check(8).await));
    assert!(begun.elapsed() <= Duration::from_secs(4), "{:?}", begun.elapsed());
    for _ in 0..100 {
        assert!(
            stage
                .check_at_once(8)
                .is_some_and(|verdict| is_unavailable(&verdict))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_hang_hold_a_request_no_longer_than_the_list_does() {
    let stage = Stage::warm(closed()).await;
    stage.keys.hang();
    stage.advance(11);
    let unknown = TestKey::es256("k2");
    stage.source.publish(&stage.list_of_now(), &unknown);
    let begun = tokio::time::Instant::now();
    assert!(is_unavailable(&stage.check(8).await));
    assert!(begun.elapsed() <= Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(stage.lists.figures().failed, 1, "the look has ended");
}

#[tokio::test]
async fn a_list_that_has_expired_is_not_relied_upon() {
    let stage = Stage::with(closed());
    let list = TestStatusList {
        lasts: 3,
        ttl: 3600,
        ..TestStatusList::default()
    };
    stage.source.publish(&list, &stage.key);
    assert_eq!(stage.check(8).await, Ok(()));
    stage.source.fail();
    // Three seconds, and the leeway.
    stage.advance(8);
    assert!(is_unavailable(&stage.check(8).await));
}

#[test]
fn a_clock_that_is_set_back_does_not_make_a_list_young() {
    let list = Followed::new(Url::parse(URI).unwrap(), NOW);
    for (ahead, is_lost) in [(0, false), (300, false), (301, true), (86_400, true)] {
        list.confirm(NOW + Duration::from_secs(ahead));
        assert_eq!(list.is_lost(MINUTE, NOW), is_lost, "{ahead}");
    }
}

#[tokio::test]
async fn a_change_is_told_once() {
    let (log, _guard) = TestLog::begin();
    let stage = Stage::warm(open_for(MINUTE)).await;
    stage.source.fail();
    for _ in 0..5 {
        stage.advance(31);
        for _ in 0..5 {
            let _ = stage.check(8).await;
        }
    }
    stage.publish_ended(&[]);
    stage.advance(31);
    assert_eq!(stage.check(8).await, Ok(()));
    assert_eq!(stage.lists.figures().failed, 5);

    let told = log.text();
    for once in [
        "the status list cannot be had",
        "tokens of this status list are not judged",
        "the status list can be had again",
    ] {
        assert_eq!(told.matches(once).count(), 1, "{once}: {told}");
    }
    assert!(told.contains("https://issuer.example/statuslists/1"), "{told}");
}
