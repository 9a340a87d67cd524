//! Refreshes that fail: an outage is not a logout, and a refusal is.

use std::time::Duration;

use crate::{handle_of, is_logged_of, times_logged_of};
use e2e::browser::{Answer, Browser};
use e2e::on_every_store;
use e2e::on_every_store_and_provider;
use e2e::on_one_store;
use e2e::relay::Instead;
use e2e::stack::Deployment;
use e2e::wait::eventually;

/// Waits until an outage is over for this session: the store measures by its own clock how long nobody is to ask the
/// provider again, and answers say so in `Retry-After`.
async fn recovers(browser: &Browser, unavailable: &Answer) {
    assert!(unavailable.header("retry-after").is_some());
    eventually("the session works again", async || {
        (browser.fetch("/api/notes").await.status == 200).then_some(())
    })
    .await;
}

/// (52)
async fn while_the_provider_is_down_valid_tokens_serve_and_sessions_stay(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    // The notes service has the provider's keys from now on.
    browser.fetch("/api/notes").await.assert_status(200);
    stack.stop_provider().await;

    browser.fetch("/api/notes").await.assert_status(200);
    stack.let_access_tokens_expire().await;
    let unavailable = browser.fetch("/api/notes").await;
    unavailable.assert_unavailable("provider-unavailable");
    // Who somebody is needs no provider.
    browser.fetch("/bff/user").await.assert_status(200);

    stack.start_provider().await;
    recovers(&browser, &unavailable).await;
}

/// (52, 54)
async fn only_invalid_grant_ends_a_session(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let token = stack.endpoints().token;
    for failure in [
        Instead::Status(500, r#"{"error":"server_error"}"#),
        Instead::Status(502, "<html>Bad gateway</html>"),
        Instead::Status(503, r#"{"error":"temporarily_unavailable"}"#),
        Instead::Status(429, r#"{"error":"slow_down"}"#),
        Instead::Status(401, r#"{"error":"invalid_client"}"#),
        Instead::Status(400, r#"{"error":"invalid_client"}"#),
        Instead::Status(400, r#"{"error":"unauthorized_client"}"#),
        Instead::Status(400, r#"{"error":"invalid_request"}"#),
        Instead::Status(400, r#"{"error":"invalid_scope"}"#),
        Instead::Status(400, "{}"),
        Instead::Status(404, "{}"),
        Instead::Status(200, "{}"),
        Instead::Status(200, "not JSON"),
        // `invalid_grant` counts as RFC 6749 §5.2 writes it: with 400.
        Instead::Status(500, r#"{"error":"invalid_grant"}"#),
        Instead::Cut,
    ] {
        stack.provider().instead(token, failure.clone());
        stack.let_access_tokens_expire().await;

        let unavailable = browser.fetch("/api/notes").await;
        assert_eq!(unavailable.status, 503, "{failure:?}: {}", unavailable.summary());
        unavailable.assert_unavailable("provider-unavailable");
        browser.fetch("/bff/user?slide=false").await.assert_status(200);

        stack.provider().heal();
        recovers(&browser, &unavailable).await;
    }
}

/// (52) Nor does silence.
async fn only_invalid_grant_ends_a_session_and_silence_does_not(deployment: Deployment) {
    let stack = deployment.with_provider_timeout("1s").start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let gate = stack.provider().hold(stack.endpoints().token);
    stack.let_access_tokens_expire().await;

    let unavailable = browser.fetch("/api/notes").await;
    unavailable.assert_unavailable("provider-unavailable");
    browser.fetch("/bff/user?slide=false").await.assert_status(200);

    stack.provider().heal();
    gate.open();
    recovers(&browser, &unavailable).await;
}

/// (52)
async fn a_failing_provider_is_not_asked_by_every_request(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let handle = handle_of(&browser).await;
    stack
        .provider()
        .instead(stack.endpoints().token, Instead::ComeAgainAfter(60));
    stack.let_access_tokens_expire().await;

    for _ in 0..20 {
        browser
            .fetch("/api/notes")
            .await
            .assert_unavailable("provider-unavailable");
    }

    assert_eq!(stack.provider().grants("refresh_token"), 1);
    assert_eq!(times_logged_of(&stack, &handle, "tokens were not refreshed"), 1);
    // Nor does the log tell more at its default level than that one call.
    for level in [" WARN ", " ERROR "] {
        let told = times_logged_of(&stack, &handle, level);
        assert_eq!(told, usize::from(level == " WARN "), "{level}");
    }
    assert!(
        stack
            .metrics()
            .await
            .contains("bff_problems_total{code=\"provider-unavailable\"}")
    );
}

/// Whoever has to mend the configuration is told what the provider said.
async fn the_word_of_the_provider_is_in_the_log(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let handle = handle_of(&browser).await;
    let refusal = Instead::Status(
        401,
        r#"{"error":"invalid_client","error_description":"secret rotated"}"#,
    );
    stack.provider().instead(stack.endpoints().token, refusal);
    stack.let_access_tokens_expire().await;

    let unavailable = browser.fetch("/api/notes").await;
    unavailable.assert_unavailable("provider-unavailable");

    assert!(is_logged_of(&stack, &handle, "oauth.error=\"invalid_client\""));
    assert!(is_logged_of(&stack, &handle, "it refuses our client or request"));
    assert!(!is_logged_of(&stack, &handle, "secret rotated"));
    // A session that ends is no refresh that failed.
    stack.provider().heal();
    recovers(&browser, &unavailable).await;
    let refusal = Instead::Status(400, r#"{"error":"invalid_grant"}"#);
    stack.provider().instead(stack.endpoints().token, refusal);
    stack.let_access_tokens_expire().await;
    browser
        .fetch("/api/notes")
        .await
        .assert_problem(401, "session-required");
    assert_eq!(times_logged_of(&stack, &handle, "tokens were not refreshed"), 1);
    assert!(is_logged_of(&stack, &handle, "refresh_refused"));
}

/// (52) "Come again later" is about all sessions of this node, and a new login is tried all the same.
async fn a_provider_that_wants_to_be_left_alone_is_asked_for_one_session(deployment: Deployment) {
    let stack = deployment.start().await;
    let alice = stack.browser_logged_in_as("alice").await;
    let bob = stack.browser_logged_in_as("bob").await;
    stack
        .provider()
        .instead(stack.endpoints().token, Instead::ComeAgainAfter(60));
    stack.let_access_tokens_expire().await;

    for browser in [&alice, &bob, &alice, &bob] {
        browser
            .fetch("/api/notes")
            .await
            .assert_unavailable("provider-unavailable");
    }
    assert_eq!(stack.provider().grants("refresh_token"), 1);

    stack.provider().heal();
    let carol = stack.browser_logged_in_as("alice").await;
    carol.fetch("/api/notes").await.assert_status(200);
}

/// (52) While the access token is still good, nobody hears of the provider's trouble.
async fn a_refresh_that_fails_early_disturbs_nobody(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    browser.fetch("/api/notes").await.assert_status(200);
    let gate = stack.provider().hold(stack.endpoints().token);
    stack.advance(Duration::from_secs(295)).await;

    browser.fetch("/api/notes").await.assert_status(200);
    gate.reached().await;
    stack.stop_provider().await;
    gate.open();

    browser.fetch("/api/notes").await.assert_status(200);
    browser.fetch("/bff/user").await.assert_status(200);
}

/// (53)
async fn a_refused_refresh_token_ends_the_session_once(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let other = stack.browser_logged_in_as("bob").await;
    stack.let_access_tokens_expire().await;
    let refusal = Instead::Status(400, r#"{"error":"invalid_grant","error_description":"revoked"}"#);
    stack.provider().instead(stack.endpoints().token, refusal);

    let calls: Vec<_> = (0..10).map(|_| browser.fetch("/api/notes").spawn()).collect();
    for call in calls {
        call.await.unwrap().assert_problem(401, "session-required");
    }

    browser
        .fetch("/bff/user")
        .await
        .assert_problem(401, "session-required");
    browser
        .fetch("/api/notes")
        .await
        .assert_problem(401, "session-required");
    assert_eq!(
        stack.provider().grants("refresh_token"),
        1,
        "a dead token is presented once"
    );
    assert!(stack.upstream().received().is_empty());
    // It was this session's token, nobody else's.
    stack.provider().heal();
    other.fetch("/api/notes").await.assert_status(200);
}

/// (51) The provider has rotated and its answer is lost: the same token is presented again, and counts.
async fn a_lost_answer_costs_no_session(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    stack.let_access_tokens_expire().await;
    stack
        .provider()
        .instead(stack.endpoints().token, Instead::CutAnswer);

    let unavailable = browser.fetch("/api/notes").await;
    unavailable.assert_unavailable("provider-unavailable");
    stack.provider().heal();
    recovers(&browser, &unavailable).await;

    let presented: Vec<_> = stack
        .provider()
        .exchanges_at(stack.endpoints().token)
        .into_iter()
        .filter_map(|exchange| exchange.form("refresh_token").map(str::to_owned))
        .collect();
    assert_eq!(presented.len(), 4, "three times in vain and once more");
    assert!(presented.iter().all(|token| *token == presented[0]));
}

async fn a_login_while_the_provider_is_down_says_so(deployment: Deployment) {
    let stack = deployment.start().await;
    stack.stop_provider().await;
    stack.restart_bff().await;
    let browser = stack.browser();

    let answer = browser.visit("/bff/login").await;

    answer.assert_status(503);
    assert!(answer.header("retry-after").is_some(), "{}", answer.summary());
    assert!(browser.cookies().is_empty());
    stack.start_provider().await;
    // However long it asked to wait.
    stack.advance(Duration::from_secs(60)).await;
    let alice = stack.user("alice");
    browser.log_in(&alice.name, &alice.password).await;
}

on_every_store_and_provider!(
    while_the_provider_is_down_valid_tokens_serve_and_sessions_stay,
    a_refused_refresh_token_ends_the_session_once,
);
on_every_store!(
    only_invalid_grant_ends_a_session,
    only_invalid_grant_ends_a_session_and_silence_does_not,
);
on_one_store!(
    a_failing_provider_is_not_asked_by_every_request,
    the_word_of_the_provider_is_in_the_log,
    a_provider_that_wants_to_be_left_alone_is_asked_for_one_session,
    a_refresh_that_fails_early_disturbs_nobody,
    a_lost_answer_costs_no_session,
    a_login_while_the_provider_is_down_says_so,
);
