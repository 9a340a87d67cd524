//! Requests that another site's page makes with our cookie.

use e2e::browser::Fetch;
use e2e::on_every_store;
use e2e::on_one_store;
use e2e::stack::{Deployment, Stack};
use http::Method;
use serde_json::json;

/// Sends a request that must be refused before the upstream hears of it.
async fn refused(stack: &Stack, request: Fetch, code: &str) {
    let before = stack.upstream().received().len();
    let answer = request.await;

    answer.assert_problem(403, code);
    assert_eq!(
        stack.upstream().received().len(),
        before,
        "the upstream heard of it"
    );
    for name in answer.headers.keys() {
        assert!(
            !name.as_str().starts_with("access-control-"),
            "{}",
            answer.summary()
        );
    }
}

/// (25, 26)
async fn a_call_without_proof_of_origin_goes_no_further(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let bare = |method: Method| {
        browser
            .fetch("/api/notes")
            .method(method)
            .without("x-csrf")
            .without("sec-fetch-site")
    };

    for method in [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ] {
        refused(&stack, bare(method), "csrf-required").await;
    }
    let before = stack.upstream().received().len();
    bare(Method::HEAD).await.assert_status(403);
    assert_eq!(stack.upstream().received().len(), before);
    for wrong in ["0", "", "true", "1, 1", "11"] {
        let request = bare(Method::POST).header("x-csrf", wrong);
        refused(&stack, request, "csrf-required").await;
    }
    refused(
        &stack,
        browser
            .fetch("/bff/user")
            .without("x-csrf")
            .without("sec-fetch-site"),
        "csrf-required",
    )
    .await;
    let logout = browser
        .fetch("/bff/logout")
        .method(Method::POST)
        .without("x-csrf")
        .without("sec-fetch-site");
    refused(&stack, logout, "csrf-required").await;
    browser.fetch("/bff/user").await.assert_status(200);
}

/// (27, 33)
async fn the_browsers_own_word_is_proof_enough_for_a_route(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;

    // A download link or an image has no place for a header.
    browser
        .fetch("/api/notes")
        .without("x-csrf")
        .await
        .assert_status(200);
    browser.follow("/api/notes").await.assert_status(200);
    // The BFF's own endpoints ask for the header in any case.
    refused(
        &stack,
        browser.fetch("/bff/user").without("x-csrf"),
        "csrf-required",
    )
    .await;
}

/// (27)
async fn calls_from_other_sites_are_refused_whatever_they_carry(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;

    for site in ["cross-site", "same-site", "unheard-of"] {
        let post = browser.fetch("/api/notes").post_json(&json!({ "text": "x" }));
        for request in [browser.fetch("/api/notes"), post, browser.fetch("/bff/user")] {
            refused(&stack, request.header("sec-fetch-site", site), "cross-site").await;
        }
    }
    // A page on another port of this host is the same site, so that even a Strict cookie comes along.
    let neighbour = browser
        .fetch("/api/notes")
        .by_page("http://localhost:1/")
        .without("x-csrf");
    refused(&stack, neighbour, "cross-site").await;
    // A navigation from another site to an API route brings no cookie and no proof.
    let before = stack.upstream().received().len();
    let navigation = browser.follow_from("https://evil.example/", "/api/notes").await;
    assert!(
        (400..500).contains(&navigation.status),
        "{}",
        navigation.summary()
    );
    assert_eq!(stack.upstream().received().len(), before);
}

/// (28)
async fn a_foreign_origin_is_refused_on_unsafe_methods(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let port = browser.app().port().expect("a port");

    for origin in [
        "null",
        "https://evil.example",
        "http://localhost",
        "http://localhost:1",
        &format!("https://localhost:{port}"),
        &format!("http://localhost:{port}.evil.example"),
        &format!("http://localhost:{port}/"),
    ] {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let request = browser
                .fetch("/api/notes")
                .method(method)
                .header("origin", origin);
            refused(&stack, request, "cross-site").await;
        }
        let logout = browser
            .fetch("/bff/logout")
            .method(Method::POST)
            .header("origin", origin);
        refused(&stack, logout.without("sec-fetch-site"), "cross-site").await;
    }
    let own = browser
        .fetch("/api/notes")
        .post_json(&json!({ "text": "x" }))
        .without("sec-fetch-site");
    own.await.assert_status(201);
}

/// (29)
async fn a_preflight_gets_no_permission(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;

    for path in ["/api/notes", "/bff/user", "/bff/logout", "/open/lab/x"] {
        let preflight = browser
            .fetch(path)
            .method(Method::OPTIONS)
            .by_page("https://evil.example/")
            .without("x-csrf")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "x-csrf")
            .await;
        for name in preflight.headers.keys() {
            assert!(
                !name.as_str().starts_with("access-control-"),
                "{path}: {}",
                preflight.summary()
            );
        }
    }
}

on_every_store!(a_call_without_proof_of_origin_goes_no_further);
on_one_store!(
    the_browsers_own_word_is_proof_enough_for_a_route,
    calls_from_other_sites_are_refused_whatever_they_carry,
    a_foreign_origin_is_refused_on_unsafe_methods,
    a_preflight_gets_no_permission,
);
