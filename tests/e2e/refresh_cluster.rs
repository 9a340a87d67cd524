//! Refreshes of one session by several nodes, and answers that get lost.

use e2e::browser::Browser;
use e2e::on_every_store;
use e2e::on_one_store;
use e2e::on_redis;
use e2e::relay::Instead;
use e2e::stack::{Deployment, Stack};
use e2e::wait::{eventually, within_patience};

/// The script that asks for the right to refresh.
const LEASE: &str = include_str!("../../bff/src/session/redis/lease.lua");

/// The session's name, as the operator reads it in the log and in Redis.
async fn session_key(stack: &Stack) -> String {
    let keys = stack.redis().command(&["KEYS", "*:session"]).await;
    keys.into_iter()
        .find(|key| !key.is_empty())
        .expect("a session in Redis")
}

/// Somebody who holds the session's lease, has sent its refresh token, and is never heard of again.
async fn let_a_holder_vanish(stack: &Stack, for_ms: u128) {
    let key = session_key(stack).await;
    let time = stack.redis().command(&["TIME"]).await;
    let now: u128 = time[0].parse::<u128>().unwrap() * 1_000 + time[1].parse::<u128>().unwrap() / 1_000;
    let until = (now + for_ms).to_string();
    let revision = stack.redis().command(&["HGET", &key, "rev"]).await.remove(0);
    let fields = [
        "HSET",
        &key,
        "lease",
        "gone",
        "lease_until",
        &until,
        "sent",
        "1",
        "sent_rev",
        &revision,
    ];
    stack.redis().command(&fields).await;
}

/// (48, over two nodes)
async fn fifty_calls_over_two_nodes_cause_one_refresh(deployment: Deployment) {
    let stack = deployment.start().await;
    let second = stack.start_second_node().await;
    let browser = stack.browser_logged_in_as("alice").await;
    stack.let_access_tokens_expire().await;
    let gate = stack.provider().hold(stack.endpoints().token);

    let other = browser.at(second);
    let calls: Vec<_> = (0..50)
        .map(|call| [&browser, &other][call % 2].fetch("/api/notes").spawn())
        .collect();
    gate.reached().await;
    gate.open();

    for call in calls {
        call.await.unwrap().assert_status(200);
    }
    assert_eq!(stack.provider().grants("refresh_token"), 1);
    let received = stack.upstream().received();
    let tokens: std::collections::HashSet<_> = received
        .iter()
        .map(|received| received.header("authorization"))
        .collect();
    assert_eq!((received.len(), tokens.len()), (50, 1));
}

/// (52) Who comes later, to whichever node, hears what the one who asked was told.
async fn a_failure_is_told_on_every_node(deployment: Deployment) {
    let stack = deployment.start().await;
    let second = stack.start_second_node().await;
    let browser = stack.browser_logged_in_as("alice").await;
    stack.let_access_tokens_expire().await;
    stack
        .provider()
        .instead(stack.endpoints().token, Instead::ComeAgainAfter(60));

    browser
        .fetch("/api/notes")
        .await
        .assert_unavailable("provider-unavailable");
    let later = browser.at(second).fetch("/api/notes").await;

    later.assert_unavailable("provider-unavailable");
    assert_eq!(stack.provider().grants("refresh_token"), 1);
}

async fn a_holder_that_vanished_is_followed_by_another(deployment: Deployment) {
    let deployment = deployment.with_provider_timeout("1s").with_lease("3s");
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    stack.let_access_tokens_expire().await;
    let_a_holder_vanish(&stack, 1_500).await;

    let call = browser.fetch("/api/notes");

    within_patience("the lease runs out", call.send())
        .await
        .assert_status(200);
    assert_eq!(stack.provider().grants("refresh_token"), 1);
    assert!(
        stack.log().contains("the answer to an earlier refresh was lost"),
        "operators are told that a refresh token was sent and nothing came home"
    );
}

async fn a_follower_does_not_wait_for_ever(deployment: Deployment) {
    let deployment = deployment.with_provider_timeout("1s").with_lease("1500ms");
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    stack.let_access_tokens_expire().await;
    let_a_holder_vanish(&stack, 60_000).await;

    let answer = within_patience("an answer", browser.fetch("/api/notes").send()).await;

    answer.assert_unavailable("provider-unavailable");
    assert_eq!(stack.provider().grants("refresh_token"), 0);
}

/// (59) Before the lease: the refresh waits for its turn while the user signs out.
async fn logout_wins_over_a_refresh_that_waits_for_its_turn(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let refresh_token = stack.newest_refresh_token();
    stack.let_access_tokens_expire().await;
    let_a_holder_vanish(&stack, 60_000).await;
    let asks = stack.redis().command(&["SCRIPT", "LOAD", LEASE]).await.remove(0);
    stack
        .redis()
        .command(&["CONFIG", "SET", "slowlog-log-slower-than", "0"])
        .await;
    let call = browser.fetch("/api/notes").spawn();
    let other = tab_with_the_same_cookie(&stack, &browser);

    eventually("the call asks for the lease", async || {
        let done = stack.redis().command(&["SLOWLOG", "GET", "-1"]).await;
        done.contains(&asks).then_some(())
    })
    .await;
    assert!(!call.is_finished(), "it waits for its turn");
    let sid = sid_of(&other).await;
    other.visit(&sid).await;

    call.await.unwrap().assert_problem(401, "session-required");
    assert_eq!(stack.provider().grants("refresh_token"), 0);
    assert_eq!(stack.present_refresh_token(&refresh_token).await.0, 400);
}

fn tab_with_the_same_cookie(stack: &Stack, browser: &Browser) -> Browser {
    let other = stack.browser();
    for cookie in browser.cookies() {
        other.plant_as_it_was(&cookie);
    }
    other
}

async fn sid_of(browser: &Browser) -> String {
    let user = browser.fetch("/bff/user?slide=false").await;
    crate::claims(&user)["bff:logout_url"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// (51) The provider has rotated and the connection breaks: within its grace period it gives the same successor again.
async fn a_lost_answer_is_asked_for_again_at_once(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    stack.let_access_tokens_expire().await;
    stack
        .provider()
        .instead_once(stack.endpoints().token, Instead::CutAnswer);

    browser.fetch("/api/notes").await.assert_status(200);

    assert_eq!(presented(&stack), 2, "once in vain and once more");
    stack.let_access_tokens_expire().await;
    browser.fetch("/api/notes").await.assert_status(200);
}

/// (50) A provider without a grace period takes the second use for theft: one clean sign-in, and operators can count it.
async fn a_lost_answer_at_a_strict_provider_is_one_clean_sign_in(deployment: Deployment) {
    let stack = deployment.and_foreign_provider().start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    stack.let_access_tokens_expire().await;
    stack
        .provider()
        .instead_once(stack.endpoints().token, Instead::CutAnswer);

    browser
        .fetch("/api/notes")
        .await
        .assert_problem(401, "session-required");
    browser
        .fetch("/api/notes")
        .await
        .assert_problem(401, "session-required");

    assert_eq!(presented(&stack), 2, "and never again");
    assert!(stack.log().contains("refresh_answer_lost"));
    // The provider still knows who it is.
    browser.visit("/bff/login?returnUrl=/").await.assert_status(200);
    browser.fetch("/api/notes").await.assert_status(200);
}

/// Bounded: a provider that breaks every connection is left alone for a while.
async fn an_answer_that_is_lost_again_and_again_is_an_outage(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    stack.let_access_tokens_expire().await;
    stack.provider().instead(stack.endpoints().token, Instead::Cut);

    browser
        .fetch("/api/notes")
        .await
        .assert_unavailable("provider-unavailable");

    assert_eq!(presented(&stack), 3, "one refresh, tried three times");
    stack.provider().heal();
    eventually("the outage is over", async || {
        (browser.fetch("/api/notes").await.status == 200).then_some(())
    })
    .await;
}

fn presented(stack: &Stack) -> usize {
    let exchanges = stack.provider().exchanges_at(stack.endpoints().token);
    let tokens: Vec<_> = exchanges
        .iter()
        .filter_map(|exchange| exchange.form("refresh_token"))
        .collect();
    assert!(
        tokens.windows(2).all(|pair| pair[0] == pair[1]),
        "another token was presented"
    );
    tokens.len()
}

mod on_two_nodes {
    use super::Deployment;

    #[test]
    fn fifty_calls_cause_one_refresh() {
        e2e::story::run(super::fifty_calls_over_two_nodes_cause_one_refresh(
            Deployment::with_redis(),
        ));
    }

    #[test]
    fn fifty_calls_cause_one_refresh_at_a_foreign_provider() {
        let deployment = Deployment::with_redis().and_foreign_provider();
        e2e::story::run(super::fifty_calls_over_two_nodes_cause_one_refresh(deployment));
    }
}

on_every_store!(
    a_lost_answer_is_asked_for_again_at_once,
    an_answer_that_is_lost_again_and_again_is_an_outage,
);
on_one_store!(a_lost_answer_at_a_strict_provider_is_one_clean_sign_in);
on_redis!(
    a_failure_is_told_on_every_node,
    a_holder_that_vanished_is_followed_by_another,
    a_follower_does_not_wait_for_ever,
    logout_wins_over_a_refresh_that_waits_for_its_turn,
);
