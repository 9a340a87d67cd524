//! How long a session lives, and what the app is told about it.

use std::time::Duration;

use e2e::browser::Browser;
use e2e::on_every_store;
use e2e::on_every_store_and_provider;
use e2e::relay::Instead;
use e2e::stack::Deployment;
use serde_json::Value;

use crate::{claims, handle_of, times_logged_of};

const MINUTE: Duration = Duration::from_secs(60);

async fn seconds_left(browser: &Browser, path: &str) -> u64 {
    let left = claims(&browser.fetch(path).await).remove("bff:session_expires_in");
    left.as_ref()
        .and_then(Value::as_u64)
        .expect("how long the session lives")
}

async fn the_app_learns_who_is_signed_in(deployment: Deployment) {
    let stack = deployment.start().await;
    let stranger = stack.browser();
    let refused = stranger.fetch("/bff/user").await;
    refused.assert_problem(401, "session-required");
    assert!(refused.header("set-cookie").is_none());
    let browser = stack.browser_logged_in_as("alice").await;

    let answer = browser.fetch("/bff/user").await;

    assert!(
        answer
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/json"))
    );
    assert!(
        answer
            .header("cache-control")
            .is_some_and(|value| value.contains("no-store"))
    );
    let list = answer.json();
    for claim in list.as_array().expect("a list") {
        let members: Vec<_> = claim.as_object().expect("a claim").keys().collect();
        assert_eq!(members, ["type", "value"], "{claim}");
    }
    let claims = claims(&answer);
    assert!(claims["sub"].as_str().is_some_and(|sub| !sub.is_empty()));
    assert_eq!(claims["email"], stack.user("alice").email);
    assert_eq!(claims["bff:session_expires_in"], 3600);
    assert_eq!(claims["bff:access_token_expires_in"], 300);
    let logout = claims["bff:logout_url"].as_str().expect("a logout address");
    assert!(logout.starts_with("/bff/logout?sid="), "{logout}");
    // What is about the token and not about the user stays here.
    for inner in ["nonce", "at_hash", "c_hash", "aud", "azp", "exp", "iat", "jti"] {
        assert!(!claims.contains_key(inner), "{inner}: {list}");
    }
}

/// (60)
async fn an_idle_session_ends_on_time(deployment: Deployment) {
    let stack = deployment.with_timeouts("10m", "8h").start().await;
    let browser = stack.browser_logged_in_as("alice").await;

    // Use keeps it alive: every nine minutes, for an hour.
    for _ in 0..7 {
        stack.advance(9 * MINUTE).await;
        browser.fetch("/api/notes").await.assert_status(200);
    }
    stack.advance(10 * MINUTE).await;

    browser
        .fetch("/bff/user")
        .await
        .assert_problem(401, "session-required");
    browser
        .fetch("/api/notes")
        .await
        .assert_problem(401, "session-required");
}

/// (60)
async fn looking_does_not_keep_a_session_alive(deployment: Deployment) {
    let stack = deployment.with_timeouts("10m", "8h").start().await;
    let browser = stack.browser_logged_in_as("alice").await;

    stack.advance(5 * MINUTE).await;
    assert_eq!(seconds_left(&browser, "/bff/user?slide=false").await, 300);
    assert_eq!(seconds_left(&browser, "/bff/user").await, 600);
    stack.advance(5 * MINUTE).await;
    assert_eq!(seconds_left(&browser, "/bff/user?slide=false").await, 300);
    stack.advance(4 * MINUTE + Duration::from_secs(59)).await;
    assert_eq!(seconds_left(&browser, "/bff/user?slide=false").await, 1);
    stack.advance(Duration::from_secs(1)).await;

    browser
        .fetch("/bff/user?slide=false")
        .await
        .assert_problem(401, "session-required");
}

/// (61)
async fn no_session_outlives_its_absolute_end(deployment: Deployment) {
    let stack = deployment.with_timeouts("10m", "30m").start().await;
    let browser = stack.browser_logged_in_as("alice").await;

    for _ in 0..3 {
        stack.advance(9 * MINUTE).await;
        browser.fetch("/api/notes").await.assert_status(200);
    }
    assert_eq!(seconds_left(&browser, "/bff/user").await, 180);
    let handle = handle_of(&browser).await;
    stack.advance(3 * MINUTE - Duration::from_secs(1)).await;
    browser.fetch("/api/notes").await.assert_status(200);
    stack.advance(Duration::from_secs(1)).await;

    browser
        .fetch("/bff/user")
        .await
        .assert_problem(401, "session-required");
    assert_eq!(times_logged_of(&stack, &handle, "reason=\"absolute_timeout\""), 1);
    let upstream_before = stack.upstream().received().len();
    browser
        .fetch("/api/notes")
        .await
        .assert_problem(401, "session-required");
    assert_eq!(stack.upstream().received().len(), upstream_before);
}

/// (58)
async fn no_session_outlives_its_refresh_token(deployment: Deployment) {
    const RENEWED: &str =
        r#"{"access_token":"another","token_type":"Bearer","expires_in":300,"refresh_expires_in":600}"#;
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    stack.let_access_tokens_expire().await;
    stack
        .provider()
        .instead(stack.endpoints().token, Instead::Status(200, RENEWED));
    browser.fetch("/maybe/lab/x").await.assert_status(200);
    assert_eq!(seconds_left(&browser, "/bff/user").await, 600);

    stack.advance(5 * MINUTE - Duration::from_secs(1)).await;
    assert_eq!(seconds_left(&browser, "/bff/user").await, 301);
    stack.advance(5 * MINUTE + Duration::from_secs(1)).await;

    browser
        .fetch("/bff/user")
        .await
        .assert_problem(401, "session-required");
}

on_every_store_and_provider!(
    the_app_learns_who_is_signed_in,
    an_idle_session_ends_on_time,
    no_session_outlives_its_absolute_end,
);
on_every_store!(
    looking_does_not_keep_a_session_alive,
    no_session_outlives_its_refresh_token,
);
