//! What no answer, no log and no metric ever shows (38, 91), over everything that a user and a failing world can cause.

use e2e::on_one_store;
use e2e::secrets::Kind;
use e2e::stack::{Deployment, Stack};
use http::Method;

/// Signs in, calls, is refused, meets failures, lets a token expire, signs out. The harness looks into every answer.
async fn a_whole_run(stack: &Stack) {
    let browser = stack.browser_logged_in_as("alice").await;
    for address in [
        "/bff/user",
        "/bff/sessions",
        "/api/notes",
        "/api/lab/teapot",
        "/api/lab/cut",
        "/api/%2e%2e/x",
    ] {
        browser.fetch(address).await;
    }
    browser
        .fetch("/api/notes")
        .without("x-csrf")
        .without("sec-fetch-site")
        .await;
    browser
        .visit("/bff/callback?code=x&state=y&error=server_error")
        .await;
    stack.let_access_tokens_expire().await;
    browser.fetch("/api/notes").await.assert_status(200);
    stack.upstream().refuse_all();
    browser.fetch("/api/notes").await.assert_status(401);
    stack.let_access_tokens_expire().await;
    stack.stop_provider().await;
    browser
        .fetch("/api/notes")
        .await
        .assert_unavailable("provider-unavailable");
    browser.fetch("/bff/logout").method(Method::POST).await;
}

async fn c38_no_answer_of_a_whole_run_shows_a_secret(deployment: Deployment) {
    let stack = deployment.start().await;
    a_whole_run(&stack).await;
    // The harness would have found them: it knows what it looks for.
    for kind in [
        Kind::AccessToken,
        Kind::RefreshToken,
        Kind::IdToken,
        Kind::Code,
        Kind::CodeVerifier,
        Kind::ClientSecret,
    ] {
        let known = stack.secrets().of_kind(kind);
        assert!(!known.is_empty(), "no {kind:?} was ever seen");
        for secret in known {
            assert!(
                stack.secrets().seen_by_browser(&format!("x{secret}y")).is_some(),
                "{kind:?}"
            );
        }
    }
}

async fn c91_no_log_and_no_metric_of_a_whole_run_shows_a_secret(deployment: Deployment) {
    let stack = deployment.start().await;
    a_whole_run(&stack).await;
    let (log, metrics) = (stack.log(), stack.metrics().await);
    assert!(log.contains("request proxied") && metrics.contains("bff_logins_total"));
    for text in [&log, &metrics] {
        let found = stack.secrets().seen_in_log(text);
        assert!(found.is_none(), "{found:?}");
    }
    for kind in [Kind::Cookie, Kind::State, Kind::Email, Kind::Code] {
        let known = stack.secrets().of_kind(kind);
        assert!(!known.is_empty(), "no {kind:?} was ever seen");
        assert!(
            known
                .iter()
                .all(|secret| stack.secrets().seen_in_log(secret).is_some()),
            "{kind:?}"
        );
    }
}

on_one_store!(
    c38_no_answer_of_a_whole_run_shows_a_secret,
    c91_no_log_and_no_metric_of_a_whole_run_shows_a_secret,
);
