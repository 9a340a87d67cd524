//! Too many requests, too many logins at once (92, and the limits of the guard).

use std::time::Duration;

use e2e::on_one_store;
use e2e::raw;
use e2e::stack::{Deployment, Stack};

use crate::call;

/// Begins a login for this client address, as a trusted proxy tells it.
async fn begin_login(stack: &Stack, address: &str) -> raw::RawAnswer {
    let host = stack.browser().app().authority().to_owned();
    let lines = [&format!("X-Forwarded-For: {address}"), "Sec-Fetch-Mode: navigate"];
    raw::send(
        stack.bff_address(),
        &raw::request("GET", "/bff/login", &host, &lines),
    )
    .await
}

#[track_caller]
fn assert_limited(answer: &raw::RawAnswer, seconds: u32) {
    assert_eq!(answer.status, Some(429), "{}", answer.text);
    let head = answer.text.to_ascii_lowercase();
    assert!(head.contains(&format!("retry-after: {seconds}\r\n")), "{head}");
    assert!(
        head.contains("application/problem+json") && head.contains("too-many-requests"),
        "{head}"
    );
    assert!(!head.contains("set-cookie"), "{head}");
}

const TRUSTING: &str = "trusted_proxies = [\"127.0.0.1\"]";

async fn c92_logins_are_limited_for_each_client_address(deployment: Deployment) {
    let limited = deployment
        .with_server_rules(TRUSTING)
        .with_limits("login_per_address = \"3/30s\"");
    let stack = limited.start().await;
    for _ in 0..3 {
        assert_eq!(begin_login(&stack, "192.0.2.7").await.status, Some(302));
    }
    assert_limited(&begin_login(&stack, "192.0.2.7").await, 10);
    // What the client itself put in front changes nothing; a neighbour is somebody else.
    assert_limited(&begin_login(&stack, "6.6.6.6, 192.0.2.7").await, 10);
    assert_eq!(begin_login(&stack, "192.0.2.8").await.status, Some(302));
    // The callback counts, too, and before anybody looks at it.
    let host = stack.browser().app().authority().to_owned();
    let lines = ["X-Forwarded-For: 192.0.2.7"];
    let callback = raw::request("GET", "/bff/callback?state=x&code=y", &host, &lines);
    assert_limited(&raw::send(stack.bff_address(), &callback).await, 10);

    stack.advance(Duration::from_secs(10)).await;
    assert_eq!(begin_login(&stack, "192.0.2.7").await.status, Some(302));
    assert_limited(&begin_login(&stack, "192.0.2.7").await, 10);
    let metrics = stack.metrics().await;
    assert!(
        metrics.contains("bff_rate_limited_total{limit=\"login_per_address\"}"),
        "{metrics}"
    );
}

async fn c92_calls_are_limited_for_each_session(deployment: Deployment) {
    let limits = "login_per_address = \"off\"\napi_per_session = \"4/1m\"";
    let stack = deployment.with_limits(limits).start().await;
    let (alice, bob) = (
        stack.browser_logged_in_as("alice").await,
        stack.browser_logged_in_as("bob").await,
    );
    for _ in 0..4 {
        alice.fetch("/api/lab/x").await.assert_status(200);
    }
    let before = stack.upstream().received().len();

    let refused = alice.fetch("/api/lab/x").await;

    refused.assert_problem(429, "too-many-requests");
    assert_eq!(refused.header("retry-after"), Some("15"));
    assert_eq!(stack.upstream().received().len(), before);
    bob.fetch("/api/lab/x").await.assert_status(200);
    // Our own endpoints are no routes; the session is as it was.
    alice.fetch("/bff/user").await.assert_status(200);
    stack.advance(Duration::from_secs(15)).await;
    alice.fetch("/api/lab/x").await.assert_status(200);
}

async fn c92_calls_are_limited_for_each_client_address(deployment: Deployment) {
    let limits = "login_per_address = \"off\"\napi_per_address = \"2/1m\"";
    let stack = deployment
        .with_server_rules(TRUSTING)
        .with_limits(limits)
        .start()
        .await;
    let browser = stack.browser_logged_in_as("alice").await;
    let from = async |address: &str| call(&stack, &browser, "/api/lab/x", &[address]).await;
    for _ in 0..2 {
        assert_eq!(from("X-Forwarded-For: 2001:db8::1").await.status, Some(200));
    }
    // The same network, and no session is looked up for it.
    assert_limited(&from("X-Forwarded-For: 2001:db8::2").await, 30);
    assert_eq!(from("X-Forwarded-For: 2001:db8:0:1::2").await.status, Some(200));
    let host = browser.app().authority();
    let anonymous = raw::request("GET", "/open/lab/x", host, &["X-Forwarded-For: 2001:db8::3"]);
    assert_limited(&raw::send(stack.bff_address(), &anonymous).await, 30);
    assert_eq!(stack.upstream().received().len(), 3);
}

/// Anybody can begin logins and come back with codes that are none: the provider is asked about a few at a time.
async fn c92_a_flood_of_callbacks_opens_few_calls_to_the_provider(deployment: Deployment) {
    let limits = "login_per_address = \"off\"\nconcurrent_logins = 2";
    let stack = deployment.with_limits(limits).start().await;
    let token_endpoint = stack.endpoints().token;
    let gate = stack.provider().hold(token_endpoint);
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let (browser, callback) = forged_callback(&stack).await;
        let request = browser.fetch(callback.as_str());
        waiting.push(request.spawn());
    }
    gate.reached_by(2).await;

    let (browser, callback) = forged_callback(&stack).await;
    for _ in 0..3 {
        let refused = browser.fetch(callback.as_str()).await;
        refused.assert_unavailable("busy");
    }
    assert_eq!(gate.arrivals(), 2);
    gate.open();
    for answer in waiting {
        answer.await.unwrap().assert_problem(400, "login-failed");
    }
    // The attempt was not spent, only its turn had not come.
    browser
        .fetch(callback.as_str())
        .await
        .assert_problem(400, "login-failed");
    assert_eq!(stack.provider().grants("authorization_code"), 3);
}

/// A browser that has begun a login, and the address by which it comes back with a code that nobody gave it.
async fn forged_callback(stack: &Stack) -> (e2e::browser::Browser, url::Url) {
    let browser = stack.browser();
    let page = browser.visit("/bff/login").await;
    let authorize = page
        .hops
        .iter()
        .find(|hop| hop.query().is_some_and(|query| query.contains("code_challenge")));
    let authorize = authorize.expect("the login went to the provider");
    let state = authorize
        .query_pairs()
        .find(|(name, _)| name == "state")
        .expect("a state")
        .1
        .into_owned();
    let mut callback = browser.app().join("/bff/callback").expect("an address");
    callback.query_pairs_mut().extend_pairs([
        ("state", state.as_str()),
        ("code", "forged"),
        ("iss", stack.provider().url()),
    ]);
    (browser, callback)
}

on_one_store!(
    c92_logins_are_limited_for_each_client_address,
    c92_calls_are_limited_for_each_session,
    c92_calls_are_limited_for_each_client_address,
    c92_a_flood_of_callbacks_opens_few_calls_to_the_provider,
);
