//! Many nodes and one refresh token: one refresh for each expiry, however many requests wait for it wherever (47–49).

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use e2e::cluster::{Cluster, Stolen};
use e2e::stack::Deployment;
use e2e::wait::within_patience;
use futures_util::future::join_all;
use http::Method;

use crate::on_every_provider;

const SESSIONS: usize = 20;
const REQUESTS: usize = 100;

async fn one_refresh_with_a_quick_provider(deployment: Deployment) {
    two_thousand_requests_cause_twenty_refreshes(deployment, Duration::ZERO).await;
}

async fn one_refresh_with_a_provider_of_two_seconds(deployment: Deployment) {
    two_thousand_requests_cause_twenty_refreshes(deployment, Duration::from_secs(2)).await;
}

async fn one_refresh_with_a_provider_of_ten_seconds(deployment: Deployment) {
    two_thousand_requests_cause_twenty_refreshes(deployment, Duration::from_secs(10)).await;
}

/// Twenty sessions expire at once, and a hundred requests of each come in at once, spread over three nodes.
async fn two_thousand_requests_cause_twenty_refreshes(deployment: Deployment, delay: Duration) {
    assert_enough_files();
    // Two thousand requests at once on a busy machine: what is counted here are refreshes, not milliseconds.
    let deployment = deployment.with_provider_timeout("20s").with_redis_timeout("20s");
    let cluster = Cluster::start(deployment, crate::NODE).await;
    let mut browsers = Vec::new();
    for _ in 0..SESSIONS {
        browsers.push(cluster.browser_logged_in_as("alice").await.without_pool());
    }
    cluster.let_access_tokens_expire().await;
    let (provider, token) = (cluster.stack().provider(), cluster.stack().endpoints().token);
    provider.delay(token, delay);

    let nodes = cluster.nodes();
    let calls = (0..REQUESTS).flat_map(|number| {
        let node = nodes[number % nodes.len()].address();
        let browsers = browsers.iter().enumerate();
        browsers
            .map(move |(session, browser)| browser.at(node).fetch(&format!("/api/lab/of-{session}")).spawn())
    });
    for answer in join_all(calls.collect::<Vec<_>>()).await {
        answer.unwrap().assert_status(200);
    }

    assert_eq!(provider.grants("refresh_token"), SESSIONS);
    let mut used: HashMap<_, Vec<_>> = HashMap::new();
    for received in cluster.stack().upstream().received() {
        let token = received.header("authorization");
        used.entry(received.target.clone()).or_default().push(token);
    }
    assert!(
        used.len() == SESSIONS && used.values().all(|tokens| tokens.len() == REQUESTS),
        "a request is missing"
    );
    let tokens: HashSet<_> = used
        .values()
        .map(|tokens| {
            let first = &tokens[0];
            assert!(
                tokens.iter().all(|token| token == first),
                "a session used two tokens"
            );
            first
        })
        .collect();
    assert_eq!(tokens.len(), SESSIONS, "two sessions used one token");
    for browser in &browsers {
        // And it is a token that an API takes.
        browser.fetch("/api/notes").await.assert_status(200);
    }
}

/// A node that waits for another one's refresh hears of the logout on a third.
async fn who_waits_for_another_node_hears_of_a_logout(deployment: Deployment) {
    let cluster = crate::start(deployment).await;
    let (a, b, c) = cluster.abc();
    let browser = cluster.browser_logged_in_as("alice").await;
    let ticket = Stolen::from(cluster.stack(), &browser);
    cluster.let_access_tokens_expire().await;
    let (provider, token) = (cluster.stack().provider(), cluster.stack().endpoints().token);
    let gate = provider.hold_answer(token);
    let leader = ticket.fetch(b.address(), "/api/notes").spawn();
    gate.reached().await;
    c.link().listen_in();
    let follower = ticket.fetch(c.address(), "/api/notes").spawn();
    // Redis's word for a lease that somebody else has: the second node has asked for it and been told to wait.
    c.link()
        .hears("the second node is told to wait", b"$4\r\nheld\r\n")
        .await;
    assert!(!follower.is_finished(), "it waits");

    browser
        .at(a.address())
        .fetch("/bff/logout")
        .method(Method::POST)
        .await
        .assert_status(200);
    // It is the logout that ends this wait, not the refresh, which is still under way.
    let follower = within_patience("the second node hears of the logout", follower).await;
    follower.unwrap().assert_problem(401, "session-required");
    gate.open();

    leader.await.unwrap().assert_problem(401, "session-required");
    assert_eq!(provider.grants("refresh_token"), 1);
}

/// Each of two thousand requests takes two connections with an end in this process. Nodes inherit the limit.
#[track_caller]
fn assert_enough_files() {
    let allowed = rlimit::increase_nofile_limit(10_000).unwrap_or(0);
    assert!(
        allowed >= 5_000,
        "this test opens about 4,000 connections, and the hard limit is {allowed}"
    );
}

on_every_provider!(
    one_refresh_with_a_quick_provider,
    one_refresh_with_a_provider_of_two_seconds,
    one_refresh_with_a_provider_of_ten_seconds,
    who_waits_for_another_node_hears_of_a_logout,
);
