//! Access tokens that an API refuses before they expire.

use std::time::Duration;

use e2e::browser::Browser;
use e2e::on_every_store_and_provider;
use e2e::on_one_store;
use e2e::stack::{Deployment, Stack};
use http::Method;

/// A browser whose access token is no longer new.
async fn browser_with_a_used_token(stack: &Stack) -> Browser {
    let browser = stack.browser_logged_in_as("alice").await;
    stack.advance(Duration::from_secs(15)).await;
    browser.fetch("/api/lab/anything").await.assert_status(200);
    browser
}

fn bearer(stack: &Stack) -> String {
    stack.upstream().last().header("authorization").remove(0)
}

async fn a_refused_token_is_renewed_and_the_call_sent_again(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = browser_with_a_used_token(&stack).await;
    stack.upstream().refuse(&bearer(&stack));

    browser.fetch("/api/lab/anything").await.assert_status(200);
    browser.fetch("/api/lab/anything").await.assert_status(200);

    assert_eq!(stack.provider().grants("refresh_token"), 1);
    assert_eq!(stack.upstream().received().len(), 4, "one call was sent twice");
}

async fn a_small_body_is_sent_again(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = browser_with_a_used_token(&stack).await;
    stack.upstream().refuse(&bearer(&stack));
    let body = "x".repeat(64 * 1024);

    let answer = browser
        .fetch("/api/lab/echo")
        .method(Method::POST)
        .body(body.clone())
        .await;

    answer.assert_status(200);
    assert_eq!(answer.text(), body);
}

/// What was not kept cannot be sent again: the API's answer is the answer.
async fn a_large_body_is_not_sent_again(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = browser_with_a_used_token(&stack).await;
    stack.upstream().refuse(&bearer(&stack));

    let answer = browser
        .fetch("/api/lab/echo")
        .method(Method::POST)
        .body("x".repeat(64 * 1024 + 1))
        .await;

    answer.assert_status(401);
    assert!(
        answer
            .header("www-authenticate")
            .is_some_and(|value| value.contains("invalid_token")),
        "{}",
        answer.summary()
    );
    assert_eq!(stack.provider().grants("refresh_token"), 0);
}

async fn an_api_that_refuses_everything_causes_no_storm(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = browser_with_a_used_token(&stack).await;
    stack.upstream().refuse_all();

    for _ in 0..5 {
        browser.fetch("/api/lab/anything").await.assert_status(401);
    }

    assert_eq!(stack.provider().grants("refresh_token"), 1);
    assert_eq!(
        stack.upstream().received().len(),
        1 + 6,
        "one of five was sent twice"
    );
    browser.fetch("/bff/user").await.assert_status(200);
}

async fn a_token_that_is_new_is_not_renewed_because_it_is_refused(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    stack.upstream().refuse_all();

    browser.fetch("/api/lab/anything").await.assert_status(401);

    assert_eq!(stack.provider().grants("refresh_token"), 0);
}

async fn a_refusal_while_the_provider_is_down_stays_a_refusal(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = browser_with_a_used_token(&stack).await;
    stack.upstream().refuse(&bearer(&stack));
    stack.stop_provider().await;

    browser.fetch("/api/lab/anything").await.assert_status(401);

    browser.fetch("/bff/user").await.assert_status(200);
}

on_every_store_and_provider!(a_refused_token_is_renewed_and_the_call_sent_again);
on_one_store!(
    a_small_body_is_sent_again,
    a_large_body_is_not_sent_again,
    an_api_that_refuses_everything_causes_no_storm,
    a_token_that_is_new_is_not_renewed_because_it_is_refused,
    a_refusal_while_the_provider_is_down_stays_a_refusal,
);
