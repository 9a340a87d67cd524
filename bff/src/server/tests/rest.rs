//! Connections that rest, and what they do afterwards.

use super::still::{LARGE, Still, asking, in_standing_time, pass};
use super::*;
use crate::server::limits::LAST_WORDS;

/// What `/facts` says of [`asking`].
const FACTS: &str = "/facts cookie=session=1,host=a 0 None 127.0.0.1";

#[test]
fn a_connection_that_rests_serves_again_and_again() {
    for has_tls in [false, true] {
        in_standing_time(async {
            let still = Still::set(has_tls);
            let mut client = still.client().await;
            for _ in 0..4 {
                let answer = client.ask("/facts").await;
                assert!(answer.ends_with(FACTS), "{answer}");
                still.latest().comes_to_rest().await;
            }
            assert_eq!(still.seen(), ["GET /facts"; 4]);
        });
    }
}

#[test]
fn a_head_may_come_in_pieces_over_the_end_of_a_rest() {
    let head = asking("/facts");
    for has_tls in [false, true] {
        // Before, at and behind what is read to find out whether there is anything.
        for first in [1, 3, 23, 24, 25, head.len() - 1] {
            in_standing_time(async {
                let still = Still::set(has_tls);
                let mut client = still.client().await;
                client.ask("/facts").await;
                let connection = still.latest();
                connection.comes_to_rest().await;

                client.say(&head[..first]).await;
                connection.wakes_up().await;
                connection.does_not_rest().await;
                client.say(&head[first..]).await;

                let answer = client.hear().await;
                assert!(answer.ends_with(FACTS), "{first} {answer}");
            });
        }
    }
}

#[test]
fn the_time_of_a_head_begins_with_its_first_byte_after_a_rest() {
    in_standing_time(async {
        let still = Still::set(false);
        let mut client = still.client().await;
        client.ask("/facts").await;
        let connection = still.latest();
        connection.comes_to_rest().await;
        pass(Duration::from_secs(30)).await;
        assert!(connection.rests());

        client.say("GET").await;
        connection.wakes_up().await;
        pass(Duration::from_secs(6)).await;
        client.say(" /facts HTTP/1.1\r\n").await;
        pass(Duration::from_secs(3)).await;
        client.say("Host: a\r\n").await;
        pass(Duration::from_secs(1)).await;

        assert!(client.is_left().await);
        assert_eq!(still.seen(), ["GET /facts"]);
    });
}

#[test]
fn a_rest_ends_when_the_connection_has_been_kept_for_long_enough() {
    in_standing_time(async {
        let still = Still::set(false);
        let (mut one, mut other) = (still.client().await, still.client().await);
        one.ask("/facts").await;
        still.latest().comes_to_rest().await;
        other.ask("/facts").await;

        pass(LIMITS.keep_alive - Duration::from_secs(4)).await;
        let answer = one.ask("/facts").await;
        assert!(answer.ends_with(FACTS), "{answer}");
        // The time begins anew with each request, and for each connection alone.
        pass(Duration::from_secs(5)).await;
        assert!(other.is_left().await);
        assert!(still.latest().rests());
        pass(LIMITS.keep_alive - Duration::from_secs(5)).await;
        assert!(one.is_left().await);
    });
}

#[test]
fn a_stop_hears_those_out_who_rest_and_are_about_to_ask() {
    for has_tls in [false, true] {
        in_standing_time(async {
            let still = Still::set(has_tls);
            let (mut silent, mut late) = (still.client().await, still.client().await);
            let mut piecemeal = still.client().await;
            for client in [&mut silent, &mut late, &mut piecemeal] {
                client.ask("/facts").await;
                still.latest().comes_to_rest().await;
            }

            still.draining.cancel();
            pass(Duration::ZERO).await;
            pass(LAST_WORDS / 2).await;
            let answer = late.ask("/facts").await;
            assert!(
                answer.contains("connection: close") && answer.ends_with(FACTS),
                "{answer}"
            );
            assert!(late.is_left().await);
            let head = asking("/facts");
            piecemeal.say(&head[..5]).await;
            pass(LAST_WORDS / 4).await;
            piecemeal.say(&head[5..]).await;
            let answer = piecemeal.hear().await;
            assert!(answer.ends_with(FACTS), "{answer}");
            pass(LAST_WORDS / 2).await;
            assert!(silent.is_left().await);
        });
    }
}

#[test]
fn what_lasts_does_not_rest() {
    in_standing_time(async {
        let still = Still::set(false);
        let mut reader = still.client().await;
        reader.say(&asking("/endless")).await;
        assert!(reader.hear_head().await.starts_with("HTTP/1.1 200"));
        still.latest().does_not_rest().await;

        let mut waiting = still.client().await;
        waiting.say(&asking("/held")).await;
        still.somebody_is_held().await;
        still.latest().does_not_rest().await;
        still.doors.open.add_permits(1);
        assert!(waiting.hear().await.ends_with("done"));
    });
}

/// Nothing of a tunnel is a request, even if it looks like one.
#[test]
fn a_tunnel_does_not_rest() {
    in_standing_time(async {
        let still = Still::set(false);
        let mut client = still.client().await;
        let head = "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        client.say(head).await;
        let answer = client.hear_head().await;
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        let connection = still.latest();
        for _ in 0..2 {
            connection.does_not_rest().await;
            let message = asking("/smuggled");
            client.say(&message).await;
            assert_eq!(client.hear_head().await, message, "it is said back");
        }
        assert_eq!(still.seen(), ["GET /upgrade"]);
    });
}

#[test]
fn an_answer_that_is_not_taken_does_not_rest() {
    for has_tls in [false, true] {
        in_standing_time(async {
            let still = Still::set(has_tls);
            let mut client = still.client().await;
            client.say(&asking("/large")).await;
            let head = client.hear_head().await;
            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
            let connection = still.latest();
            connection.does_not_rest().await;

            let mut body = vec![0; LARGE];
            client.hear_all(&mut body).await;
            assert!(body.iter().all(|byte| *byte == b'x'));
            let answer = client.ask("/facts").await;
            assert!(answer.ends_with(FACTS), "{answer}");
            drop(still.latest());
            connection.comes_to_rest().await;
        });
    }
}
