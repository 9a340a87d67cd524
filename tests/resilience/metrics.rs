//! What one node counts, in a process in which nobody else counts.

use e2e::cluster::{Cluster, Node};
use e2e::on_redis;
use e2e::stack::Deployment;
use e2e::wait::eventually;
use http::Method;

async fn metrics(node: &Node) -> String {
    let address = node.management().expect("the node is administered");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let asked = client.get(format!("http://{address}/metrics")).send();
    asked.await.unwrap().text().await.unwrap()
}

/// The value of one line.
fn value(metrics: &str, line: &str) -> f64 {
    let found = metrics.lines().find_map(|told| told.strip_prefix(line));
    found.map_or(0.0, |value| value.trim().parse().unwrap())
}

async fn a_node_counts_what_it_does_and_another_does_not(deployment: Deployment) {
    let cluster: Cluster = crate::start(deployment.with_administration()).await;
    let (a, b, c) = cluster.abc();
    let browser = cluster.browser_logged_in_as("alice").await;
    let second = browser.at(b.address());
    second.fetch("/api/notes").await.assert_status(200);
    second.fetch("/api/notes").await.assert_status(200);
    second
        .fetch("/api/lab/cut")
        .await
        .assert_problem(502, "upstream-unavailable");
    cluster.let_access_tokens_expire().await;
    let gate = cluster.stack().provider().hold(cluster.stack().endpoints().token);
    let refreshing = second.fetch("/api/notes").spawn();
    gate.reached().await;
    let waiting = browser.at(c.address()).fetch("/api/notes").spawn();
    eventually("the third node waits", async || {
        let told = metrics(c).await;
        let asked = "bff_store_duration_seconds_count{operation=\"lease\",outcome=\"ok\"}";
        (value(&told, asked) > 0.0).then_some(())
    })
    .await;
    gate.open();
    for call in [refreshing, waiting] {
        call.await.unwrap().assert_status(200);
    }
    browser
        .at(b.address())
        .fetch("/bff/logout")
        .method(Method::POST)
        .await
        .assert_status(200);

    let (first, second, third) = (metrics(a).await, metrics(b).await, metrics(c).await);
    for (node, line, expected) in [
        (&first, "bff_logins_total{outcome=\"completed\"}", 1.0),
        (&second, "bff_logins_total{outcome=\"completed\"}", 0.0),
        (&first, "bff_sessions_started_total", 1.0),
        (&first, "bff_sessions_ended_total{reason=\"logout\"}", 0.0),
        (&second, "bff_sessions_ended_total{reason=\"logout\"}", 1.0),
        (&second, "bff_token_refreshes_total{outcome=\"served\"}", 1.0),
        (&second, "bff_problems_total{code=\"upstream-unavailable\"}", 1.0),
        (&third, "bff_lease_wait_seconds_count", 1.0),
        (&second, "bff_changes_heard", 1.0),
    ] {
        assert_eq!(value(node, line), expected, "{line} in\n{node}");
    }
    for line in [
        "bff_replica_lookups_total{outcome=\"hit\"}",
        "bff_replica_lookups_total{outcome=\"miss\"}",
        "bff_invalidation_lag_seconds_count",
        "bff_token_refresh_duration_seconds_count{outcome=\"served\"}",
        "bff_store_duration_seconds_count{operation=\"load\",outcome=\"ok\"}",
        "bff_connections",
    ] {
        assert!(value(&second, line) > 0.0, "{line} in\n{second}");
    }
}

on_redis!(a_node_counts_what_it_does_and_another_does_not);
