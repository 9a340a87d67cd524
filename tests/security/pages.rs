//! What our own answers tell browsers to insist on (88).

use e2e::browser::Answer;
use e2e::on_one_store;
use e2e::raw;
use e2e::stack::Deployment;

#[track_caller]
fn assert_guarded(answer: &Answer) {
    let policy = answer.header("content-security-policy").unwrap_or_default();
    assert!(policy.contains("frame-ancestors 'none'"), "{}", answer.summary());
    assert!(
        policy.contains("default-src 'none'") || policy.contains("default-src 'self'"),
        "{}",
        answer.summary()
    );
    assert!(
        !policy.contains("unsafe-inline") && !policy.contains('*'),
        "{}",
        answer.summary()
    );
    assert_eq!(
        answer.header("x-content-type-options"),
        Some("nosniff"),
        "{}",
        answer.summary()
    );
    assert!(answer.header("referrer-policy").is_some(), "{}", answer.summary());
    assert_eq!(
        answer.header("cross-origin-resource-policy"),
        Some("same-origin"),
        "{}",
        answer.summary()
    );
}

async fn c88_every_answer_of_our_own_is_guarded(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();
    let refusal = browser.visit("/bff/callback?state=x&code=y").await;
    assert!(refusal.is_html(), "{}", refusal.summary());
    assert_guarded(&refusal);
    assert_guarded(&browser.visit("/").await);
    assert_guarded(&browser.visit("/deep/link").await);
    for address in [
        "/app.js",
        "/nowhere.js",
        "/bff/user",
        "/bff/nowhere",
        "/api/lab/x",
        "/api/%2e%2e/x",
        "/bff/login",
    ] {
        assert_guarded(&browser.fetch(address).await);
    }
    let landed = stack
        .browser_logged_in_as("alice")
        .await
        .visit("/bff/logout")
        .await;
    assert!(landed.status < 500, "{}", landed.summary());
}

async fn c88_strict_transport_security_goes_with_https_only(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();
    let page = browser.visit("/").await;
    assert!(
        page.header("strict-transport-security").is_none(),
        "{}",
        page.summary()
    );
    let claimed = raw::request(
        "GET",
        "/",
        browser.app().authority(),
        &["X-Forwarded-Proto: https"],
    );
    let claimed = raw::send(stack.bff_address(), &claimed).await;
    assert!(
        !claimed
            .text
            .to_ascii_lowercase()
            .contains("strict-transport-security"),
        "{}",
        claimed.text
    );
}

async fn c88_an_upstreams_answer_keeps_its_own_policy(deployment: Deployment) {
    let upstream = raw::RawUpstream::that_says(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Security-Policy: sandbox\r\n\r\nok",
    )
    .await;
    let stack = deployment.with_sections(&upstream.route("/other")).start().await;
    let answer = stack.browser().fetch("/other").await;
    assert_eq!(answer.header("content-security-policy"), Some("sandbox"));
    assert!(
        upstream.read().starts_with("GET /other HTTP/1.1\r\n"),
        "{}",
        upstream.read()
    );
}

on_one_store!(
    c88_every_answer_of_our_own_is_guarded,
    c88_strict_transport_security_goes_with_https_only,
    c88_an_upstreams_answer_keeps_its_own_policy,
);
