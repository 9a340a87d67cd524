//! Redis changes under the feet of live sessions: a failover, a reshard, one server of several that is gone or hangs. The answer
//! is 200 or 503, the cookie stays, and the same session works afterwards.

use e2e::browser::Browser;
use e2e::stack::Deployment;
use e2e::wait::eventually;

use crate::until_the_store_is_missed;

/// Asks until the session is served, and takes nothing on the way but an outage.
async fn comes_back(browser: &Browser, ticket: &Option<String>) {
    eventually("the session is found again", || async {
        let answer = browser.fetch("/api/notes").await;
        assert_eq!(browser.session_cookie(), *ticket, "the cookie changed");
        match answer.status {
            200 => Some(()),
            503 => {
                answer.assert_unavailable("store-unavailable");
                None
            }
            _ => panic!("an outage is no logout: {}", answer.summary()),
        }
    })
    .await;
}

#[test]
fn sentinels_fail_over_and_the_session_goes_on() {
    e2e::story::run(async {
        let stack = Deployment::with_redis_sentinel().start().await;
        let browser = stack.browser_logged_in_as("alice").await;
        browser.fetch("/api/notes").await.assert_status(200);
        let ticket = browser.session_cookie();
        let set = stack.sentinel_set();
        let old = set.master().await;
        // What was acknowledged is at every replica before its master dies.
        old.command(&["WAIT", "2", "5000"]).await;

        old.stop().await;
        until_the_store_is_missed(&browser).await;
        set.wait_for_another_master_than(old).await;

        comes_back(&browser, &ticket).await;
        // Not only reads: as soon as the other replica follows it, the new master takes a refresh, and a new session.
        stack.let_access_tokens_expire().await;
        comes_back(&browser, &ticket).await;
        let other = stack.browser_logged_in_as("bob").await;
        other.fetch("/api/notes").await.assert_status(200);
    });
}

#[test]
fn slots_move_between_the_servers_of_a_cluster_and_sessions_are_used_meanwhile() {
    e2e::story::run(async {
        let stack = Deployment::with_redis_cluster().start().await;
        let browser = stack.browser_logged_in_as("alice").await;
        let ticket = browser.session_cookie();
        let cluster = stack.redis_cluster();

        for (from, key) in cluster.keys().await {
            let moving = cluster.begin_to_move(from, &key).await;
            browser.fetch("/api/notes").await.assert_status(200);
            moving.finish().await;
            browser.fetch("/api/notes").await.assert_status(200);
        }

        assert_eq!(browser.session_cookie(), ticket);
        stack.let_access_tokens_expire().await;
        browser.fetch("/api/notes").await.assert_status(200);
    });
}

#[test]
fn the_server_of_a_session_is_killed_or_hangs_and_its_session_waits_for_it() {
    e2e::story::run(async {
        let stack = Deployment::with_redis_cluster().start().await;
        let browser = stack.browser_logged_in_as("alice").await;
        let ticket = browser.session_cookie();
        let keys = stack.redis_cluster().keys().await;
        let (server, _) = keys
            .iter()
            .find(|(_, key)| key.ends_with(":session"))
            .expect("a session is stored");

        server.freeze().await;
        until_the_store_is_missed(&browser).await;
        server.thaw().await;
        comes_back(&browser, &ticket).await;

        server.stop().await;
        until_the_store_is_missed(&browser).await;
        server.start_again().await;
        comes_back(&browser, &ticket).await;
    });
}

#[test]
fn a_flushed_cluster_knows_nobody_and_loops_nobody() {
    e2e::story::run(async {
        let stack = Deployment::with_redis_cluster().start().await;
        let browser = stack.browser_logged_in_as("alice").await;
        // A node that has served it knows it without Redis, and is told by no server that it was emptied.
        browser.fetch("/api/notes").await.assert_status(200);
        let keys = stack.redis_cluster().keys().await;
        let (server, _) = keys
            .iter()
            .find(|(_, key)| key.ends_with(":session"))
            .expect("a session is stored");

        server.command(&["FLUSHALL"]).await;
        eventually("the loss is noticed", async || {
            let answer = browser.fetch("/api/notes").await;
            (answer.status == 401).then_some(())
        })
        .await;
        stack.redis_cluster().flush().await;

        for _ in 0..3 {
            browser
                .fetch("/api/notes")
                .await
                .assert_problem(401, "session-required");
        }
        let landed = browser.visit("/page/lab/x").await;
        landed.assert_status(200);
        browser.fetch("/api/notes").await.assert_status(200);
    });
}
