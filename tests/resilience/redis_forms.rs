//! Redis changes its form under load: sentinels fail over, slots move, a replica takes over. An outage is no logout, and what
//! was replaced is not believed.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use e2e::browser::Browser;
use e2e::cluster::Cluster;
use e2e::redis::Redis;
use e2e::stack::Deployment;
use e2e::wait::eventually_within;
use http::Method;

use crate::LoadEverywhere;
use crate::outages::assert_all_serve;

/// What takes over takes its time: it waits until the other is surely gone, and then for a replica of its own.
const TAKING_OVER: Duration = Duration::from_secs(60);

async fn sign_out(browser: &Browser) {
    eventually_within(TAKING_OVER, "the logout is taken", || async {
        let answer = browser.fetch("/bff/logout").method(Method::POST).await;
        if answer.status != 200 {
            answer.assert_unavailable("store-unavailable");
        }
        (answer.status == 200).then_some(())
    })
    .await;
}

/// Not only reads: whatever took over takes the write of a refresh, on every node, and a new session.
async fn assert_works(cluster: &Cluster, browser: &Browser) {
    cluster.let_access_tokens_expire().await;
    eventually_within(TAKING_OVER, "a refresh is taken", || async {
        let answer = browser.fetch("/api/notes").await;
        if answer.status != 200 {
            answer.assert_unavailable("store-unavailable");
        }
        (answer.status == 200).then_some(())
    })
    .await;
    assert_all_serve(cluster, browser, "store-unavailable").await;
    let (_, b, _) = cluster.abc();
    let other = cluster.browser_logged_in_as("bob").await.at(b.address());
    other.fetch("/api/notes").await.assert_status(200);
}

/// The master stands still, another takes over, a user signs out there; then the old one is back, with all that it knew, and
/// takes itself for the master until it is told otherwise.
#[test]
fn a_master_that_hung_and_came_back_is_not_believed() {
    e2e::story::run(async {
        let cluster = crate::start(Deployment::with_redis_sentinel()).await;
        let (a, ..) = cluster.abc();
        let stays = cluster.browser_logged_in_as("alice").await;
        let leaves = cluster.browser_logged_in_as("bob").await;
        let cookie = stays.session_cookie();
        let set = cluster.stack().sentinel_set();
        let old = set.master().await;
        old.command(&["WAIT", "2", "5000"]).await;
        let (staying, leaving) = (
            LoadEverywhere::start(&cluster, &stays).await,
            LoadEverywhere::start(&cluster, &leaves).await,
        );

        old.freeze().await;
        staying.sees_next("the outage is felt", 503).await;
        set.wait_for_another_master_than(old).await;
        assert_all_serve(&cluster, &stays, "store-unavailable").await;
        sign_out(&leaves.at(a.address())).await;
        leaving.sees_next("the logout is known", 401).await;
        let known = Instant::now();
        old.thaw().await;
        set.wait_until_replica(old).await;
        staying.sees_next("the session is served", 200).await;
        leaving.sees_next("the logout is known", 401).await;

        staying.was_served_or_told_of_an_outage().await;
        for answers in leaving.stop().await {
            let wrong = answers.iter().find(|answered| match answered.status {
                // Signed out is signed out, whoever comes back.
                200 => answered.sent > known,
                401 | 503 => false,
                _ => true,
            });
            assert!(wrong.is_none(), "{wrong:?}");
        }
        assert_eq!(stays.session_cookie(), cookie);
        assert_works(&cluster, &stays).await;
    });
}

#[test]
fn sentinels_replace_a_master_that_was_killed() {
    e2e::story::run(async {
        let cluster = crate::start(Deployment::with_redis_sentinel()).await;
        let browser = cluster.browser_logged_in_as("alice").await;
        let cookie = browser.session_cookie();
        let set = cluster.stack().sentinel_set();
        let old = set.master().await;
        old.command(&["WAIT", "2", "5000"]).await;
        let load = LoadEverywhere::start(&cluster, &browser).await;

        old.stop().await;
        load.sees_next("the outage is felt", 503).await;
        set.wait_for_another_master_than(old).await;
        assert_all_serve(&cluster, &browser, "store-unavailable").await;

        load.was_served_or_told_of_an_outage().await;
        assert_eq!(browser.session_cookie(), cookie);
        assert_works(&cluster, &browser).await;
    });
}

/// Its slots, one after the other, move to another server; whoever asks the old one is sent on.
#[test]
fn slots_move_under_load() {
    e2e::story::run(async {
        let cluster = crate::start(Deployment::with_redis_cluster()).await;
        let browser = cluster.browser_logged_in_as("alice").await;
        let cookie = browser.session_cookie();
        let load = LoadEverywhere::start(&cluster, &browser).await;
        let redis = cluster.stack().redis_cluster();

        for (from, key) in redis.keys().await {
            let moving = redis.begin_to_move(from, &key).await;
            load.sees_next("the session is served from a slot that moves", 200)
                .await;
            moving.finish().await;
            load.sees_next("the session is served from a slot that has moved", 200)
                .await;
        }

        load.was_served_or_told_of_an_outage().await;
        assert_eq!(browser.session_cookie(), cookie);
        assert_works(&cluster, &browser).await;
    });
}

/// Whoever signs in next whose session is not at this master.
async fn somebody_apart_from(cluster: &Cluster, master: &Redis) -> Browser {
    let redis = cluster.stack().redis_cluster();
    for _ in 0..20 {
        let before: HashSet<_> = redis.keys().await.into_iter().map(|(_, key)| key).collect();
        let browser = cluster.browser_logged_in_as("bob").await;
        let is_apart = redis.keys().await.iter().all(|(at, key)| {
            let leads_to_it = key.ends_with(":session") || key.contains(":ticket:");
            !leads_to_it || before.contains(key) || at.port() != master.port()
        });
        if is_apart {
            return browser;
        }
    }
    panic!("twenty sessions at one of three masters");
}

/// The master that has the session, `kill -9` and `SIGSTOP`.
async fn a_replica_takes_over(take_away: impl AsyncFn(&Redis), bring_back: impl AsyncFn(&Redis)) {
    let cluster = crate::start(Deployment::with_replicated_redis_cluster()).await;
    let browser = cluster.browser_logged_in_as("alice").await;
    let cookie = browser.session_cookie();
    let redis = cluster.stack().redis_cluster();
    let keys = redis.keys().await;
    let (old, _) = keys
        .iter()
        .find(|(_, key)| key.ends_with(":session"))
        .expect("a session is stored");
    let apart = somebody_apart_from(&cluster, old).await;
    old.command(&["WAIT", "1", "5000"]).await;
    let load = LoadEverywhere::start(&cluster, &browser).await;
    let load_apart = LoadEverywhere::start(&cluster, &apart).await;

    take_away(old).await;
    load.sees_next("the outage is felt", 503).await;
    load_apart
        .sees_next("a session at another master is served meanwhile", 200)
        .await;
    assert_eq!(
        redis.masters_but(Some(old)).await.len(),
        2,
        "nobody has taken over yet"
    );
    redis.wait_for_the_replica_of(old).await;
    assert_all_serve(&cluster, &browser, "store-unavailable").await;
    assert_works(&cluster, &browser).await;
    bring_back(old).await;
    assert_all_serve(&cluster, &browser, "store-unavailable").await;

    load_apart.was_served_or_told_of_an_outage().await;
    load.was_served_or_told_of_an_outage().await;
    assert_eq!(browser.session_cookie(), cookie);
}

#[test]
fn a_replica_takes_over_from_a_master_that_was_killed() {
    e2e::story::run(a_replica_takes_over(
        async |redis| redis.stop().await,
        async |redis| redis.start_again().await,
    ));
}

#[test]
fn a_replica_takes_over_from_a_master_that_hung() {
    e2e::story::run(a_replica_takes_over(
        async |redis| redis.freeze().await,
        async |redis| redis.thaw().await,
    ));
}
