//! Calling an API through the BFF.

use bytes::Bytes;
use e2e::browser::Browser;
use e2e::on_every_store;
use e2e::on_every_store_and_provider;
use e2e::on_one_store;
use e2e::raw;
use e2e::secrets::Kind;
use e2e::stack::{Deployment, SESSION_COOKIE, Stack};
use e2e::upstream::{Digest, pieces};
use e2e::wait::within_patience;
use futures_util::stream;
use http::Method;

/// (37, 41, 47)
async fn the_upstream_gets_one_bearer_token_and_nothing_of_the_browsers(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;

    let answer = browser
        .fetch("/api/notes?q=a%20b")
        .header("authorization", "Bearer of-the-client")
        .header("x-forwarded-for", "6.6.6.6")
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-proto", "gopher")
        .header("x-forwarded-uri", "/open")
        .header("x-real-ip", "6.6.6.6")
        .header("forwarded", "for=6.6.6.6;host=evil.example")
        .header("x-auth-request-user", "root")
        .header("x_auth_request_user", "root")
        .header("x-remote-user", "root")
        .header("x-custom", "kept")
        .await;

    answer.assert_status(200);
    let received = stack.upstream().last();
    assert_eq!(received.target, "/notes?q=a%20b");
    let authorization = received.header("authorization");
    let tokens = stack.secrets().of_kind(Kind::AccessToken);
    assert_eq!(authorization.len(), 1, "{authorization:?}");
    let token = authorization[0].strip_prefix("Bearer ").expect("a bearer token");
    assert!(
        tokens.iter().any(|known| known == token),
        "it is not the provider's token"
    );
    assert_eq!(received.header("x-custom"), ["kept"]);
    assert!(received.header("cookie").is_empty(), "{:?}", received.headers);
    assert!(received.header("x-csrf").is_empty(), "{:?}", received.headers);
    let ticket = browser.session_cookie().expect("signed in");
    for (name, value) in &received.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        for lie in [
            "6.6.6.6",
            "evil.example",
            "gopher",
            "root",
            "of-the-client",
            &ticket,
        ] {
            assert!(!value.contains(lie), "the upstream was told {name}: {value}");
        }
    }
    // What it is told instead is true.
    let told = [received.header("x-forwarded-for"), received.header("forwarded")].concat();
    assert!(
        told.iter().any(|value| value.contains("127.0.0.1")),
        "the upstream learns the client's address: {:?}",
        received.headers
    );
}

/// (39)
async fn connection_cannot_strip_what_the_bff_adds(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let cookie = format!(
        "Cookie: {SESSION_COOKIE}={}",
        browser.session_cookie().expect("signed in")
    );
    let host = browser.app().authority().to_owned();

    let bytes = raw::request(
        "GET",
        "/api/notes",
        &host,
        &[
            &cookie,
            "X-CSRF: 1",
            "Connection: authorization, x-forwarded-for, x-hop",
            "X-Hop: for this hop only",
            "TE: trailers",
            "Proxy-Authorization: Basic eDp5",
        ],
    );
    let answer = raw::send(stack.bff_address(), &bytes).await;

    assert_eq!(answer.status, Some(200), "{}", answer.text);
    let received = stack.upstream().last();
    assert_eq!(
        received.header("authorization").len(),
        1,
        "{:?}",
        received.headers
    );
    assert!(!(received.header("x-forwarded-for").is_empty() && received.header("forwarded").is_empty()));
    for hop in ["x-hop", "te", "proxy-authorization", "keep-alive", "upgrade"] {
        assert!(
            received.header(hop).is_empty(),
            "{hop} crossed: {:?}",
            received.headers
        );
    }
}

/// (39, 43)
async fn an_upstream_cannot_set_our_cookie(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let ticket = browser.session_cookie();

    let answer = browser.fetch("/api/lab/hostile-headers").await;

    answer.assert_status(200);
    assert!(answer.header("set-cookie").is_none(), "{}", answer.summary());
    assert!(answer.header("x-hop").is_none() && answer.header("keep-alive").is_none());
    assert_eq!(browser.session_cookie(), ticket);
    browser.fetch("/bff/user").await.assert_status(200);
}

const MEGABYTE: usize = 1024 * 1024;

fn digest_of(bytes: usize) -> String {
    let mut digest = Digest::default();
    pieces(bytes).for_each(|piece| digest.update(&piece));
    digest.to_string()
}

async fn upload(browser: &Browser, body: impl Into<reqwest::Body>, bytes: usize) {
    let answer = browser
        .fetch("/api/lab/sink")
        .method(Method::POST)
        .body(body)
        .await;

    answer.assert_status(200);
    let report = answer.json();
    assert_eq!(report["bytes"], bytes);
    assert_eq!(report["digest"], digest_of(bytes));
}

async fn bodies_reach_the_upstream_unharmed(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let bytes = 16 * MEGABYTE;

    // Of unknown length, in chunks.
    let chunks = stream::iter(pieces(bytes).map(Ok::<_, std::io::Error>));
    upload(&browser, reqwest::Body::wrap_stream(chunks), bytes).await;
    // Of known length.
    let whole: Vec<u8> = pieces(MEGABYTE).flatten().collect();
    upload(&browser, whole, MEGABYTE).await;
    assert_eq!(
        stack.upstream().last().header("content-length"),
        [MEGABYTE.to_string()]
    );
    upload(&browser, Bytes::new(), 0).await;
}

async fn bodies_reach_the_browser_unharmed(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let bytes = 16 * MEGABYTE + 17;

    let mut download = browser
        .fetch(&format!("/api/lab/source?bytes={bytes}"))
        .open()
        .await;
    let mut digest = Digest::default();
    while let Some(piece) = download.next().await.expect("the body arrives whole") {
        digest.update(&piece);
    }

    assert_eq!(digest.bytes(), bytes as u64);
    assert_eq!(digest.to_string(), digest_of(bytes));
}

async fn bodies_flow_both_ways_at_once(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
    let body = stream::unfold(receiver, |mut receiver| async move {
        Some((Ok::<_, std::io::Error>(receiver.recv().await?), receiver))
    });

    let request = browser
        .fetch("/api/lab/echo")
        .method(Method::POST)
        .body(reqwest::Body::wrap_stream(body));
    sender.send(Bytes::from_static(b"ping")).await.unwrap();
    let mut answer = within_patience("the answer begins while the request goes on", request.open()).await;
    let first = within_patience("the first piece comes back", answer.next())
        .await
        .unwrap();
    assert_eq!(first.as_deref(), Some(&b"ping"[..]));
    sender.send(Bytes::from_static(b"pong")).await.unwrap();
    let second = within_patience("the second piece comes back", answer.next())
        .await
        .unwrap();
    assert_eq!(second.as_deref(), Some(&b"pong"[..]));
    drop(sender);

    assert_eq!(
        within_patience("the body ends", answer.next()).await.unwrap(),
        None
    );
}

/// (44)
async fn a_piece_of_a_stream_arrives_while_the_next_is_still_awaited(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let gate = stack.upstream().hold("/lab/drip");

    let mut answer = within_patience("the answer begins", browser.fetch("/api/lab/drip").open()).await;
    let first = within_patience("the first half arrives", answer.next())
        .await
        .unwrap();
    assert_eq!(first.as_deref(), Some(&b"first\n"[..]));
    gate.open();
    let second = within_patience("the second half arrives", answer.next())
        .await
        .unwrap();

    assert_eq!(second.as_deref(), Some(&b"second\n"[..]));
}

/// (45)
async fn what_an_upstream_refuses_is_passed_on(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;

    browser.fetch("/api/lab/teapot").await.assert_status(418);
    browser.fetch("/api/notes/no-such-note").await.assert_status(404);
    browser.fetch("/bff/user").await.assert_status(200);
}

async fn an_upstream_that_fails_is_a_bad_gateway(deployment: Deployment) {
    let stack = deployment.with_upstream_timeout("1s").start().await;
    let browser = stack.browser_logged_in_as("alice").await;

    browser
        .fetch("/api/lab/cut")
        .await
        .assert_problem(502, "upstream-unavailable");
    stack.upstream().lead_to(None);
    browser
        .fetch("/api/notes")
        .await
        .assert_problem(502, "upstream-unavailable");
    let gate = stack.upstream().hold("/notes");
    browser
        .fetch("/api/notes")
        .await
        .assert_problem(504, "upstream-timeout");
    gate.open();

    browser.fetch("/bff/user").await.assert_status(200);
}

/// (36)
async fn a_method_that_the_route_does_not_take_goes_no_further(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    browser.fetch("/read/lab/x").await.assert_status(200);
    let before = stack.upstream().received().len();

    let refused = browser.fetch("/read/lab/x").method(Method::DELETE).await;

    refused.assert_problem(405, "method-not-allowed");
    assert_eq!(refused.header("allow"), Some("GET, HEAD"));
    assert_eq!(stack.upstream().received().len(), before);
}

async fn routes_say_who_may_use_them(deployment: Deployment) {
    let stack = deployment.start().await;
    let stranger = stack.browser();
    let authorization = |stack: &Stack| stack.upstream().last().header("authorization");

    stranger
        .fetch("/api/lab/x")
        .await
        .assert_problem(401, "session-required");
    assert!(
        stack.upstream().received().is_empty(),
        "an upstream heard of a stranger"
    );
    stranger.fetch("/open/lab/x").await.assert_status(200);
    assert!(authorization(&stack).is_empty());
    stranger
        .fetch("/maybe/lab/x")
        .header("authorization", "Bearer mine")
        .await
        .assert_status(200);
    assert!(authorization(&stack).is_empty());

    let alice = stack.browser_logged_in_as("alice").await;
    alice.fetch("/maybe/lab/x").await.assert_status(200);
    assert_eq!(authorization(&stack).len(), 1);
    alice.fetch("/open/lab/x").await.assert_status(200);
    assert!(
        authorization(&stack).is_empty(),
        "an anonymous route was given a token"
    );
    assert!(stack.upstream().last().header("cookie").is_empty());
}

async fn the_app_itself_is_served(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();

    let page = browser.visit("/").await;
    page.assert_status(200);
    assert!(page.text().contains("The app"));
    assert!(
        page.header("content-security-policy").is_some(),
        "{}",
        page.summary()
    );
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    // A deep link is the app's own business; a file that is missing is missing.
    assert!(browser.visit("/orders/17").await.text().contains("The app"));
    let script = browser.fetch("/app.js").await;
    script.assert_status(200);
    assert!(
        script
            .header("content-type")
            .is_some_and(|kind| kind.contains("javascript")),
        "{}",
        script.summary()
    );
    browser.fetch("/missing.js").await.assert_status(404);
    assert!(browser.cookies().is_empty(), "nobody gets a cookie for looking");
}

on_every_store_and_provider!(the_upstream_gets_one_bearer_token_and_nothing_of_the_browsers);
on_every_store!(routes_say_who_may_use_them, bodies_reach_the_upstream_unharmed);
on_one_store!(
    connection_cannot_strip_what_the_bff_adds,
    an_upstream_cannot_set_our_cookie,
    bodies_reach_the_browser_unharmed,
    bodies_flow_both_ways_at_once,
    a_piece_of_a_stream_arrives_while_the_next_is_still_awaited,
    what_an_upstream_refuses_is_passed_on,
    an_upstream_that_fails_is_a_bad_gateway,
    a_method_that_the_route_does_not_take_goes_no_further,
    the_app_itself_is_served,
);
