//! Requests that two servers could read as two different things (40), over raw sockets.

use std::time::Duration;

use e2e::on_one_store;
use e2e::raw::{self, Talk};
use e2e::stack::{Deployment, Stack};

use crate::cookie_line;

/// A request within a request: if anybody takes the rest of a body for the next request, this is what the upstream gets.
const SMUGGLED: &str = "GET /api/lab/smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

/// Longer than a connection waits for a request before it rests.
const REST: Duration = Duration::from_millis(2_200);

/// Sends a head that begins like any call and goes on with `rest`; returns the answers and what the upstream got.
async fn sent(stack: &Stack, cookie: &str, rest: &str) -> (raw::RawAnswer, Vec<String>) {
    let before = stack.upstream().received().len();
    let host = stack.browser().app().authority().to_owned();
    let head = format!("POST /api/lab/sink HTTP/1.1\r\nHost: {host}\r\n{cookie}\r\nX-CSRF: 1\r\n{rest}");
    let answer = raw::send(stack.bff_address(), head.as_bytes()).await;
    let received = stack.upstream().received().split_off(before);
    (
        answer,
        received.into_iter().map(|received| received.target).collect(),
    )
}

/// The status of each answer on the connection.
fn statuses(text: &str) -> Vec<&str> {
    text.split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| &answer[..3])
        .collect()
}

const HEADS_WITH_TWO_READINGS: &[(&str, &str)] = &[
    (
        "CL.TE",
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "TE.CL",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    ),
    ("two lengths", "Content-Length: 0\r\nContent-Length: 51\r\n\r\n"),
    (
        "the same length twice",
        "Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    ),
    ("a list of lengths", "Content-Length: 0, 51\r\n\r\n"),
    ("a signed length", "Content-Length: +0\r\n\r\n"),
    ("a negative length", "Content-Length: -1\r\n\r\n"),
    ("a hexadecimal length", "Content-Length: 0x0\r\n\r\n"),
    ("an empty length", "Content-Length: \r\n\r\n"),
    (
        "a length too large",
        "Content-Length: 18446744073709551616\r\n\r\n",
    ),
    (
        "an unknown coding",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunked is not last",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    ),
    ("two codings", "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    (
        "identity",
        "Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n",
    ),
    (
        "chunked twice",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "a vertical tab",
        "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    ),
    ("a folded header", "X-A: 1\r\n Content-Length: 51\r\n\r\n"),
    (
        "a folded coding",
        "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "space before the colon",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    ),
    ("a tab before the colon", "Content-Length\t: 51\r\n\r\n"),
    (
        "space before the name",
        " Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    ("no colon", "Transfer-Encoding\r\n\r\n"),
    ("a null", "X-A: a\0b\r\n\r\n"),
    ("a return within a line", "X-A: a\rContent-Length: 51\r\n\r\n"),
    ("two hosts", "Host: evil.example\r\n\r\n"),
];

/// Refused before anything is forwarded: 400, and the connection is closed, so that what follows is nobody's request.
async fn c40_a_head_with_two_readings_is_refused(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let cookie = cookie_line(&browser);
    for (what, rest) in HEADS_WITH_TWO_READINGS {
        let (answer, received) = sent(&stack, &cookie, &format!("{rest}{SMUGGLED}")).await;

        assert_eq!(statuses(&answer.text), ["400"], "{what}: {}", answer.text);
        assert!(received.is_empty(), "{what}: the upstream got {received:?}");
    }
}

/// The head is good and the chunks are not: the request ends there, whatever part of it has been forwarded.
async fn c40_chunks_with_two_readings_end_the_connection(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let cookie = cookie_line(&browser);
    for (what, chunks) in [
        ("a size that is none", "x\r\nabc\r\n0\r\n\r\n"),
        ("a negative size", "-1\r\nabc\r\n0\r\n\r\n"),
        ("a size with 0x", "0x3\r\nabc\r\n0\r\n\r\n"),
        ("a size too large", "10000000000000003\r\nabc\r\n0\r\n\r\n"),
        ("an empty size", "\r\nabc\r\n0\r\n\r\n"),
        ("a bare line feed after the size", "3\nabc\r\n0\r\n\r\n"),
        ("a bare line feed after the data", "3\r\nabc\n0\r\n\r\n"),
        ("a bare line feed in an extension", "3;a=b\nabc\r\n0\r\n\r\n"),
        ("a return in an extension", "3;a\rb\r\nabc\r\n0\r\n\r\n"),
        ("more data than the size says", "3\r\nabcdef\r\n0\r\n\r\n"),
        ("space before the size", " 3\r\nabc\r\n0\r\n\r\n"),
        ("digits after space", "3 3\r\nabc\r\n0\r\n\r\n"),
    ] {
        let rest = format!("Transfer-Encoding: chunked\r\n\r\n{chunks}{SMUGGLED}");
        let (answer, received) = sent(&stack, &cookie, &rest).await;

        let statuses = statuses(&answer.text);
        assert!(
            statuses.len() <= 1 && !statuses.contains(&"200"),
            "{what}: {}",
            answer.text
        );
        let smuggled = received.iter().any(|target| target.contains("smuggled"));
        assert!(!smuggled, "{what}: the upstream got {received:?}");
    }
}

/// What is legal has one reading here, and the upstream gets that: our own framing, nothing of the client's.
async fn c40_odd_but_legal_requests_have_one_reading(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let cookie = cookie_line(&browser);
    for (what, rest) in [
        (
            "chunk extensions",
            "Transfer-Encoding: chunked\r\n\r\n3;a=\"b;c\"\r\nabc\r\n0;x\r\n\r\n",
        ),
        (
            "trailers",
            "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nContent-Length: 9\r\nHost: evil\r\n\r\n",
        ),
        (
            "zeros before the size",
            "Transfer-Encoding: chunked\r\n\r\n0003\r\nabc\r\n0\r\n\r\n",
        ),
        (
            "a coding in capitals",
            "Transfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ),
        ("a plain length", "Content-Length: 3\r\n\r\nabc"),
        // RFC 9112 §2.2 lets a server take a bare line feed for the end of a line; what goes on has none.
        ("bare line feeds", "X-A: 1\nContent-Length: 3\n\nabc"),
    ] {
        let last = "GET /api/lab/last HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-CSRF: 1\r\n";
        let (answer, received) = sent(&stack, &cookie, &format!("{rest}{last}{cookie}\r\n\r\n")).await;

        assert_eq!(statuses(&answer.text), ["200", "200"], "{what}: {}", answer.text);
        assert!(answer.text.contains("\"bytes\":3"), "{what}: {}", answer.text);
        assert_eq!(received, ["/lab/sink", "/lab/last"], "{what}");
        let sink = stack.upstream().received();
        let sink = &sink[sink.len() - 2];
        let framing = (sink.header("content-length"), sink.header("transfer-encoding"));
        let alone = matches!((framing.0.len(), framing.1.len()), (1, 0) | (0, 1));
        assert!(alone, "{what}: {framing:?}");
        assert!(sink.header("host").iter().all(|host| host != "evil"), "{what}");
    }
}

/// A `GET` with a body, an upgrade that nobody takes, HTTP/1.0 with chunks: no body is left over for the next request.
async fn c40_a_body_that_nobody_expects_is_no_request(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let cookie = cookie_line(&browser);
    let host = browser.app().authority();
    let length = SMUGGLED.len();
    for head in [
        format!(
            "GET /api/lab/x HTTP/1.1\r\nHost: {host}\r\n{cookie}\r\nX-CSRF: 1\r\nContent-Length: {length}\r\n\r\n"
        ),
        format!("GET /api/lab/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n"),
        format!(
            "GET /bff/user HTTP/1.1\r\nHost: {host}\r\n{cookie}\r\nX-CSRF: 1\r\nContent-Length: {length}\r\n\r\n"
        ),
        format!("POST /api/lab/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n"),
        format!(
            "POST /api/lab/x HTTP/1.0\r\nHost: {host}\r\n{cookie}\r\nX-CSRF: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        format!("PUT /nowhere HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n"),
    ] {
        let before = stack.upstream().received().len();
        let bytes =
            format!("{head}{SMUGGLED}GET /close HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = raw::send(stack.bff_address(), bytes.as_bytes()).await;

        let received = stack.upstream().received().split_off(before);
        let smuggled = received
            .iter()
            .any(|received| received.target.contains("smuggled"));
        assert!(!smuggled, "{head}: {}", answer.text);
        assert!(statuses(&answer.text).len() <= 2, "{head}: {}", answer.text);
    }
}

/// One connection that waits for longer than a rest takes before it goes on.
async fn after_a_rest(stack: &Stack, begin: &str, late: &str) -> (String, String) {
    let mut client = Talk::to(stack.bff_address()).await;
    client.say(begin).await;
    let mut answer = client.hear().await;
    if answer.starts_with("HTTP/1.1 100") {
        answer = client.hear().await;
    }
    if answer.contains("connection: close") {
        // It is closed and not left open until more comes.
        assert_eq!(client.is_left().await, "", "{begin}");
        return (answer, String::new());
    }
    client.is_silent_for(REST).await;
    client.say(late).await;
    (answer, client.is_left().await)
}

/// A connection that nobody uses for a while gives its protocol back; a body that comes then is no request.
async fn c40_a_body_that_comes_after_a_rest_is_no_request(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let cookie = cookie_line(&browser);
    let host = browser.app().authority();
    let lines = format!("HTTP/1.1\r\nHost: {host}\r\n{cookie}\r\nX-CSRF: 1\r\n");
    let foreign = format!("HTTP/1.1\r\nHost: {host}\r\n{cookie}\r\n");
    let sized = format!("Content-Length: {}\r\n\r\n", SMUGGLED.len());
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    let last = format!("GET /api/lab/last {lines}Connection: close\r\n\r\n");
    let before = stack.upstream().received().len();

    let rows = [
        (format!("POST /api/lab/x {foreign}{sized}"), SMUGGLED.to_owned()),
        (format!("POST /api/lab/x {foreign}{chunked}"), chunk),
        (format!("PUT /nowhere {lines}{sized}"), SMUGGLED.to_owned()),
        (format!("POST /read/lab/x {lines}{sized}"), SMUGGLED.to_owned()),
        (
            format!("POST /api/lab/x {foreign}Expect: 100-continue\r\n{sized}"),
            SMUGGLED.to_owned(),
        ),
        (
            format!("GET /api/lab/x {foreign}Sec-Fetch-Site: cross-site\r\n{sized}"),
            SMUGGLED.to_owned(),
        ),
    ];
    let attacks = rows.iter().map(|(begin, late)| after_a_rest(&stack, begin, late));
    let begin = format!("GET /api/lab/first {lines}\r\n");
    let (attacked, (answer, told)) = tokio::join!(
        futures_util::future::join_all(attacks),
        after_a_rest(&stack, &begin, &last)
    );

    assert!(
        answer.starts_with("HTTP/1.1 200") && told.starts_with("HTTP/1.1 200"),
        "{answer} {told}"
    );
    for ((begin, _), (answer, told)) in rows.iter().zip(attacked) {
        let status = answer.rsplit("HTTP/1.1 ").next().unwrap();
        assert!(status.starts_with('4'), "{begin}: {answer}");
        assert_eq!(told, "", "{begin}");
    }
    let received = stack.upstream().received().split_off(before);
    let targets: Vec<_> = received.iter().map(|received| &received.target).collect();
    assert_eq!(targets, ["/lab/first", "/lab/last"]);
    assert_eq!(
        received[0].header("authorization"),
        received[1].header("authorization"),
        "it is the same session"
    );
}

on_one_store!(
    c40_a_body_that_comes_after_a_rest_is_no_request,
    c40_a_head_with_two_readings_is_refused,
    c40_chunks_with_two_readings_end_the_connection,
    c40_odd_but_legal_requests_have_one_reading,
    c40_a_body_that_nobody_expects_is_no_request,
);
