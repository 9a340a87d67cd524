//! Requests that another site's page makes with our cookie (25 to 28, 31 to 33).

use e2e::browser::Fetch;
use e2e::on_one_store;
use e2e::stack::{Deployment, Stack};
use http::Method;
use serde_json::json;

const EVIL: &str = "https://evil.example/";

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
        let bare = call.without("x-csrf").without("sec-fetch-site");
        refused(&stack, bare, "csrf-required").await;
    }
    let own = browser.fetch("/api/notes").post_json(&json!({ "text": "x" }));
    own.await.assert_status(201);
}

async fn c26_every_method_needs_the_header_and_its_value(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    for method in [Method::GET, Method::OPTIONS, Method::POST] {
        let bare = browser
            .fetch("/api/notes")
            .method(method)
            .without("sec-fetch-site");
        refused(&stack, bare.without("x-csrf"), "csrf-required").await;
    }
    for wrong in ["0", "", "2", "true", "01", "1, 1"] {
        let call = browser.fetch("/api/notes").without("sec-fetch-site");
        refused(&stack, call.header("x-csrf", wrong), "csrf-required").await;
    }
    let endpoint = browser.fetch("/bff/user").without("x-csrf");
    refused(&stack, endpoint, "csrf-required").await;
}

async fn c27_the_browsers_word_about_the_site_is_believed(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    for site in ["cross-site", "same-site", "unheard-of", "same-origin, none"] {
        let call = browser.fetch("/api/notes").header("sec-fetch-site", site);
        refused(&stack, call, "cross-site").await;
    }
    let own = browser.fetch("/api/notes").without("x-csrf");
    own.await.assert_status(200);
    let old_browser = browser.fetch("/api/notes").without("sec-fetch-site");
    old_browser.await.assert_status(200);
}

async fn c28_a_foreign_or_null_origin_changes_nothing(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let near_miss = format!("{}.evil.example", browser.app().origin().ascii_serialization());
    for origin in ["null", "https://evil.example", "http://localhost", &near_miss] {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let call = browser
                .fetch("/api/notes")
                .method(method)
                .header("origin", origin);
            refused(&stack, call, "cross-site").await;
        }
    }
}

async fn c31_no_foreign_page_signs_anybody_out(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    // An image, a script, a form without and with a guessed sid; and a link.
    for address in ["/bff/logout", "/bff/logout?sid=guessed"] {
        let image = browser
            .fetch(address)
            .by_page(EVIL)
            .without("x-csrf")
            .header("sec-fetch-mode", "no-cors")
            .header("sec-fetch-dest", "image");
        assert_ne!(image.await.status, 200);
        browser.follow_from(EVIL, address).await;
        browser.follow_from("http://localhost:1/", address).await;
    }
    let form = browser
        .fetch("/bff/logout")
        .method(Method::POST)
        .by_page("http://localhost:1/");
    refused(&stack, form, "cross-site").await;

    browser.fetch("/bff/user").await.assert_status(200);
}

async fn c32_the_callback_of_an_attackers_login_signs_nobody_in(deployment: Deployment) {
    let stack = deployment.start().await;
    let (attacker, victim) = (stack.browser(), stack.browser());
    let page = attacker.visit("/bff/login").await;
    let form = page.sign_in_form().expect("a sign-in form");
    let alice = stack.user("alice");
    let form = form.fill_in(&alice.name, &alice.password);
    let callback = attacker.submit_until_callback(&page, &form, &[]).await;

    let answer = victim.follow_from(EVIL, callback.as_str()).await;

    answer.assert_status(400);
    assert_eq!(victim.session_cookie(), None);
    assert_eq!(stack.provider().grants("authorization_code"), 0);
}

async fn c33_a_download_link_works_from_our_pages_only(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    browser
        .follow("/page/lab/source?bytes=7")
        .await
        .assert_status(200);
    assert_eq!(stack.upstream().last().header("authorization").len(), 1);
    // Typed, or from a bookmark.
    browser.visit("/page/lab/source?bytes=7").await.assert_status(200);
    let before = stack.upstream().received().len();

    for page in [EVIL, "http://localhost:1/"] {
        let foreign = browser.follow_from(page, "/page/lab/source?bytes=7").await;
        foreign.assert_problem(403, "cross-site");
    }
    assert_eq!(stack.upstream().received().len(), before);
}

on_one_store!(
    c25_a_state_changing_call_without_the_header_is_refused,
    c26_every_method_needs_the_header_and_its_value,
    c27_the_browsers_word_about_the_site_is_believed,
    c28_a_foreign_or_null_origin_changes_nothing,
    c31_no_foreign_page_signs_anybody_out,
    c32_the_callback_of_an_attackers_login_signs_nobody_in,
    c33_a_download_link_works_from_our_pages_only,
);
