//! An operator at one node ends sessions on all of them.

use std::time::Instant;

use e2e::browser::Browser;
use e2e::cluster::{Cluster, Load, Stolen};
use e2e::on_redis;
use e2e::stack::Deployment;
use e2e::wait::{eventually, within_patience};
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::logouts::{STALENESS_BOUND, assert_nothing_served_after};

/// Everybody signs in at the first node and is then in the memory of all.
async fn signed_in_everywhere(cluster: &Cluster, name: &str) -> (Browser, Stolen) {
    let browser = cluster.browser_logged_in_as(name).await;
    let ticket = Stolen::from(cluster.stack(), &browser);
    for node in cluster.nodes() {
        ticket
            .fetch(node.address(), "/api/notes")
            .await
            .assert_status(200);
    }
    (browser, ticket)
}

async fn sub_of(browser: &Browser) -> String {
    let claims = browser.fetch("/bff/user").await.json();
    claims[0]["value"].as_str().expect("sub comes first").to_owned()
}

async fn what_an_operator_ends_is_over_on_every_node(deployment: Deployment) {
    let cluster = crate::start(deployment.with_administration()).await;
    let (a, b, c) = cluster.abc();
    let (browser, alice) = signed_in_everywhere(&cluster, "alice").await;
    let (_, also_alice) = signed_in_everywhere(&cluster, "alice").await;
    let (_, bob) = signed_in_everywhere(&cluster, "bob").await;
    let sub = sub_of(&browser).await;
    assert_eq!(cluster.operator_of(c).list("user", &sub).await.len(), 2);

    let loads = [a, c].map(|node| Load::start(2, &alice, node.address(), "/api/notes"));
    for load in &loads {
        load.sees("the session is served", |answered| answered.status == 200)
            .await;
    }

    assert_eq!(cluster.operator_of(b).end("user", &sub).await, 2);
    let bound = Instant::now() + STALENESS_BOUND;

    for load in loads {
        load.sees("requests after the bound", |answered| answered.sent > bound)
            .await;
        assert_nothing_served_after(bound, &load.stop().await);
    }
    for node in cluster.nodes() {
        for ticket in [&alice, &also_alice] {
            let answer = ticket.fetch(node.address(), "/api/notes").await;
            answer.assert_problem(401, "session-required");
        }
        bob.fetch(node.address(), "/api/notes").await.assert_status(200);
    }
    assert_eq!(cluster.operator_of(c).end("all", "true").await, 1);
    assert!(cluster.sessions_in_redis().await.is_empty());
}

/// The operator's connection breaks in the middle.
async fn an_ending_goes_on_when_nobody_waits_for_it(deployment: Deployment) {
    let cluster = crate::start(deployment.with_administration()).await;
    let (a, b, _) = cluster.abc();
    for name in ["alice", "bob"] {
        signed_in_everywhere(&cluster, name).await;
    }
    let operator = cluster.operator_of(b);
    b.link().hold_outward();
    let mut connection = TcpStream::connect(operator.address()).await.unwrap();
    let request = format!(
        "{} /admin/sessions?all=true HTTP/1.1\r\nHost: bff\r\nAuthorization: {}\r\n\r\n",
        Method::DELETE,
        operator.authorization()
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    b.link().holds("the node looks for all sessions", b"SCAN").await;

    connection.shutdown().await.unwrap();
    let mut rest = Vec::new();
    within_patience(
        "the node lets go of the connection",
        connection.read_to_end(&mut rest),
    )
    .await
    .unwrap();
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    b.link().heal();

    eventually("all sessions have ended", async || {
        cluster.sessions_in_redis().await.is_empty().then_some(())
    })
    .await;
    eventually("the trail says so", async || {
        b.log().contains("an operator ended sessions").then_some(())
    })
    .await;
    assert_eq!(cluster.operator_of(a).list("all", "true").await.len(), 0);
}

on_redis!(
    what_an_operator_ends_is_over_on_every_node,
    an_ending_goes_on_when_nobody_waits_for_it,
);
