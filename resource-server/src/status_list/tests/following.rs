//! Which list is in force, and how many are followed.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::fake::FakeLists;
use super::{ENDED, Stage, URI, claims_of, refused, token_of};
use crate::error::TokenError;
use crate::status_list::{Fail, FetchListError, FetchedList, StatusError, StatusPolicy};
use crate::test_support::{NOW, TestKey, TestStatusList, claims_with};

fn policy() -> StatusPolicy {
    StatusPolicy::default()
}

/// Serves the same list again and again to whoever knows it.
fn answer_unchanged(source: &FakeLists) {
    source.answer(URI, Ok(FetchedList::Unchanged));
}

#[tokio::test]
async fn all_who_need_a_list_join_one_fetch() {
    let stage = Stage::new();
    stage.source.close_gate();
    let all = join_all((0..50).map(|index| stage.check(index)));
    let opened = async {
        stage.source.reach(1).await;
        stage.source.open_gate();
    };
    let (verdicts, ()) = tokio::join!(all, opened);
    assert!(verdicts.iter().all(Result::is_ok));
    assert_eq!(stage.source.fetches(), 1);
}

#[tokio::test]
async fn a_request_that_goes_away_does_not_take_the_fetch_with_it() {
    let stage = Stage::new();
    stage.source.close_gate();
    {
        let cancelled = stage.check(7);
        tokio::select! {
            _ = cancelled => panic!("it cannot be judged yet"),
            () = stage.source.reach(1) => {}
        }
    }
    stage.source.open_gate();
    assert_eq!(stage.check(7).await, Ok(()));
    assert_eq!(stage.source.fetches(), 1);
}

// RFC 9110 §13.1.2
#[tokio::test]
async fn a_list_that_has_not_changed_is_not_sent_again() {
    let stage = Stage::new();
    let token = TestStatusList::default().end(7).sign(&stage.key);
    stage.source.publish_token(URI, token, Some("\"v1\""));
    assert_eq!(stage.check(7).await, ENDED);
    answer_unchanged(&stage.source);
    for fetches in 2..5 {
        stage.advance(6);
        assert_eq!(stage.check(8).await, Ok(()));
        assert_eq!(stage.check(7).await, ENDED, "the list goes on to be in force");
        assert_eq!(stage.source.fetches(), fetches);
        assert_eq!(stage.source.last_question().1.as_deref(), Some("\"v1\""));
    }
    let figures = stage.lists.figures();
    assert_eq!((figures.renewed, figures.unchanged, figures.failed), (1, 3, 0));
}

#[tokio::test]
async fn an_answer_that_all_is_as_before_is_believed_only_if_it_was_asked_for() {
    let stage = Stage::warm(policy()).await;
    answer_unchanged(&stage.source);
    stage.advance(6);
    assert_eq!(stage.check(7).await, Ok(()), "nothing says otherwise for now");
    assert_eq!(stage.lists.figures().failed, 1);
}

#[tokio::test]
async fn a_list_that_is_about_to_expire_is_asked_for_as_if_it_was_new() {
    let stage = Stage::new();
    let list = TestStatusList {
        lasts: 20,
        ..TestStatusList::default()
    };
    stage
        .source
        .publish_token(URI, list.sign(&stage.key), Some("\"v1\""));
    assert_eq!(stage.check(7).await, Ok(()));
    stage.advance(9);
    assert_eq!(stage.check(7).await, Ok(()));
    assert_eq!(stage.source.last_question().1.as_deref(), Some("\"v1\""));
    stage.advance(6);
    assert_eq!(stage.check(7).await, Ok(()));
    assert_eq!(stage.source.last_question().1, None);
}

#[tokio::test]
async fn a_list_goes_back_in_time_no_further_than_clocks_differ() {
    let stage = Stage::warm(policy()).await;
    stage.advance(66);
    stage.publish_ended(&[7]);
    assert_eq!(stage.check(7).await, ENDED);

    // Somebody on the way sends what the issuer sent earlier, when nobody had logged out.
    stage.source.publish(&TestStatusList::default(), &stage.key);
    stage.advance(6);
    assert_eq!(stage.check(7).await, ENDED);
    assert_eq!(stage.lists.figures().failed, 1);

    stage.advance(31);
    stage.publish_ended(&[7, 8]);
    assert_eq!(stage.check(8).await, ENDED);
    assert_eq!(stage.check(7).await, ENDED);
}

#[tokio::test]
async fn a_list_from_before_the_last_one_takes_no_end_back() {
    let stage = Stage::warm(policy()).await;
    stage.advance(30);
    stage.publish_ended(&[7]);
    assert_eq!(stage.check(7).await, ENDED);

    // From a node whose clock is behind, which has seen another end; or from somebody who kept it.
    let earlier = TestStatusList::default().end(8);
    stage.source.publish(&earlier, &stage.key);
    for _ in 0..3 {
        stage.advance(6);
        assert_eq!(stage.check(7).await, ENDED);
        assert_eq!(stage.check(8).await, ENDED);
        assert_eq!(stage.check(9).await, Ok(()));
    }
    assert_eq!(stage.lists.figures().failed, 0, "nobody is kept waiting by it");

    // Of the second in which the newest was made: which of the two was first, nobody can tell.
    let of_the_same_second = TestStatusList {
        issued_at: NOW.as_secs() + 30,
        ..TestStatusList::default()
    };
    stage.source.publish(&of_the_same_second, &stage.key);
    stage.advance(6);
    assert_eq!(stage.check(7).await, ENDED);
    assert_eq!(stage.check(8).await, ENDED);
    assert_eq!(stage.lists.figures().failed, 0);

    // Statuses of another size cannot be laid upon each other.
    let wider = TestStatusList {
        bits: 2,
        ..TestStatusList::default()
    };
    stage.source.publish(&wider, &stage.key);
    stage.advance(6);
    assert_eq!(stage.check(7).await, ENDED);
    assert_eq!(stage.lists.figures().failed, 1);

    // A newer one says what it says: the index may be another grant's by now.
    stage.advance(31);
    stage.publish_ended(&[]);
    assert_eq!(stage.check(7).await, Ok(()));
}

#[tokio::test]
async fn a_list_that_another_node_made_earlier_is_as_good_if_it_says_the_same() {
    let stage = Stage::with(StatusPolicy {
        fail: Fail::Closed,
        ..policy()
    });
    stage.advance(6);
    stage.publish_ended(&[7]);
    assert_eq!(stage.check(7).await, ENDED);
    stage.advance(6);
    stage
        .source
        .publish(&TestStatusList::default().end(7), &stage.key);
    assert_eq!(stage.check(8).await, Ok(()));
    assert_eq!(stage.check(7).await, ENDED);
    assert_eq!(stage.lists.figures().failed, 0);

    // One that says something else is not gone back to.
    stage.advance(6);
    let earlier = TestStatusList {
        issued_at: NOW.as_secs() - 200,
        ..TestStatusList::default()
    };
    stage.source.publish(&earlier, &stage.key);
    assert!(stage.check(7).await.is_err());
    assert_eq!(stage.lists.figures().failed, 1);
}

#[tokio::test]
async fn a_list_of_the_same_second_replaces_the_one_before() {
    let stage = Stage::warm(policy()).await;
    stage.advance(6);
    stage
        .source
        .publish(&TestStatusList::default().end(7), &stage.key);
    assert_eq!(stage.check(7).await, ENDED);
}

#[tokio::test]
async fn an_issuer_whose_clock_is_set_back_goes_on() {
    let stage = Stage::with(StatusPolicy {
        fail: Fail::Closed,
        ..policy()
    });
    let made_at = |seconds: i64| TestStatusList {
        issued_at: NOW.as_secs() + seconds,
        ..TestStatusList::default()
    };
    stage.source.publish(&made_at(0), &stage.key);
    assert_eq!(stage.check(7).await, Ok(()));
    for back in [10, 65, 20] {
        stage.source.publish(&made_at(-back).end(7), &stage.key);
        stage.advance(6);
        assert_eq!(stage.check(7).await, ENDED, "{back}");
        assert_eq!(stage.check(8).await, Ok(()), "{back}");
    }
    // Older than the newest by more than clocks differ, though not than the last.
    stage.source.publish(&made_at(-66), &stage.key);
    stage.advance(6);
    let verdict = stage.check(7).await;
    assert!(matches!(verdict, Err(StatusError::Unavailable(_))), "{verdict:?}");
}

#[tokio::test]
async fn a_token_that_is_newer_than_the_list_has_a_newer_one_asked_for() {
    let stage = Stage::warm(policy()).await;
    stage.advance(1);
    let mut claims = claims_with("status", json!({"status_list": {"idx": 200, "uri": URI}}));
    claims["iat"] = json!(NOW.as_secs() + 1);
    let token = claims_of(&stage.key, &claims);
    // The list has become longer for it.
    let longer = TestStatusList {
        statuses: vec![0; 32],
        ..stage.list_of_now()
    };
    stage.source.publish(&longer, &stage.key);
    assert_eq!(stage.lists.check(&token).await, Ok(()));
    assert_eq!(stage.source.fetches(), 2);
}

#[tokio::test]
async fn a_token_that_no_list_knows_costs_a_look_a_second() {
    let stage = Stage::warm(policy()).await;
    stage.advance(1);
    let mut claims = claims_with("status", json!({"status_list": {"idx": 200, "uri": URI}}));
    claims["iat"] = json!(NOW.as_secs() + 1);
    let token = claims_of(&stage.key, &claims);
    for _ in 0..50 {
        let verdict = stage.lists.check(&token).await;
        assert_eq!(verdict, refused(TokenError::StatusUnknown));
    }
    assert_eq!(stage.source.fetches(), 2);
    for _ in 0..50 {
        assert_eq!(
            stage.check(200).await,
            refused(TokenError::StatusUnknown),
            "an older token"
        );
    }
    assert_eq!(stage.source.fetches(), 2);
}

#[tokio::test]
async fn a_list_is_signed_with_a_key_of_the_issuer() {
    let stage = Stage::new();
    let stranger = TestKey::es256("k1");
    stage.source.publish(&TestStatusList::default().end(7), &stranger);
    assert_eq!(stage.check(7).await, Ok(()), "open: as if there was no list");
    assert_eq!(stage.lists.figures().unchecked, 1);

    let stage = Stage::warm(policy()).await;
    let new = TestKey::es256("k2");
    stage.keys.publish(&[&stage.key, &new]);
    stage.advance(11);
    stage.source.publish(&stage.list_of_now().end(7), &new);
    assert_eq!(stage.check(7).await, ENDED, "the key was asked for");
}

#[tokio::test]
async fn a_list_is_sent_again_when_the_keys_have_changed() {
    let stage = Stage::new();
    let list = TestStatusList::default().sign(&stage.key);
    stage.source.publish_token(URI, list.clone(), Some("\"v1\""));
    assert_eq!(stage.check(7).await, Ok(()));
    stage.advance(6);
    answer_unchanged(&stage.source);
    assert_eq!(stage.check(7).await, Ok(()));
    assert_eq!(stage.source.last_question().1.as_deref(), Some("\"v1\""));

    // The key is withdrawn: what it vouched for is worth nothing.
    let keys = &stage.lists.0.around.keys;
    let before = keys.generation();
    stage.keys.publish(&[&TestKey::es256("k2")]);
    stage.advance(300);
    while keys.generation() == before {
        tokio::task::yield_now().await;
    }
    stage.source.publish_token(URI, list, Some("\"v1\""));
    assert_eq!(
        stage.check(7).await,
        Ok(()),
        "its bound of five minutes is not over"
    );
    assert_eq!(stage.source.last_question().1, None);
    assert_eq!(stage.lists.figures().failed, 1);
}

#[tokio::test]
async fn lists_are_bounded_in_number() {
    let stage = Stage::with(StatusPolicy {
        max_lists: 2,
        idle_after: Duration::from_secs(60),
        ..policy()
    });
    let check = async |number: u64| {
        let uri = format!("https://issuer.example/statuslists/{number}");
        let list = TestStatusList {
            uri: uri.clone(),
            ..stage.list_of_now()
        };
        stage.source.publish(&list, &stage.key);
        let token = token_of(&stage.key, json!({"status_list": {"idx": 1, "uri": uri}}));
        stage.lists.check(&token).await
    };
    assert_eq!(check(1).await, Ok(()));
    assert_eq!(check(2).await, Ok(()));
    let verdict = check(3).await;
    assert!(matches!(verdict, Err(StatusError::Unavailable(_))), "{verdict:?}");
    assert_eq!(stage.source.fetches(), 2);

    stage.advance(40);
    assert_eq!(check(2).await, Ok(()));
    stage.advance(40);
    assert_eq!(
        check(3).await,
        Ok(()),
        "the place of the first, which nobody uses"
    );
    assert_eq!(stage.lists.figures().lists, 2);
    let verdict = check(1).await;
    assert!(matches!(verdict, Err(StatusError::Unavailable(_))), "{verdict:?}");
}

#[tokio::test]
async fn a_list_that_is_too_large_is_none() {
    let stage = Stage::with(StatusPolicy {
        max_list_bytes: 1024,
        ..policy()
    });
    let bomb = TestStatusList {
        statuses: vec![0; 10 * 1024 * 1024],
        ..TestStatusList::default()
    };
    stage.source.publish(&bomb, &stage.key);
    assert_eq!(stage.check(7).await, Ok(()), "open: as if there was no list");
    stage.source.answer(URI, Err(FetchListError::Status(404)));
    assert_eq!(stage.lists.figures().failed, 1);
}
