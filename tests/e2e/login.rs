//! Signing in.

use e2e::on_every_store_and_provider;
use e2e::on_one_store;
use e2e::stack::Deployment;
use serde_json::json;

use crate::claims;

async fn a_user_signs_in_and_calls_an_api(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;

    let user = claims(&browser.fetch("/bff/user").await);
    assert!(!user["sub"].as_str().unwrap().is_empty());
    let created = browser
        .fetch("/api/notes")
        .post_json(&json!({ "text": "Buy milk" }))
        .await;
    created.assert_status(201);
    let notes = browser.fetch("/api/notes").await;
    notes.assert_status(200);
    assert!(notes.text().contains("Buy milk"), "{}", notes.summary());

    let cookies = browser.cookies();
    assert_eq!(cookies.len(), 1, "only the ticket stays: {cookies:?}");
    assert_eq!(browser.document_cookie(), "", "scripts see no cookie");
}

async fn two_users_see_their_own(deployment: Deployment) {
    let stack = deployment.start().await;
    let alice = stack.browser_logged_in_as("alice").await;
    let bob = stack.browser_logged_in_as("bob").await;

    alice
        .fetch("/api/notes")
        .post_json(&json!({ "text": "of alice" }))
        .await
        .assert_status(201);

    assert!(!bob.fetch("/api/notes").await.text().contains("of alice"));
    let (alice, bob) = (
        claims(&alice.fetch("/bff/user").await),
        claims(&bob.fetch("/bff/user").await),
    );
    assert_ne!(alice["sub"], bob["sub"]);
}

async fn a_wrong_password_stays_at_the_provider(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();
    let page = browser.visit("/bff/login").await;
    let form = page.sign_in_form().expect("a sign-in form");

    let again = browser
        .submit(&page, &form.fill_in("alice", "not the password"), &[])
        .await;

    assert!(
        again.url.as_str().starts_with(stack.provider().url()),
        "{}",
        again.summary()
    );
    assert_eq!(browser.session_cookie(), None);
    assert_eq!(stack.provider().grants("authorization_code"), 0);
    browser
        .fetch("/bff/user")
        .await
        .assert_problem(401, "session-required");
    // The page has not lost the way back.
    let form = again.sign_in_form().expect("the form is offered again");
    let landed = browser
        .submit(&again, &form.fill_in("alice", &stack.user("alice").password), &[])
        .await;
    assert_eq!(landed.url, *browser.app());
    browser.fetch("/bff/user").await.assert_status(200);
}

/// (1, 2)
async fn every_login_asks_afresh_and_as_a_confidential_client(deployment: Deployment) {
    let stack = deployment.start().await;
    stack.browser_logged_in_as("alice").await;
    stack.browser_logged_in_as("alice").await;

    let authorizations: Vec<_> = stack
        .provider()
        .exchanges_at(stack.endpoints().authorize)
        .into_iter()
        .filter(|exchange| exchange.query("response_type").is_some())
        .collect();
    assert_eq!(authorizations.len(), 2);
    for authorization in &authorizations {
        assert_eq!(authorization.query("response_type"), Some("code"));
        assert_eq!(authorization.query("code_challenge_method"), Some("S256"));
        assert_eq!(authorization.query("code_challenge").map(str::len), Some(43));
    }
    for parameter in ["state", "nonce", "code_challenge"] {
        let value = |number: usize| authorizations[number].query(parameter).expect(parameter);
        assert_ne!(value(0), value(1), "{parameter} is used twice");
        assert!(value(0).len() >= 22, "{parameter} is shorter than 128 bits");
    }
    let token_requests = stack.provider().exchanges_at(stack.endpoints().token);
    assert_eq!(token_requests.len(), 2);
    for request in &token_requests {
        assert!(
            request.client_credentials().is_some(),
            "the client did not prove who it is"
        );
        assert!(
            request
                .form("code_verifier")
                .is_some_and(|verifier| verifier.len() >= 43)
        );
    }
}

/// (7)
async fn ten_tabs_sign_in_in_reverse_order(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();
    let alice = stack.user("alice");
    let mut tabs = Vec::new();
    for tab in 0..10 {
        tabs.push((
            tab,
            browser
                .visit(&format!("/bff/login?returnUrl=%2F%3Ftab%3D{tab}"))
                .await,
        ));
        let header: usize = browser
            .cookies()
            .iter()
            .map(|cookie| cookie.name.len() + cookie.value.len() + 3)
            .sum();
        assert!(
            header < 8 * 1024,
            "ten logins fill the Cookie header: {header} bytes"
        );
    }

    for (tab, page) in tabs.into_iter().rev() {
        let form = page.sign_in_form().expect("a sign-in form");
        let landed = browser
            .submit(&page, &form.fill_in(&alice.name, &alice.password), &[])
            .await;
        assert_eq!(
            landed.url.query(),
            Some(format!("tab={tab}").as_str()),
            "{}",
            landed.summary()
        );
        browser.fetch("/bff/user").await.assert_status(200);
    }

    assert_eq!(
        browser.cookies().len(),
        1,
        "logins leave nothing behind: {:?}",
        browser.cookies()
    );
}

/// (7, 46)
async fn a_thousand_logins_by_script_leave_no_trace(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();

    for _ in 0..1_000 {
        let refused = browser.fetch("/bff/login").await;
        refused.assert_problem(400, "navigation-required");
        assert!(refused.header("set-cookie").is_none(), "{}", refused.summary());
    }

    assert!(browser.cookies().is_empty());
    assert!(
        stack
            .provider()
            .exchanges_at(stack.endpoints().authorize)
            .is_empty()
    );
}

async fn the_user_comes_back_to_where_the_login_began(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();
    let alice = stack.user("alice");

    // A route that sends people to sign in, reached without a session.
    let page = browser.visit("/page/lab/anything?q=1%262").await;
    let form = page.sign_in_form().expect("a sign-in form");
    let landed = browser
        .submit(&page, &form.fill_in(&alice.name, &alice.password), &[])
        .await;

    assert_eq!(
        landed.url,
        browser.app().join("/page/lab/anything?q=1%262").unwrap()
    );
    landed.assert_status(200);
    assert_eq!(stack.upstream().last().target, "/lab/anything?q=1%262");
    // A script on that route is told, not sent (46).
    let stranger = stack.browser();
    let refused = stranger.fetch("/page/lab/anything").await;
    refused.assert_problem(401, "session-required");
    assert!(refused.header("set-cookie").is_none());
}

on_every_store_and_provider!(
    a_user_signs_in_and_calls_an_api,
    a_wrong_password_stays_at_the_provider,
    two_users_see_their_own,
    every_login_asks_afresh_and_as_a_confidential_client,
    ten_tabs_sign_in_in_reverse_order,
    the_user_comes_back_to_where_the_login_began,
);
on_one_store!(a_thousand_logins_by_script_leave_no_trace);
