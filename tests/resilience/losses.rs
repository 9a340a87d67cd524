//! Answers that are lost, and nodes that die or stand still in the middle of a refresh (49–51): the session recovers, or
//! its user signs in again once, and never is there a loop.

use std::time::Duration;

use e2e::browser::{Answer, Browser};
use e2e::cluster::Cluster;
use e2e::relay::Instead;
use e2e::stack::{Deployment, ProviderKind};
use e2e::wait::{eventually, eventually_within};

use crate::{SEALED, on_every_provider};

/// With a provider that answers within a second, a lease is short, and a story need not wait long for its end.
fn impatient(deployment: Deployment) -> Deployment {
    deployment.with_provider_timeout("1s")
}

/// Asks all nodes until one of them has an answer that counts: an outage is passing.
async fn settled(cluster: &Cluster, browser: &Browser) -> Answer {
    eventually_within(
        Duration::from_secs(60),
        "the session is served or over",
        || async {
            for node in cluster.nodes() {
                let answer = browser.at(node.address()).fetch("/api/notes").await;
                if answer.status != 503 {
                    return Some(answer);
                }
            }
            None
        },
    )
    .await
}

/// What is promised when nobody can know whether the refresh token was used up: our provider forgives, so the session
/// goes on; one that does not forgive costs one sign-in and nothing else.
async fn assert_recovered(cluster: &Cluster, browser: &Browser, kind: ProviderKind) {
    let answer = settled(cluster, browser).await;
    let asked = cluster.stack().provider().grants("refresh_token");
    assert!(asked <= 2, "the provider was asked {asked} times");
    match kind {
        ProviderKind::Ours => {
            answer.assert_status(200);
        }
        ProviderKind::Foreign => {
            answer.assert_problem(401, "session-required");
            for node in cluster.nodes() {
                let browser = browser.at(node.address());
                for path in ["/api/notes", "/bff/user"] {
                    browser.fetch(path).await.assert_problem(401, "session-required");
                }
            }
            assert_eq!(
                cluster.stack().provider().grants("refresh_token"),
                asked,
                "a session that is over asks nobody"
            );
            // The provider knows its user still: one round without a form.
            let landed = browser.visit("/page/lab/x").await;
            landed.assert_status(200);
            assert_eq!(landed.url.path(), "/page/lab/x");
        }
    }
    for node in cluster.nodes() {
        let browser = browser.at(node.address());
        browser.fetch("/api/notes").await.assert_status(200);
    }
    assert_eq!(cluster.stack().provider().grants("refresh_token"), asked);
    // What was stored in the end is the newest: it can be renewed once more.
    cluster.let_access_tokens_expire().await;
    browser.fetch("/api/notes").await.assert_status(200);
    assert_eq!(cluster.stack().provider().grants("refresh_token"), asked + 1);
}

/// The provider has rotated, and its answer never arrives.
async fn an_answer_that_is_lost_costs_one_sign_in_at_most(deployment: Deployment) {
    let kind = deployment.provider_kind();
    let cluster = crate::start(deployment).await;
    let browser = cluster.browser_logged_in_as("alice").await;
    cluster.let_access_tokens_expire().await;
    let token = cluster.stack().endpoints().token;
    cluster.stack().provider().instead_once(token, Instead::CutAnswer);

    let (a, ..) = cluster.abc();
    let answer = browser.at(a.address()).fetch("/api/notes").await;
    assert!(matches!(answer.status, 200 | 401 | 503), "{}", answer.summary());

    assert_recovered(&cluster, &browser, kind).await;
}

/// `kill -9` while the answer is on its way to the node.
async fn a_node_killed_before_the_answer_costs_one_sign_in_at_most(deployment: Deployment) {
    let kind = deployment.provider_kind();
    let cluster = crate::start(impatient(deployment)).await;
    let (_, b, c) = cluster.abc();
    let browser = cluster.browser_logged_in_as("alice").await.at(c.address());
    cluster.let_access_tokens_expire().await;
    let gate = cluster
        .stack()
        .provider()
        .hold_answer(cluster.stack().endpoints().token);

    let call = browser.at(b.address()).fetch("/api/notes").spawn();
    gate.reached().await;
    call.abort();
    b.kill().await;
    cluster.stack().provider().heal();
    gate.open();
    b.start_again().await;

    assert_recovered(&cluster, &browser, kind).await;
}

/// `kill -9` between the answer and the write: the new tokens were in the node's hands, and on their way to Redis.
async fn a_node_killed_before_its_write_costs_one_sign_in_at_most(deployment: Deployment) {
    let kind = deployment.provider_kind();
    let cluster = crate::start(impatient(deployment)).await;
    let (_, b, c) = cluster.abc();
    let browser = cluster.browser_logged_in_as("alice").await.at(c.address());
    cluster.let_access_tokens_expire().await;
    let gate = cluster
        .stack()
        .provider()
        .hold_answer(cluster.stack().endpoints().token);

    let call = browser.at(b.address()).fetch("/api/notes").spawn();
    gate.reached().await;
    b.link().hold_outward();
    cluster.stack().provider().heal();
    gate.open();
    b.link().holds("the node writes the new tokens", SEALED).await;
    call.abort();
    b.kill().await;
    b.link().heal();
    b.start_again().await;

    assert_recovered(&cluster, &browser, kind).await;
}

/// `SIGSTOP` with the lease in hand. Another node goes on, and the one that wakes up changes nothing.
async fn a_node_that_stood_still_changes_nothing(deployment: Deployment) {
    let kind = deployment.provider_kind();
    let cluster = crate::start(impatient(deployment)).await;
    let (_, b, c) = cluster.abc();
    let browser = cluster.browser_logged_in_as("alice").await.at(c.address());
    cluster.let_access_tokens_expire().await;
    let gate = cluster
        .stack()
        .provider()
        .hold_answer(cluster.stack().endpoints().token);
    let late = browser.at(b.address()).fetch("/api/notes").spawn();
    gate.reached().await;
    b.freeze().await;
    cluster.stack().provider().heal();
    gate.open();

    let answer = eventually_within(Duration::from_secs(60), "another node goes on", || async {
        let answer = browser.fetch("/api/notes").await;
        (answer.status != 503).then_some(answer)
    })
    .await;
    let expected = match kind {
        ProviderKind::Ours => 200,
        ProviderKind::Foreign => 401,
    };
    answer.assert_status(expected);
    let before = cluster.sessions_in_redis().await;
    b.thaw().await;

    // By now the session is what the other node made of it, and the late one says so too.
    let late = late.await.unwrap();
    assert!(
        late.status == expected || late.status == 503,
        "{}",
        late.summary()
    );
    eventually("the node that stood still catches up", || async {
        let answer = browser.at(b.address()).fetch("/api/notes").await;
        (answer.status == expected).then_some(())
    })
    .await;
    assert_eq!(cluster.sessions_in_redis().await, before, "it wrote");
    assert_recovered(&cluster, &browser, kind).await;
}

/// `SIGTERM` in the middle of a refresh: the node finishes it, and the others go on with what it brought home.
async fn a_node_that_is_told_to_stop_finishes_its_refresh(deployment: Deployment) {
    let cluster = crate::start(deployment).await;
    let (a, b, c) = cluster.abc();
    let browser = cluster.browser_logged_in_as("alice").await;
    cluster.let_access_tokens_expire().await;
    let gate = cluster
        .stack()
        .provider()
        .hold_answer(cluster.stack().endpoints().token);
    let call = browser.at(b.address()).fetch("/api/notes").spawn();
    gate.reached().await;

    let ((), ()) = tokio::join!(b.stop(), async {
        eventually("the node takes no more connections", || async {
            tokio::net::TcpStream::connect(b.address())
                .await
                .is_err()
                .then_some(())
        })
        .await;
        gate.open();
    });

    call.await.unwrap().assert_status(200);
    for node in [a, c] {
        let browser = browser.at(node.address());
        browser.fetch("/api/notes").await.assert_status(200);
    }
    assert_eq!(cluster.stack().provider().grants("refresh_token"), 1);
}

on_every_provider!(
    an_answer_that_is_lost_costs_one_sign_in_at_most,
    a_node_killed_before_the_answer_costs_one_sign_in_at_most,
    a_node_killed_before_its_write_costs_one_sign_in_at_most,
    a_node_that_stood_still_changes_nothing,
    a_node_that_is_told_to_stop_finishes_its_refresh,
);
