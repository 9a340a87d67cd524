//! What users see of their sessions, and how they end them (63, 64).

use std::time::Duration;

use e2e::browser::{Answer, Browser};
use e2e::on_every_store;
use e2e::on_redis;
use e2e::stack::{Deployment, SESSION_COOKIE, Stack};
use e2e::wait::eventually;
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::{handle_of, is_logged_of};

const SESSIONS: &str = "/bff/sessions";
const PHONE: &str = "Mozilla/5.0 (Android 15; Mobile; rv:150.0) Gecko/150.0 Firefox/150.0";
const MINUTE: Duration = Duration::from_secs(60);

async fn delete(browser: &Browser, path: &str) -> Answer {
    browser.fetch(path).method(Method::DELETE).await
}

/// The list, which is whole.
async fn list(browser: &Browser) -> Vec<Value> {
    let answer = browser.fetch(SESSIONS).await;
    answer.assert_status(200);
    let cache_control = answer.header("cache-control").unwrap_or_default();
    assert!(cache_control.contains("no-store"), "{cache_control}");
    let told = answer.json();
    assert_eq!(told["complete"], true, "{told}");
    told["sessions"].as_array().expect("a list").clone()
}

fn path_of(session: &Value) -> String {
    format!("{SESSIONS}/{}", session["handle"].as_str().expect("a handle"))
}

async fn own_path(browser: &Browser) -> String {
    format!("{SESSIONS}/{}", handle_of(browser).await)
}

async fn assert_signed_out(browser: &Browser) {
    for path in ["/bff/user", "/api/notes", SESSIONS] {
        browser.fetch(path).await.assert_problem(401, "session-required");
    }
}

async fn phone_logged_in_as(stack: &Stack, name: &str) -> Browser {
    let browser = stack.browser().that_calls_itself(PHONE);
    let user = stack.user(name);
    browser.log_in(&user.name, &user.password).await;
    browser
}

/// (64)
async fn a_user_sees_every_session_and_ends_one(deployment: Deployment) {
    let stack = deployment.start().await;
    let laptop = stack.browser_logged_in_as("alice").await;
    let began = laptop.fetch(SESSIONS).await.json()["sessions"][0]["created_at"].clone();
    stack.advance(5 * MINUTE).await;
    let phone = phone_logged_in_as(&stack, "alice").await;
    let bob = stack.browser_logged_in_as("bob").await;
    stack.advance(2 * MINUTE).await;

    let told = list(&laptop).await;

    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(
        told[0]["device"],
        json!({"browser": "Firefox", "platform": "Android"})
    );
    assert_eq!(
        told[1]["device"],
        json!({"browser": "Chrome", "platform": "Linux"})
    );
    assert_eq!([&told[0]["current"], &told[1]["current"]], [false, true]);
    assert_eq!(told[1]["created_at"], began, "{told:?}");
    let seconds = |instant: &Value| {
        let instant = instant.as_str().expect("RFC 3339");
        assert!(instant.ends_with('Z') && instant.len() == 20, "{instant}");
        let of_day = instant[11..19]
            .split(':')
            .map(|part| part.parse::<i64>().unwrap());
        of_day.fold(0, |sum, part| 60 * sum + part)
    };
    let later = |a: &Value, b: &Value| (seconds(a) - seconds(b)).rem_euclid(86_400);
    assert_eq!(later(&told[0]["created_at"], &told[1]["created_at"]), 300);
    assert_eq!(later(&told[1]["last_used_at"], &told[1]["created_at"]), 420);
    assert_eq!(told[0]["last_used_at"], told[0]["created_at"]);
    assert_eq!(path_of(&told[1]), own_path(&laptop).await);
    assert_eq!(list(&bob).await.len(), 1);

    delete(&laptop, &path_of(&told[0])).await.assert_status(204);

    assert_signed_out(&phone).await;
    assert_eq!(list(&laptop).await.len(), 1);
    let handle = told[0]["handle"].as_str().unwrap();
    assert!(is_logged_of(&stack, handle, "reason=\"ended_by_user\""));
    // It is over: there is nothing more to end.
    delete(&laptop, &path_of(&told[0]))
        .await
        .assert_problem(404, "session-not-found");
    bob.fetch("/api/notes").await.assert_status(200);
}

async fn nobody_learns_of_or_ends_the_session_of_another(deployment: Deployment) {
    let stack = deployment.start().await;
    let (alice, bob) = (
        stack.browser_logged_in_as("alice").await,
        stack.browser_logged_in_as("bob").await,
    );

    let foreign = delete(&alice, &own_path(&bob).await).await;
    let unknown = delete(&alice, "/bff/sessions/AAAAAAAAAAAAAAAAAAAAAA").await;
    let malformed = delete(&alice, "/bff/sessions/x").await;

    for answer in [&foreign, &unknown, &malformed] {
        answer.assert_problem(404, "session-not-found");
        assert_eq!(answer.text(), unknown.text());
    }
    bob.fetch("/bff/user").await.assert_status(200);
    alice.fetch("/bff/user").await.assert_status(200);
}

/// (25, 26)
async fn a_request_without_proof_or_session_ends_nothing(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let own = own_path(&browser).await;
    let stranger = stack.browser();

    for (method, path) in [
        (Method::GET, SESSIONS),
        (Method::DELETE, SESSIONS),
        (Method::DELETE, &own),
    ] {
        let fetch = |browser: &Browser| browser.fetch(path).method(method.clone());
        fetch(&browser)
            .without("x-csrf")
            .await
            .assert_problem(403, "csrf-required");
        let foreign = fetch(&browser).by_page("https://evil.example/").without("x-csrf");
        foreign.await.assert_problem(403, "cross-site");
        // A sister origin of the same site, which gets the cookie sent.
        fetch(&browser)
            .header("sec-fetch-site", "same-site")
            .await
            .assert_problem(403, "cross-site");
        fetch(&stranger).await.assert_problem(401, "session-required");
        fetch(&browser)
            .method(Method::PUT)
            .await
            .assert_problem(405, "method-not-allowed");
    }
    browser.fetch("/bff/user").await.assert_status(200);
}

async fn ending_the_session_at_hand_is_a_logout(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let refresh_token = stack.newest_refresh_token();
    let other = stack.browser_logged_in_as("alice").await;

    let ended = delete(&browser, &own_path(&browser).await).await;

    assert_signed_out_by(&stack, &ended);
    assert_eq!(browser.session_cookie(), None);
    assert_signed_out(&browser).await;
    assert_revoked(&stack, &[&refresh_token]).await;
    other.fetch("/bff/user").await.assert_status(200);
}

/// (63)
async fn a_user_signs_out_everywhere(deployment: Deployment) {
    let stack = deployment.start().await;
    let laptop = stack.browser_logged_in_as("alice").await;
    let refresh_token = stack.newest_refresh_token();
    let ticket = laptop.session_cookie().expect("signed in");
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(stack.browser_logged_in_as("alice").await);
    }
    let handles = join_all(others.iter().map(handle_of)).await;
    let bob = stack.browser_logged_in_as("bob").await;

    let ended = delete(&laptop, SESSIONS).await;

    assert_signed_out_by(&stack, &ended);
    assert_eq!(laptop.session_cookie(), None);
    others.push(laptop);
    let thief = stack.browser();
    thief.plant(SESSION_COOKIE, &ticket);
    others.push(thief);
    for browser in &others {
        assert_signed_out(browser).await;
    }
    for handle in &handles {
        assert!(is_logged_of(&stack, handle, "reason=\"everywhere\""));
    }
    // The other ones are sealed for other browsers.
    assert_revoked(&stack, &[&refresh_token]).await;
    bob.fetch("/api/notes").await.assert_status(200);
}

fn assert_signed_out_by(stack: &Stack, ended: &Answer) {
    ended.assert_status(200);
    assert_eq!(ended.header("clear-site-data"), Some("\"cache\""));
    let onward = ended.json()["redirect_to"].clone();
    let onward = onward.as_str().expect("the provider has a logout");
    assert!(onward.starts_with(stack.provider().url()), "{onward}");
}

/// Exactly these have been revoked.
async fn assert_revoked(stack: &Stack, tokens: &[&str]) {
    let revoke = stack.endpoints().revoke;
    eventually("the refresh tokens are revoked", || async {
        let revocations = stack.provider().exchanges_at(revoke);
        let told: Vec<_> = revocations
            .iter()
            .filter_map(|exchange| exchange.form("token"))
            .collect();
        assert!(told.len() <= tokens.len(), "more was revoked than should be");
        tokens.iter().all(|token| told.contains(token)).then_some(())
    })
    .await;
}

async fn a_session_that_is_over_is_not_shown(deployment: Deployment) {
    let stack = deployment.with_timeouts("10m", "8h").start().await;
    let forgotten = stack.browser_logged_in_as("alice").await;
    stack.advance(9 * MINUTE).await;
    let browser = stack.browser_logged_in_as("alice").await;
    assert_eq!(list(&browser).await.len(), 2);

    stack.advance(MINUTE).await;

    let told = list(&browser).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["current"], true);
    assert_signed_out(&forgotten).await;
}

/// A list that a page keeps showing must not keep the session alive.
async fn looking_at_the_list_need_not_count_as_use(deployment: Deployment) {
    let stack = deployment.with_timeouts("10m", "8h").start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    stack.advance(9 * MINUTE).await;
    browser
        .fetch("/bff/sessions?slide=false")
        .await
        .assert_status(200);
    stack.advance(MINUTE).await;
    assert_signed_out(&browser).await;
}

async fn an_outage_hides_the_sessions_and_ends_none(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let own = own_path(&browser).await;
    let ticket = browser.session_cookie();

    stack.redis().stop().await;
    browser
        .fetch(SESSIONS)
        .await
        .assert_unavailable("store-unavailable");
    delete(&browser, &own)
        .await
        .assert_unavailable("store-unavailable");
    delete(&browser, SESSIONS)
        .await
        .assert_unavailable("store-unavailable");
    stack.redis().start_again().await;

    let answer = eventually("the session is found again", || async {
        let answer = browser.fetch(SESSIONS).await;
        (answer.status != 503).then_some(answer)
    })
    .await;
    answer.assert_status(200);
    assert_eq!(browser.session_cookie(), ticket);
}

/// One record that cannot be ended stands for a store that goes away half-way.
async fn signing_out_everywhere_says_when_it_did_not(deployment: Deployment) {
    let stack = deployment.start().await;
    let laptop = stack.browser_logged_in_as("alice").await;
    let phone = stack.browser_logged_in_as("alice").await;
    let record = format!("cloakroom:{{{}}}:session", handle_of(&phone).await);
    let moved = format!("{record}:aside");
    stack.redis().command(&["RENAME", &record, &moved]).await;
    stack.redis().command(&["SET", &record, "in the way"]).await;

    let failed = delete(&laptop, SESSIONS).await;

    failed.assert_unavailable("sign-out-incomplete");
    assert!(laptop.session_cookie().is_some());
    laptop.fetch("/bff/user").await.assert_status(200);

    stack.redis().command(&["RENAME", &moved, &record]).await;
    phone.fetch("/bff/user").await.assert_status(200);
    delete(&laptop, SESSIONS).await.assert_status(200);
    assert_signed_out(&phone).await;
    assert_signed_out(&laptop).await;
}

on_every_store!(
    a_user_sees_every_session_and_ends_one,
    nobody_learns_of_or_ends_the_session_of_another,
    a_request_without_proof_or_session_ends_nothing,
    ending_the_session_at_hand_is_a_logout,
    a_user_signs_out_everywhere,
    a_session_that_is_over_is_not_shown,
    looking_at_the_list_need_not_count_as_use,
);
on_redis!(
    an_outage_hides_the_sessions_and_ends_none,
    signing_out_everywhere_says_when_it_did_not,
);
