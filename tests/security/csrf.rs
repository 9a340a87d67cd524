//! Requests that another site's page makes with our cookie (25 to 33).

use e2e::browser::Fetch;
use e2e::on_one_store;
use e2e::stack::{Deployment, Stack};
use http::Method;
use serde_json::json;

/// Sends a request that must be refused before the upstream hears of it.
async fn refused(stack: &Stack, request: Fetch, code: &str) {
    let before = stack.upstream().received().len();

    request.await.assert_problem(403, code);

    let after = stack.upstream().received().len();
    assert_eq!(after, before, "the upstream heard of it");
}

async fn c25_a_state_changing_call_without_the_header_is_refused(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let call = browser.fetch("/api/notes").method(method).body("{}");
        refused(
            &stack,
            call.without("x-csrf").without("sec-fetch-site"),
            "csrf-required",
        )
        .await;
    }
    let own = browser.fetch("/api/notes").post_json(&json!({ "text": "x" }));
    own.await.assert_status(201);
}

on_one_store!(c25_a_state_changing_call_without_the_header_is_refused);
