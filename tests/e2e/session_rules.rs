//! How many sessions a user may have (65), and on which device a session may be used.

use std::time::Duration;

use e2e::browser::{Answer, Browser};
use e2e::on_every_store;
use e2e::on_one_store;
use e2e::stack::{Deployment, Stack};
use futures_util::future::join_all;
use http::Method;
use url::Url;

use crate::{handle_of, is_logged_of, times_logged_of};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0";
const ANDROID: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36";
const ANDROID_AS_DESKTOP: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/157.0.0.0 Safari/537.36";

const ELSEWHERE: &str = "a session turned up on another device";

/// Sessions are ordered by the second of their beginning.
async fn a_moment_later(stack: &Stack) {
    stack.advance(Duration::from_secs(1)).await;
}

async fn is_signed_in(browser: &Browser) -> bool {
    let answer = browser.fetch("/bff/user").await;
    if answer.status != 200 {
        answer.assert_problem(401, "session-required");
    }
    answer.status == 200
}

/// A browser whose login has come as far as the callback.
async fn at_the_callback(stack: &Stack) -> (Browser, Url) {
    let browser = stack.browser();
    let page = browser.visit("/bff/login").await;
    let form = page.sign_in_form().expect("a sign-in form");
    let alice = stack.user("alice");
    let callback = browser
        .submit_until_callback(&page, &form.fill_in(&alice.name, &alice.password), &[])
        .await;
    (browser, callback)
}

async fn log_in_all_at_once(stack: &Stack, count: usize) -> Vec<Browser> {
    let mut waiting = Vec::new();
    for _ in 0..count {
        waiting.push(at_the_callback(stack).await);
    }
    let logins = waiting
        .iter()
        .map(|(browser, callback)| browser.visit(callback.as_str()));
    for landed in join_all(logins).await {
        assert!(matches!(landed.status, 200 | 403), "{}", landed.summary());
    }
    waiting.into_iter().map(|(browser, _)| browser).collect()
}

async fn signed_in_among(browsers: &[Browser]) -> usize {
    let mut count = 0;
    for browser in browsers {
        count += usize::from(is_signed_in(browser).await);
    }
    count
}

async fn the_oldest_session_makes_room(deployment: Deployment) {
    let stack = deployment.with_session_rules("max_per_user = 2").start().await;
    let (mut browsers, mut handles) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        browsers.push(stack.browser_logged_in_as("alice").await);
        handles.push(handle_of(&browsers[browsers.len() - 1]).await);
        a_moment_later(&stack).await;
    }
    let bob = stack.browser_logged_in_as("bob").await;

    assert!(!is_signed_in(&browsers[0]).await);
    assert!(is_signed_in(&browsers[1]).await && is_signed_in(&browsers[2]).await);
    assert!(is_logged_of(&stack, &handles[0], "reason=\"session_cap\""));
    // Signing in again in the same browser takes nobody's place.
    browsers[2].visit("/bff/login").await.assert_status(200);
    assert!(is_signed_in(&browsers[1]).await && is_signed_in(&browsers[2]).await);
    assert!(is_signed_in(&bob).await);
}

async fn a_login_too_many_is_refused(deployment: Deployment) {
    let stack = deployment
        .with_session_rules("max_per_user = 2\nwhen_exceeded = \"refuse\"")
        .start()
        .await;
    let (first, second) = (
        stack.browser_logged_in_as("alice").await,
        stack.browser_logged_in_as("alice").await,
    );
    a_moment_later(&stack).await;

    let (third, callback) = at_the_callback(&stack).await;
    let refused = third.visit(callback.as_str()).await;

    refused.assert_status(403);
    assert!(
        refused.words().contains("You are signed in too many times"),
        "{}",
        refused.summary()
    );
    assert_eq!(third.session_cookie(), None);
    assert!(is_signed_in(&first).await && is_signed_in(&second).await);
    let refresh_token = stack.newest_refresh_token();
    let (status, _) = stack.present_refresh_token(&refresh_token).await;
    assert_eq!(status, 400, "the refused login's token was revoked");
    // In a browser that has a session already there is always room.
    second.visit("/bff/login").await.assert_status(200);
    assert!(is_signed_in(&first).await && is_signed_in(&second).await);
    // And elsewhere as soon as somebody leaves.
    first
        .fetch("/bff/logout")
        .method(Method::POST)
        .await
        .assert_status(200);
    third.visit("/bff/login").await.assert_status(200);
    assert!(is_signed_in(&second).await && is_signed_in(&third).await);
}

/// Even with a cap of one, and in the very second in which it began, a session is replaced and not pushed out.
async fn the_session_that_a_browser_replaces_does_not_count(deployment: Deployment) {
    let stack = deployment.with_session_rules("max_per_user = 1").start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    for _ in 0..5 {
        let replaced = handle_of(&browser).await;
        browser.visit("/bff/login").await.assert_status(200);
        assert!(is_signed_in(&browser).await);
        assert!(is_logged_of(&stack, &replaced, "reason=\"replaced\""));
    }
}

async fn logins_at_one_moment_leave_as_many_as_the_cap(deployment: Deployment) {
    let stack = deployment.with_session_rules("max_per_user = 2").start().await;
    let earlier = stack.browser_logged_in_as("alice").await;
    a_moment_later(&stack).await;
    let browsers = log_in_all_at_once(&stack, 6).await;
    assert_eq!(signed_in_among(&browsers).await, 2);
    assert!(!is_signed_in(&earlier).await);
}

async fn refusals_at_one_moment_leave_as_many_as_the_cap(deployment: Deployment) {
    let stack = deployment
        .with_session_rules("max_per_user = 2\nwhen_exceeded = \"refuse\"")
        .start()
        .await;
    let earlier = stack.browser_logged_in_as("alice").await;
    a_moment_later(&stack).await;
    let browsers = log_in_all_at_once(&stack, 6).await;
    assert_eq!(signed_in_among(&browsers).await, 1);
    assert!(is_signed_in(&earlier).await);
}

async fn with_agent(browser: &Browser, path: &str, agent: &str) -> Answer {
    browser.fetch(path).header("user-agent", agent).await
}

async fn a_session_on_another_device_is_reported_once(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let handle = handle_of(&browser).await;
    let reports = || times_logged_of(&stack, &handle, ELSEWHERE);

    for path in ["/api/notes", "/bff/user", "/bff/sessions"] {
        browser.fetch(path).await.assert_status(200);
    }
    let before = reports();
    for agent in [FIREFOX, FIREFOX, "curl/8.14.1"] {
        with_agent(&browser, "/api/notes", agent).await.assert_status(200);
    }

    assert_eq!(before, 0);
    assert_eq!(reports(), 1);
}

async fn a_session_on_another_device_ends(deployment: Deployment) {
    let stack = deployment
        .with_session_rules("device_binding = \"end\"")
        .start()
        .await;
    let browser = stack.browser_logged_in_as("alice").await;
    let other = stack.browser_logged_in_as("alice").await;
    let handle = handle_of(&browser).await;

    let stolen = with_agent(&browser, "/api/notes", FIREFOX).await;

    stolen.assert_problem(401, "session-required");
    assert!(
        !is_signed_in(&browser).await,
        "it ended for everybody who has the cookie"
    );
    assert!(is_signed_in(&other).await);
    assert!(is_logged_of(&stack, &handle, "reason=\"device_changed\""));
    // Signing in on the other device is no fault.
    let browser = browser.that_calls_itself(FIREFOX);
    browser.visit("/bff/login").await.assert_status(200);
    assert!(is_signed_in(&browser).await);
}

/// Updates, "Desktop site", and requests without client hints.
async fn a_browser_that_changes_itself_stays_signed_in(deployment: Deployment) {
    let stack = deployment
        .with_session_rules("device_binding = \"end\"")
        .start()
        .await;
    let phone = stack.browser().that_calls_itself(ANDROID);
    let alice = stack.user("alice");
    phone.log_in(&alice.name, &alice.password).await;

    for agent in [ANDROID, ANDROID_AS_DESKTOP] {
        with_agent(&phone, "/api/notes", agent).await.assert_status(200);
        let hinted = phone.fetch("/api/notes").header("user-agent", agent);
        let hinted = hinted
            .header("sec-ch-ua", "\"Chromium\";v=\"156\", \"Brave\";v=\"156\"")
            .header("sec-ch-ua-platform", "\"Android\"")
            .header("save-data", "on");
        hinted.await.assert_status(200);
    }
    assert!(is_signed_in(&phone).await);
}

async fn nobody_looks_at_the_device_when_told_not_to(deployment: Deployment) {
    let stack = deployment
        .with_session_rules("device_binding = \"off\"")
        .start()
        .await;
    let browser = stack.browser_logged_in_as("alice").await;
    with_agent(&browser, "/api/notes", FIREFOX)
        .await
        .assert_status(200);
    let handle = handle_of(&browser).await;
    assert!(!is_logged_of(&stack, &handle, ELSEWHERE));
}

on_every_store!(
    the_oldest_session_makes_room,
    a_login_too_many_is_refused,
    logins_at_one_moment_leave_as_many_as_the_cap,
    refusals_at_one_moment_leave_as_many_as_the_cap,
    a_session_on_another_device_ends,
);
on_one_store!(
    the_session_that_a_browser_replaces_does_not_count,
    a_session_on_another_device_is_reported_once,
    a_browser_that_changes_itself_stays_signed_in,
    nobody_looks_at_the_device_when_told_not_to,
);
