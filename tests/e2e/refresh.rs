//! Staying signed in while access tokens expire.

use std::time::Duration;

use e2e::on_every_store_and_provider;
use e2e::on_one_store;
use e2e::stack::{Deployment, Stack};
use e2e::wait::{eventually, within_patience};

const LIFETIME: Duration = Duration::from_secs(300);

fn bearer(stack: &Stack) -> String {
    stack.upstream().last().header("authorization").remove(0)
}

async fn an_expired_token_is_renewed_and_nobody_notices(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    browser.fetch("/api/notes").await.assert_status(200);
    let mut seen = vec![bearer(&stack)];

    // Twice: the second refresh needs the refresh token that the first one brought.
    for round in 1..=2 {
        stack.let_access_tokens_expire().await;
        let answer = browser.fetch("/api/notes").await;

        answer.assert_status(200);
        assert!(
            answer.header("set-cookie").is_none(),
            "the ticket stays the same: {}",
            answer.summary()
        );
        assert_eq!(stack.provider().grants("refresh_token"), round);
        let token = bearer(&stack);
        assert!(!seen.contains(&token), "the old token was used again");
        seen.push(token);
    }
}

/// (48, in one process)
async fn fifty_calls_at_expiry_cause_one_refresh(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    stack.let_access_tokens_expire().await;
    let gate = stack.provider().hold(stack.endpoints().token);

    let calls: Vec<_> = (0..50).map(|_| browser.fetch("/api/notes").spawn()).collect();
    gate.reached().await;
    gate.open();

    for call in calls {
        call.await.unwrap().assert_status(200);
    }
    assert_eq!(stack.provider().grants("refresh_token"), 1);
    assert_eq!(gate.arrivals(), 1);
    let used = stack.upstream().received();
    let tokens: std::collections::HashSet<_> = used
        .iter()
        .map(|received| received.header("authorization"))
        .collect();
    assert_eq!(
        (used.len(), tokens.len()),
        (50, 1),
        "all fifty used the one new token"
    );
}

async fn a_token_near_its_end_serves_while_its_successor_is_fetched(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    browser.fetch("/api/notes").await.assert_status(200);
    let first = bearer(&stack);
    let gate = stack.provider().hold(stack.endpoints().token);

    stack.advance(LIFETIME - Duration::from_secs(5)).await;
    within_patience(
        "nobody waits for the provider",
        browser.fetch("/api/notes").send(),
    )
    .await
    .assert_status(200);
    assert_eq!(bearer(&stack), first);
    gate.reached().await;
    within_patience("nor the next", browser.fetch("/api/notes").send())
        .await
        .assert_status(200);
    gate.open();

    eventually("the new token is used", || async {
        browser.fetch("/api/notes").await.assert_status(200);
        (bearer(&stack) != first).then_some(())
    })
    .await;
    assert_eq!(stack.provider().grants("refresh_token"), 1);
}

async fn a_refresh_goes_on_when_the_browser_has_gone(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    stack.let_access_tokens_expire().await;
    let gate = stack.provider().hold_answer(stack.endpoints().token);

    let call = browser.fetch("/api/notes").spawn();
    gate.reached().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    gate.open();

    let answer = browser.fetch("/api/notes").await;
    answer.assert_status(200);
    assert_eq!(
        stack.provider().grants("refresh_token"),
        1,
        "what the first refresh brought was lost"
    );
    assert_eq!(
        stack.upstream().received().len(),
        1,
        "nobody waited for the first call's answer"
    );
}

/// (50) What is not yet stored is not yet used: a BFF that is restarted goes on with the newest tokens.
async fn a_refreshed_session_survives_a_restart(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    stack.let_access_tokens_expire().await;
    browser.fetch("/api/notes").await.assert_status(200);

    stack.restart_bff().await;

    browser.fetch("/api/notes").await.assert_status(200);
    assert_eq!(stack.provider().grants("refresh_token"), 1);
    stack.let_access_tokens_expire().await;
    browser.fetch("/api/notes").await.assert_status(200);
    assert_eq!(stack.provider().grants("refresh_token"), 2);
}

async fn a_stopping_bff_finishes_its_refresh(deployment: Deployment) {
    let stack = deployment.start().await;
    // Whoever comes first has the provider's metadata fetched by the worker that answers him.
    drop(stack.browser_logged_in_as("bob").await);
    let browser = stack.browser_logged_in_as("alice").await;
    stack.let_access_tokens_expire().await;
    let gate = stack.provider().hold_answer(stack.endpoints().token);
    let call = browser.fetch("/api/notes").spawn();
    gate.reached().await;

    let (call, (), ()) = tokio::join!(call, stack.stop_bff(), async {
        // Workers without requests have ended by then or end now; the refresh needs none of them.
        eventually("the node says that it stops", async || {
            (stack.bff_tells_operators("/health/ready").await.0 == 503).then_some(())
        })
        .await;
        gate.open();
    });

    call.unwrap().assert_status(200);
    stack.start_bff().await;
    browser.fetch("/api/notes").await.assert_status(200);
    assert_eq!(stack.provider().grants("refresh_token"), 1);
}

on_every_store_and_provider!(
    an_expired_token_is_renewed_and_nobody_notices,
    fifty_calls_at_expiry_cause_one_refresh,
    a_token_near_its_end_serves_while_its_successor_is_fetched,
    a_refresh_goes_on_when_the_browser_has_gone,
    a_refreshed_session_survives_a_restart,
);
on_one_store!(a_stopping_bff_finishes_its_refresh);
