//! Signing out on one node while others refresh and serve (59, 62): an ended session stays ended, everywhere.

use std::time::{Duration, Instant};

use e2e::browser::Browser;
use e2e::cluster::{Answered, Cluster, Load, Stolen};
use e2e::on_redis;
use e2e::stack::Deployment;
use e2e::wait::eventually;
use http::Method;

use crate::{SEALED, on_every_provider};

/// For how long a node may go on with what it knows of a session, at most.
pub(crate) const STALENESS_BOUND: Duration = Duration::from_secs(1);

async fn sign_out(browser: &Browser) {
    browser
        .fetch("/bff/logout")
        .method(Method::POST)
        .await
        .assert_status(200);
}

async fn assert_over(cluster: &Cluster, ticket: &Stolen) {
    for node in cluster.nodes() {
        for path in ["/api/notes", "/bff/user"] {
            ticket
                .fetch(node.address(), path)
                .await
                .assert_problem(401, "session-required");
        }
    }
    let stored = cluster.sessions_in_redis().await;
    assert!(stored.is_empty(), "the session has come back: {stored:?}");
}

/// What the provider handed out last for the session was given back to it.
async fn assert_newest_token_revoked(cluster: &Cluster) {
    let (stack, revoke) = (cluster.stack(), cluster.stack().endpoints().revoke);
    let newest = stack.newest_refresh_token();
    eventually("the newest refresh token is revoked", || async {
        let revocations = stack.provider().exchanges_at(revoke);
        let told = revocations
            .iter()
            .find(|exchange| exchange.form("token") == Some(&newest))?;
        (told.status? == 200).then_some(())
    })
    .await;
    let (status, answer) = stack.present_refresh_token(&newest).await;
    assert_eq!((status, &answer["error"]), (400, &"invalid_grant".into()));
}

/// Where a refresh is when the user signs out.
#[derive(Clone, Copy, PartialEq)]
enum Point {
    Sending,
    Answering,
    Storing,
}

/// One node refreshes, and the user signs out on another.
async fn logout_during_a_refresh(deployment: Deployment, point: Point) {
    let cluster = crate::start(deployment).await;
    let (a, b, _) = cluster.abc();
    let browser = cluster.browser_logged_in_as("alice").await;
    let ticket = Stolen::from(cluster.stack(), &browser);
    cluster.let_access_tokens_expire().await;
    let (provider, token) = (cluster.stack().provider(), cluster.stack().endpoints().token);
    let gate = match point {
        Point::Sending => provider.hold(token),
        Point::Answering | Point::Storing => provider.hold_answer(token),
    };
    let call = ticket.fetch(b.address(), "/api/notes").spawn();
    gate.reached().await;
    if point == Point::Storing {
        b.link().hold_outward();
        gate.open();
        b.link().holds("the node writes the new tokens", SEALED).await;
    }

    sign_out(&browser.at(a.address())).await;
    gate.open();
    b.link().heal();

    let answer = call.await.unwrap();
    // A node whose write took too long says that it cannot reach its store.
    if answer.status == 503 && point == Point::Storing {
        answer.assert_unavailable("store-unavailable");
    } else {
        answer.assert_problem(401, "session-required");
    }
    assert_over(&cluster, &ticket).await;
    assert_eq!(provider.grants("refresh_token"), 1);
    let received = cluster.stack().upstream().received();
    assert!(received.is_empty(), "the new access token was used");
    assert_newest_token_revoked(&cluster).await;
}

async fn logout_wins_over_a_refresh_that_has_not_arrived(deployment: Deployment) {
    logout_during_a_refresh(deployment, Point::Sending).await;
}

async fn logout_wins_over_a_refresh_whose_answer_is_on_its_way(deployment: Deployment) {
    logout_during_a_refresh(deployment, Point::Answering).await;
}

async fn logout_wins_over_a_refresh_that_is_about_to_be_stored(deployment: Deployment) {
    logout_during_a_refresh(deployment, Point::Storing).await;
}

/// Redis has ended the session, and the node does not learn it: its connection breaks, or stays and is silent.
async fn a_logout_whose_answer_is_lost(deployment: Deployment, breaks: bool) {
    let cluster = crate::start(deployment).await;
    let (a, ..) = cluster.abc();
    let browser = cluster.browser_logged_in_as("alice").await;
    let (ticket, cookie) = (Stolen::from(cluster.stack(), &browser), browser.session_cookie());
    let end = include_str!("../../bff/src/session/redis/end_at.lua");
    let end = cluster.stack().redis().command(&["SCRIPT", "LOAD", end]).await;
    a.link().hold_answer_to(end[0].as_bytes());

    let call = browser
        .at(a.address())
        .fetch("/bff/logout")
        .method(Method::POST)
        .spawn();
    eventually("the session has ended", || async {
        cluster.sessions_in_redis().await.is_empty().then_some(())
    })
    .await;
    if breaks {
        a.link().break_connections();
        a.link().heal();
        call.await.unwrap().assert_status(200);
    } else {
        // Nobody knows what came of it: the user is told so, and may do it again.
        call.await.unwrap().assert_unavailable("store-unavailable");
        assert_eq!(browser.session_cookie(), cookie);
        a.link().heal();
        eventually("the user signs out once more", || async {
            let again = browser.at(a.address()).fetch("/bff/logout");
            let again = again.method(Method::POST).await;
            (again.status == 200).then_some(())
        })
        .await;
    }

    assert_eq!(browser.session_cookie(), None);
    assert_over(&cluster, &ticket).await;
    assert_newest_token_revoked(&cluster).await;
}

async fn a_logout_whose_connection_breaks_is_complete(deployment: Deployment) {
    a_logout_whose_answer_is_lost(deployment, true).await;
}

async fn a_logout_that_is_not_answered_revokes_all_the_same(deployment: Deployment) {
    a_logout_whose_answer_is_lost(deployment, false).await;
}

/// No request that was sent later was served.
#[track_caller]
pub(crate) fn assert_nothing_served_after(instant: Instant, answers: &[Answered]) {
    let late: Vec<_> = answers
        .iter()
        .filter(|answered| answered.status == 200 && answered.sent > instant)
        .map(|answered| answered.sent - instant)
        .collect();
    assert!(late.is_empty(), "the session was served, too late by {late:?}");
}

/// Signing out on one node, under load on the others.
async fn a_logout_reaches_every_node_within_the_bound(deployment: Deployment) {
    let cluster = crate::start(deployment).await;
    let (a, b, c) = cluster.abc();
    let browser = cluster.browser_logged_in_as("alice").await;
    let ticket = Stolen::from(cluster.stack(), &browser);
    let loads = [b, c].map(|node| Load::start(4, &ticket, node.address(), "/api/notes"));
    for load in &loads {
        load.sees("the session is served", |answered| answered.status == 200)
            .await;
    }

    sign_out(&browser.at(a.address())).await;
    let bound = Instant::now() + STALENESS_BOUND;

    for load in loads {
        load.sees("requests after the bound", |answered| answered.sent > bound)
            .await;
        let answers = load.stop().await;
        assert_nothing_served_after(bound, &answers);
        assert!(
            answers
                .iter()
                .all(|answered| matches!(answered.status, 200 | 401)),
            "{answers:?}"
        );
    }
    assert_over(&cluster, &ticket).await;
}

/// A node that Redis cannot reach does not hear of the logout, and knows that it would not.
async fn a_node_that_is_cut_off_serves_nobody_beyond_the_bound(deployment: Deployment) {
    let cluster = crate::start(deployment).await;
    let (a, b, c) = cluster.abc();
    let browser = cluster.browser_logged_in_as("alice").await;
    let ticket = Stolen::from(cluster.stack(), &browser);
    let load = Load::start(4, &ticket, b.address(), "/api/notes");
    load.sees("the session is served", |answered| answered.status == 200)
        .await;

    b.link().cut();
    let bound = Instant::now() + STALENESS_BOUND;
    sign_out(&browser.at(a.address())).await;

    load.sees("an outage after the bound", |answered| {
        answered.sent > bound && answered.status == 503
    })
    .await;
    ticket
        .fetch(b.address(), "/api/notes")
        .await
        .assert_unavailable("store-unavailable");
    ticket
        .fetch(c.address(), "/api/notes")
        .await
        .assert_problem(401, "session-required");

    b.link().heal();
    load.sees("the node hears of the logout", |answered| answered.status == 401)
        .await;
    let answers = load.stop().await;
    assert_nothing_served_after(bound, &answers);
    let first_refusal = answers.iter().find(|answered| answered.status == 401);
    assert_nothing_served_after(first_refusal.unwrap().received, &answers);
    assert_over(&cluster, &ticket).await;
}

/// A node that is cut off for a while and then hears again: nobody was signed out.
async fn a_session_outlives_the_isolation_of_a_node(deployment: Deployment) {
    let cluster = crate::start(deployment).await;
    let (_, b, c) = cluster.abc();
    let browser = cluster.browser_logged_in_as("alice").await;
    let cookie = browser.session_cookie();
    browser
        .at(b.address())
        .fetch("/api/notes")
        .await
        .assert_status(200);

    b.link().cut();
    eventually("the node knows that it is cut off", || async {
        let answer = browser.at(b.address()).fetch("/api/notes").await;
        if answer.status != 200 {
            answer.assert_unavailable("store-unavailable");
        }
        (answer.status == 503).then_some(())
    })
    .await;
    browser
        .at(c.address())
        .fetch("/api/notes")
        .await
        .assert_status(200);
    b.link().heal();

    eventually("the node serves again", || async {
        let answer = browser.at(b.address()).fetch("/api/notes").await;
        if answer.status != 200 {
            answer.assert_unavailable("store-unavailable");
        }
        (answer.status == 200).then_some(())
    })
    .await;
    assert_eq!(browser.session_cookie(), cookie);
}

on_every_provider!(
    logout_wins_over_a_refresh_that_has_not_arrived,
    logout_wins_over_a_refresh_whose_answer_is_on_its_way,
    logout_wins_over_a_refresh_that_is_about_to_be_stored,
    a_logout_whose_connection_breaks_is_complete,
    a_logout_that_is_not_answered_revokes_all_the_same,
);
on_redis!(
    a_logout_reaches_every_node_within_the_bound,
    a_node_that_is_cut_off_serves_nobody_beyond_the_bound,
    a_session_outlives_the_isolation_of_a_node,
);
