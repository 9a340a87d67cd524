//! Signing in, with somebody in the way.

use e2e::browser::{Answer, Browser};
use e2e::on_every_store_and_provider;
use e2e::on_one_store;
use e2e::stack::{Deployment, SESSION_COOKIE, Stack};
use url::Url;

use crate::claims;

/// Signs in up to the point where the provider sends the browser back.
async fn callback_of(stack: &Stack, browser: &Browser) -> Url {
    let page = browser.visit("/bff/login").await;
    let form = page.sign_in_form().expect("a sign-in form");
    let alice = stack.user("alice");
    browser
        .submit_until_callback(&page, &form.fill_in(&alice.name, &alice.password), &[])
        .await
}

/// The browser arrives from the provider, as it does after signing in.
async fn arrive(stack: &Stack, browser: &Browser, callback: &Url) -> Answer {
    browser
        .follow_from(stack.provider().url(), callback.as_str())
        .await
}

#[track_caller]
fn assert_refused(answer: &Answer) {
    assert!((400..500).contains(&answer.status), "{}", answer.summary());
    assert!(
        answer.url.path() == "/bff/callback",
        "the refusal led on: {}",
        answer.summary()
    );
}

fn with_parameter(url: &Url, name: &str, value: &str) -> Url {
    let mut changed = url.clone();
    let others: Vec<_> = url
        .query_pairs()
        .into_owned()
        .filter(|(key, _)| key != name)
        .collect();
    changed
        .query_pairs_mut()
        .clear()
        .extend_pairs(others)
        .append_pair(name, value);
    changed
}

/// (4)
async fn a_callback_counts_once(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();
    let callback = callback_of(&stack, &browser).await;
    arrive(&stack, &browser, &callback).await;
    let ticket = browser.session_cookie().expect("signed in");

    let again = arrive(&stack, &browser, &callback).await;

    assert_refused(&again);
    assert_eq!(stack.provider().grants("authorization_code"), 1);
    assert_eq!(
        browser.session_cookie(),
        Some(ticket),
        "the session of the first callback stays"
    );
    browser.fetch("/bff/user").await.assert_status(200);
}

/// (4) Also for somebody who kept a copy of the login's own cookie.
async fn a_callback_counts_once_even_with_its_cookie(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();
    let callback = callback_of(&stack, &browser).await;
    let kept = browser.cookies();
    arrive(&stack, &browser, &callback).await;

    let copy = stack.browser();
    kept.iter().for_each(|cookie| copy.plant_as_it_was(cookie));
    assert_refused(&arrive(&stack, &copy, &callback).await);

    assert_eq!(stack.provider().grants("authorization_code"), 1);
    assert_eq!(copy.session_cookie(), None);
    browser.fetch("/bff/user").await.assert_status(200);
}

/// (4) A double click, or a browser that restores its tabs.
async fn of_two_callbacks_at_once_one_counts(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();
    let callback = callback_of(&stack, &browser).await;
    let gate = stack.provider().hold(stack.endpoints().token);

    let both = async {
        tokio::join!(
            arrive(&stack, &browser, &callback),
            arrive(&stack, &browser, &callback)
        )
    };
    let (both, ()) = tokio::join!(both, async {
        gate.reached().await;
        gate.open();
    });

    let statuses = [both.0.status, both.1.status];
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
    assert_eq!(stack.provider().grants("authorization_code"), 1);
    browser.fetch("/bff/user").await.assert_status(200);
}

/// (3, 32)
async fn a_callback_belongs_to_one_browser(deployment: Deployment) {
    let stack = deployment.start().await;
    let (owner, stranger) = (stack.browser(), stack.browser());
    let callback = callback_of(&stack, &owner).await;

    let refused = arrive(&stack, &stranger, &callback).await;

    assert_refused(&refused);
    assert_eq!(stranger.session_cookie(), None);
    assert_eq!(
        stack.provider().grants("authorization_code"),
        0,
        "the code was spent for a stranger"
    );
    // The stranger has not spoilt it for the owner.
    arrive(&stack, &owner, &callback).await;
    owner.fetch("/bff/user").await.assert_status(200);
}

/// (5)
async fn a_callback_of_another_issuer_is_refused_before_the_code_is_spent(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();
    let callback = callback_of(&stack, &browser).await;

    assert_refused(
        &arrive(
            &stack,
            &browser,
            &with_parameter(&callback, "iss", "https://evil.example"),
        )
        .await,
    );

    assert_eq!(stack.provider().grants("authorization_code"), 0);
    assert_eq!(browser.session_cookie(), None);
}

async fn a_callback_with_a_parameter_twice_is_refused(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();
    let mut callback = callback_of(&stack, &browser).await;
    callback.query_pairs_mut().append_pair("code", "another");

    assert_refused(&arrive(&stack, &browser, &callback).await);

    assert_eq!(stack.provider().grants("authorization_code"), 0);
}

/// (6)
async fn a_denied_login_ends_on_a_page_that_repeats_nothing(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();
    browser.visit("/bff/login").await;
    let authorization = stack
        .provider()
        .exchanges_at(stack.endpoints().authorize)
        .remove(0);
    let mut denial = browser.app().join("/bff/callback").unwrap();
    denial
        .query_pairs_mut()
        .append_pair("error", "access_denied")
        .append_pair("error_description", "<script>alert(1)</script><b>no</b>")
        .append_pair("error_uri", "https://evil.example/")
        .append_pair("state", authorization.query("state").expect("a state"))
        .append_pair("iss", stack.provider().url());

    let page = arrive(&stack, &browser, &denial).await;

    page.assert_status(403);
    assert!(page.is_html(), "a person is looking: {}", page.summary());
    for reflected in ["<script>alert", "<b>no</b>", "&lt;script", "evil.example"] {
        assert!(
            !page.text().contains(reflected),
            "{reflected}: {}",
            page.summary()
        );
    }
    assert!(page.hops.len() <= 2, "no loop: {:?}", page.hops);
    assert!(
        browser.cookies().is_empty(),
        "the attempt is over: {:?}",
        browser.cookies()
    );
    assert_refused(&arrive(&stack, &browser, &denial).await);
    assert_eq!(stack.provider().grants("authorization_code"), 0);
}

async fn a_user_says_no_at_the_provider(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();
    let page = browser.visit("/bff/login").await;
    let form = page.sign_in_form().expect("a sign-in form");

    let refused = browser.submit(&page, &form, &["cancel", "deny", "back"]).await;

    refused.assert_status(403);
    assert_eq!(refused.url.path(), "/bff/callback");
    assert_eq!(browser.session_cookie(), None);
    assert!(browser.cookies().is_empty());
    // Trying again works.
    let alice = stack.user("alice");
    browser.log_in(&alice.name, &alice.password).await;
}

/// (22)
async fn a_cookie_planted_before_the_login_is_worth_nothing_after_it(deployment: Deployment) {
    let stack = deployment.start().await;
    let mallory = stack.browser_logged_in_as("bob").await;
    let planted = mallory.session_cookie().expect("bob is signed in");
    let victim = stack.browser();
    victim.plant(SESSION_COOKIE, &planted);

    let alice = stack.user("alice");
    victim.log_in(&alice.name, &alice.password).await;

    assert_ne!(victim.session_cookie().expect("alice is signed in"), planted);
    claims(&victim.fetch("/bff/user").await);
    mallory
        .fetch("/bff/user")
        .await
        .assert_problem(401, "session-required");
    mallory
        .fetch("/api/notes")
        .await
        .assert_problem(401, "session-required");
}

/// (22)
async fn signing_in_again_ends_the_earlier_session_of_the_browser(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let first = browser.session_cookie().expect("signed in");

    // The provider still knows the user: no form this time.
    let landed = browser.visit("/bff/login").await;

    assert_eq!(landed.url, *browser.app(), "{}", landed.summary());
    let second = browser.session_cookie().expect("signed in");
    assert_ne!(first, second);
    browser.fetch("/bff/user").await.assert_status(200);
    let thief = stack.browser();
    thief.plant(SESSION_COOKIE, &first);
    thief
        .fetch("/bff/user")
        .await
        .assert_problem(401, "session-required");
}

/// (8)
async fn a_return_url_leads_nowhere_else(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();
    let host = format!("http%3A%2F%2F{}", browser.app().authority());
    for attack in [
        "%2F%2Fevil.example",
        "%2F%5Cevil.example",
        "%5C%5Cevil.example",
        "%5C%2Fevil.example",
        "%2F%09%2Fevil.example",
        "%2F%0A%2Fevil.example",
        "%09%2F%2Fevil.example",
        "%20%2F%2Fevil.example",
        "%2Fa%0D%0AX-Injected%3A%201",
        "%2Fa%00",
        "https%3A%2F%2Fevil.example",
        "HtTpS%3A%2F%2Fevil.example",
        "https%3Aevil.example",
        "javascript%3Aalert%281%29",
        "JavaScript%3Aalert%281%29",
        "data%3Atext%2Fhtml%2Chi",
        "%2F%2Flocalhost%40evil.example",
        "%40evil.example",
        "evil.example",
        "%2F.%2F%2Fevil.example",
        "%2Fa%2F..%2F%2Fevil.example",
        &format!("{host}%40evil.example%2F"),
        &format!("{host}%2F"),
        "",
    ] {
        let refused = browser.visit(&format!("/bff/login?returnUrl={attack}")).await;

        refused.assert_status(400);
        assert!(refused.location().is_none(), "{attack}: {}", refused.summary());
        assert!(
            refused.header("set-cookie").is_none(),
            "{attack}: {}",
            refused.summary()
        );
    }
    // Into the BFF itself would be a loop.
    browser
        .visit("/bff/login?returnUrl=%2Fbff%2Flogin")
        .await
        .assert_status(400);
    // Once, or not at all.
    browser
        .visit("/bff/login?returnUrl=%2F&returnUrl=%2F%2Fevil.example")
        .await
        .assert_status(400);
}

async fn a_login_that_took_too_long_is_over(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();
    let page = browser.visit("/bff/login").await;
    let callback = {
        let form = page.sign_in_form().expect("a sign-in form");
        let alice = stack.user("alice");
        browser
            .submit_until_callback(&page, &form.fill_in(&alice.name, &alice.password), &[])
            .await
    };

    // Longer than any login state is kept; the cookie is sent all the same, as by a browser with a wrong clock.
    let cookies: Vec<_> = browser
        .cookies()
        .iter()
        .map(|c| format!("{}={}", c.name, c.value))
        .collect();
    stack.advance(std::time::Duration::from_secs(3600)).await;
    let late = browser
        .fetch(callback.as_str())
        .header("cookie", &cookies.join("; "))
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document")
        .header("sec-fetch-site", "same-origin")
        .await;

    late.assert_problem(400, "login-expired");
    assert_eq!(stack.provider().grants("authorization_code"), 0);
}

on_every_store_and_provider!(
    a_callback_counts_once,
    of_two_callbacks_at_once_one_counts,
    a_callback_counts_once_even_with_its_cookie,
    a_callback_belongs_to_one_browser,
    a_user_says_no_at_the_provider,
    a_denied_login_ends_on_a_page_that_repeats_nothing,
    a_cookie_planted_before_the_login_is_worth_nothing_after_it,
    signing_in_again_ends_the_earlier_session_of_the_browser,
);
on_one_store!(
    a_callback_of_another_issuer_is_refused_before_the_code_is_spent,
    a_callback_with_a_parameter_twice_is_refused,
    a_return_url_leads_nowhere_else,
    a_login_that_took_too_long_is_over,
);
