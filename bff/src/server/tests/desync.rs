//! A connection that has come to rest must not take the rest of one request for the next one.

use super::still::{Still, asking, in_standing_time, pass};
use super::*;
use crate::server::limits::REST;

/// Where nobody goes but who is smuggled in.
const SMUGGLED: &str = "/smuggled";
const HEAD: &str = " HTTP/1.1\r\nHost: a\r\n";

/// Sends `begin`, which is answered with this status at once; lets time pass; sends `late`, which goes on with it.
async fn answered_early(begin: &str, status: &str, late: &str, has_tls: bool) {
    let still = Still::set(has_tls);
    let mut client = still.client().await;
    client.ask("/facts").await;
    drop(still.latest());
    client.say(begin).await;
    let answer = client.hear().await;
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status}")),
        "{begin}: {answer}"
    );
    let is_closed = answer.contains("connection: close");
    let connection = still.latest();
    // One that is closed has nobody who knows it but us.
    connection.does_not_rest().await;

    client.shout(late).await;
    client.shout(&asking("/facts?last")).await;
    let answer = client.hear().await;

    let seen = still.seen();
    if is_closed {
        assert_eq!(answer, "", "{begin}");
        assert_eq!(seen.len(), 2, "{begin}: {seen:?}");
    } else {
        assert!(answer.contains("/facts?last"), "{begin}: {answer}");
        assert_eq!(seen.len(), 3, "{begin}: {seen:?}");
    }
    assert!(
        !seen.iter().any(|target| target.contains(SMUGGLED)),
        "{begin}: {seen:?}"
    );
}

/// What is sent, the status of the early answer, and what comes late. `{body}` is a request, and `{length}` and `{size}` are how
/// long it is, in decimal and hexadecimal digits.
const ANSWERED_EARLY: &[(&str, &str, &str, &str)] = &[
    (
        "POST /refuse/404",
        "Content-Length: {length}\r\n\r\n",
        "404",
        "{body}",
    ),
    (
        "PUT /refuse/403",
        "Content-Length: {length}\r\n\r\n",
        "403",
        "{body}",
    ),
    (
        "POST /refuse/413",
        "Content-Length: {length}\r\n\r\n",
        "413",
        "{body}",
    ),
    (
        "POST /refuse/204",
        "Content-Length: {length}\r\n\r\n",
        "204",
        "{body}",
    ),
    (
        "GET /refuse/200",
        "Content-Length: {length}\r\n\r\n",
        "200",
        "{body}",
    ),
    (
        "POST /refuse/403",
        "Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n",
        "403",
        "{body}",
    ),
    // What came first ends as a head does.
    (
        "POST /refuse/403",
        "Content-Length: 1{length}\r\n\r\n{body}",
        "403",
        "{body}",
    ),
    (
        "POST /refuse/403",
        "Transfer-Encoding: chunked\r\n\r\n",
        "403",
        "{size}\r\n{body}\r\n0\r\n\r\n",
    ),
    (
        "POST /refuse/403",
        "Transfer-Encoding: chunked\r\n\r\n{size}\r\n{body}",
        "403",
        "\r\n{size}\r\n{body}\r\n0\r\n\r\n",
    ),
    // All but the last line.
    (
        "POST /refuse/403",
        "Transfer-Encoding: chunked\r\n\r\n{size}\r\n{body}\r\n0\r\n",
        "403",
        "\r\n",
    ),
    // Upgrades and tunnels that nobody agrees to.
    (
        "GET /refuse/403",
        "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "403",
        "{body}",
    ),
    (
        "GET /refuse/403",
        "Connection: keep-alive\r\nUpgrade: websocket\r\n\r\n",
        "403",
        "{body}",
    ),
    ("CONNECT a:1", "\r\n", "404", "{body}"),
];

#[test]
fn a_body_that_comes_after_its_answer_is_no_request() {
    let body = asking(SMUGGLED);
    let (length, size) = (body.len().to_string(), format!("{:x}", body.len()));
    let write = |text: &str| {
        text.replace("{length}", &length)
            .replace("{size}", &size)
            .replace("{body}", &body)
    };
    for has_tls in [false, true] {
        for (target, rest, status, late) in ANSWERED_EARLY {
            let begin = format!("{target}{HEAD}{}", write(rest));
            in_standing_time(answered_early(&begin, status, &write(late), has_tls));
        }
    }
}

/// Its body came whole, so that the next request is one, and what looks like one within the body is none.
#[test]
fn a_body_that_ends_as_a_head_does_is_no_request() {
    in_standing_time(async {
        let still = Still::set(false);
        let mut client = still.client().await;
        let body = asking(SMUGGLED);
        let length = body.len();
        client
            .say(&format!(
                "POST /facts{HEAD}Content-Length: {length}\r\n\r\n{body}"
            ))
            .await;
        let answer = client.hear().await;
        assert!(answer.contains(&format!(" {length} None")), "{answer}");
        let connection = still.latest();
        connection.does_not_rest().await;
        client
            .say(&format!("POST /facts{HEAD}Content-Length: 0\r\n\r\n"))
            .await;
        assert!(client.hear().await.contains(" 0 None"));

        assert!(client.ask("/facts?last").await.contains("/facts?last"));
        assert_eq!(still.seen(), ["POST /facts", "POST /facts", "GET /facts?last"]);
        drop(still.latest());
        connection.comes_to_rest().await;
    });
}

#[test]
fn a_pipelined_head_may_come_in_pieces_over_the_time_of_a_rest() {
    let (first, second) = (asking("/facts?1"), asking("/facts?2"));
    for piece in [1, 20, second.len() - 4, second.len() - 2, second.len() - 1] {
        in_standing_time(async {
            let still = Still::set(false);
            let mut client = still.client().await;
            client.say(&format!("{first}{}", &second[..piece])).await;
            assert!(client.hear().await.contains("/facts?1"));
            let connection = still.latest();
            connection.does_not_rest().await;
            client.say(&second[piece..]).await;

            assert!(client.hear().await.contains("/facts?2"));
            assert!(client.ask("/facts?3").await.contains("/facts?3"));
            drop(still.latest());
            assert_eq!(still.seen(), ["GET /facts?1", "GET /facts?2", "GET /facts?3"]);
        });
    }
}

/// actix lays further requests aside, unread, while sixteen wait, and looks at them when it is woken up again.
#[test]
fn of_many_pipelined_requests_none_is_lost_by_a_rest() {
    in_standing_time(async {
        let still = Still::set(false);
        let mut client = still.client().await;
        let many = |numbers: std::ops::Range<usize>| -> String {
            numbers
                .map(|number| asking(&format!("/facts?{number}")))
                .collect()
        };
        client.say(&format!("{}{}", asking("/held"), many(1..17))).await;
        still.somebody_is_held().await;
        client.say(&many(17..20)).await;
        pass(Duration::ZERO).await;
        still.doors.open.add_permits(1);
        assert!(client.hear().await.ends_with("done"));
        for number in 1..17 {
            let answer = client.hear().await;
            assert!(answer.contains(&format!("/facts?{number} ")), "{number} {answer}");
        }
        // It would rest now if it were enough that nobody is being answered.
        pass(REST).await;
        assert!(!still.latest().rests());
        pass(REST).await;

        client.say(&many(20..21)).await;
        for number in 17..21 {
            let answer = client.hear().await;
            assert!(answer.contains(&format!("/facts?{number} ")), "{number} {answer}");
        }
        // Who was busy at the latest look is looked at again when a head would have been due.
        pass(LIMITS.head_timeout).await;
        assert!(still.latest().rests());
    });
}
