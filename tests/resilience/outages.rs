//! An outage is no logout (52, 67): Redis or the provider goes away under the cluster and comes back.

use std::time::{Duration, Instant};

use e2e::browser::{Answer, Browser};
use e2e::cluster::{Cluster, Load, Node, Stolen};
use e2e::on_redis;
use e2e::stack::Deployment;
use e2e::wait::{eventually, eventually_within};

use crate::logouts::{STALENESS_BOUND, assert_nothing_served_after};
use crate::{LoadEverywhere, on_every_provider};

/// Several time-outs: a cluster's client finds out one after the other which servers hang, which ones have their slots now,
/// and connects to these.
const RETURN: Duration = Duration::from_secs(60);

/// Served, or told that it is not the user's fault; and the cookie is never touched.
#[track_caller]
fn assert_served_or_unavailable(answer: &Answer, code: &str) {
    if answer.status == 200 {
        assert!(!answer.headers.contains_key("set-cookie"), "{}", answer.summary());
    } else {
        answer.assert_unavailable(code);
    }
}

/// Asks every node until each has said that its store is away.
pub(super) async fn assert_all_unavailable(cluster: &Cluster, browser: &Browser, code: &str) {
    for node in cluster.nodes() {
        let browser = browser.at(node.address());
        eventually("the node notices", || async {
            let answer = browser.fetch("/api/notes").await;
            assert_served_or_unavailable(&answer, code);
            (answer.status == 503).then_some(())
        })
        .await;
    }
}

/// Asks every node until each serves again.
pub(super) async fn assert_all_serve(cluster: &Cluster, browser: &Browser, code: &str) {
    for node in cluster.nodes() {
        let browser = browser.at(node.address());
        eventually_within(RETURN, "the node serves again", || async {
            let answer = browser.fetch("/api/notes").await;
            assert_served_or_unavailable(&answer, code);
            (answer.status == 200).then_some(())
        })
        .await;
        browser.fetch("/api/notes").await.assert_status(200);
    }
}

/// However many requests met the outage, the log says that it began, and that it is over.
async fn assert_told_once(node: &Node) {
    let end = "changes of sessions are heard again";
    eventually(end, async || node.log().contains(end).then_some(())).await;
    let log = node.log();
    for told in [
        "the session store does not answer",
        "changes of sessions are not heard",
    ] {
        assert_eq!(log.matches(told).count(), 1, "{told}");
    }
    let loud = log.lines().filter(|line| line.contains(" ERROR ")).count();
    assert_eq!(loud, 1, "only the outage itself is an error");
}

/// What a story does to Redis, and undoes.
enum Outage {
    Killed,
    Hung,
}

async fn redis_goes_away_under_load(deployment: Deployment, outage: Outage) {
    let cluster = crate::start(deployment).await;
    let browser = cluster.browser_logged_in_as("alice").await;
    let cookie = browser.session_cookie();
    let load = LoadEverywhere::start(&cluster, &browser).await;
    let redis = cluster.stack().redis();

    match outage {
        Outage::Killed => redis.stop().await,
        Outage::Hung => redis.freeze().await,
    }
    assert_all_unavailable(&cluster, &browser, "store-unavailable").await;
    match outage {
        Outage::Killed => redis.start_again().await,
        Outage::Hung => redis.thaw().await,
    }
    assert_all_serve(&cluster, &browser, "store-unavailable").await;
    for node in cluster.nodes() {
        assert_told_once(node).await;
    }

    load.was_served_or_told_of_an_outage().await;
    assert_eq!(browser.session_cookie(), cookie);
}

async fn redis_is_killed_and_every_session_waits_for_it(deployment: Deployment) {
    redis_goes_away_under_load(deployment, Outage::Killed).await;
}

async fn redis_hangs_and_every_session_waits_for_it(deployment: Deployment) {
    redis_goes_away_under_load(deployment, Outage::Hung).await;
}

/// Redis goes away while new tokens come home, and is back a moment later: they are stored then, and used.
async fn new_tokens_outlive_a_restart_of_redis(deployment: Deployment) {
    let cluster = crate::start(deployment).await;
    let (_, b, _) = cluster.abc();
    let browser = cluster.browser_logged_in_as("alice").await;
    cluster.let_access_tokens_expire().await;
    let (provider, token) = (cluster.stack().provider(), cluster.stack().endpoints().token);
    let gate = provider.hold_answer(token);
    let call = browser.at(b.address()).fetch("/api/notes").spawn();
    gate.reached().await;

    cluster.stack().redis().stop().await;
    gate.open();
    eventually("the node cannot store the new tokens", || async {
        b.log().contains("new tokens could not be stored").then_some(())
    })
    .await;
    cluster.stack().redis().start_again().await;

    assert_served_or_unavailable(&call.await.unwrap(), "store-unavailable");
    assert_all_serve(&cluster, &browser, "store-unavailable").await;
    assert_eq!(provider.grants("refresh_token"), 1);
}

/// What was lost is lost: a clean 401 everywhere, no loop, and signing in is one round.
async fn a_flushed_redis_knows_nobody_and_loops_nobody(deployment: Deployment) {
    let cluster = crate::start(deployment).await;
    let browser = cluster.browser_logged_in_as("alice").await;
    let ticket = Stolen::from(cluster.stack(), &browser);
    let loads: Vec<_> = cluster
        .nodes()
        .iter()
        .map(|node| Load::start(2, &ticket, node.address(), "/api/notes"))
        .collect();
    for load in &loads {
        load.sees("the session is served", |answered| answered.status == 200)
            .await;
    }

    cluster.stack().redis().command(&["FLUSHALL"]).await;
    let bound = Instant::now() + STALENESS_BOUND;

    for load in loads {
        load.sees("requests after the bound", |answered| answered.sent > bound)
            .await;
        assert_nothing_served_after(bound, &load.stop().await);
    }
    for node in cluster.nodes() {
        for path in ["/bff/user", "/api/notes"] {
            ticket
                .fetch(node.address(), path)
                .await
                .assert_problem(401, "session-required");
        }
    }
    assert_eq!(cluster.stack().provider().grants("refresh_token"), 0);
    let landed = browser.visit("/page/lab/x").await;
    landed.assert_status(200);
    assert_eq!(landed.url.path(), "/page/lab/x");
    for node in cluster.nodes() {
        browser
            .at(node.address())
            .fetch("/api/notes")
            .await
            .assert_status(200);
    }
}

/// The provider is down for longer than the access token lives.
async fn the_provider_goes_away_and_every_session_waits_for_it(deployment: Deployment) {
    let cluster = crate::start(deployment).await;
    let browser = cluster.browser_logged_in_as("alice").await;
    let cookie = browser.session_cookie();
    // Every node has served, and the notes service has the provider's keys.
    assert_all_serve(&cluster, &browser, "provider-unavailable").await;
    cluster.stack().stop_provider().await;
    assert_all_serve(&cluster, &browser, "provider-unavailable").await;

    cluster.let_access_tokens_expire().await;
    assert_all_unavailable(&cluster, &browser, "provider-unavailable").await;
    for node in cluster.nodes() {
        browser
            .at(node.address())
            .fetch("/bff/user?slide=false")
            .await
            .assert_status(200);
    }
    cluster.stack().start_provider().await;

    assert_all_serve(&cluster, &browser, "provider-unavailable").await;
    assert_eq!(browser.session_cookie(), cookie);
    let answered = cluster
        .stack()
        .provider()
        .exchanges_at(cluster.stack().endpoints().token)
        .into_iter()
        .filter(|exchange| exchange.form("grant_type") == Some("refresh_token") && exchange.status.is_some());
    assert_eq!(answered.count(), 1, "one refresh, once there was somebody to ask");
}

on_redis!(
    redis_is_killed_and_every_session_waits_for_it,
    redis_hangs_and_every_session_waits_for_it,
    new_tokens_outlive_a_restart_of_redis,
    a_flushed_redis_knows_nobody_and_loops_nobody,
);
on_every_provider!(the_provider_goes_away_and_every_session_waits_for_it);
