//! The session store goes away and comes back (67); the BFF does.

use crate::{handle_of, until_the_store_is_missed};
use e2e::on_every_store_and_provider;
use e2e::on_redis;
use e2e::stack::Deployment;
use e2e::wait::eventually;
use http::Method;

async fn a_session_survives_a_restart_of_the_bff(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let ticket = browser.session_cookie();

    stack.restart_bff().await;

    browser.fetch("/api/notes").await.assert_status(200);
    assert_eq!(browser.session_cookie(), ticket);
}

async fn a_login_survives_a_restart_of_the_bff(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();
    let page = browser.visit("/bff/login").await;

    stack.restart_bff().await;

    let form = page.sign_in_form().expect("a sign-in form");
    let alice = stack.user("alice");
    browser
        .submit(&page, &form.fill_in(&alice.name, &alice.password), &[])
        .await
        .assert_status(200);
    browser.fetch("/bff/user").await.assert_status(200);
}

async fn redis_stops_and_the_session_waits_for_it(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let ticket = browser.session_cookie();

    stack.redis().stop().await;
    for path in ["/bff/user", "/api/notes", "/maybe/lab/x"] {
        browser.fetch(path).await.assert_unavailable("store-unavailable");
    }
    browser
        .fetch("/bff/logout")
        .method(Method::POST)
        .await
        .assert_unavailable("store-unavailable");
    // Who needs no session is served.
    browser.fetch("/open/lab/x").await.assert_status(200);
    stack
        .browser()
        .fetch("/bff/user")
        .await
        .assert_problem(401, "session-required");
    assert_eq!(browser.session_cookie(), ticket);

    stack.redis().start_again().await;
    // A connection that broke is replaced within a moment.
    let answer = eventually("the session is found again", || async {
        let answer = browser.fetch("/api/notes").await;
        (answer.status != 503).then_some(answer)
    })
    .await;
    answer.assert_status(200);
    assert_eq!(browser.session_cookie(), ticket);
}

async fn redis_hangs_and_nobody_waits_long(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    browser.fetch("/api/notes").await.assert_status(200);

    stack.redis().freeze().await;
    until_the_store_is_missed(&browser).await;
    // That there are answers while it hangs is the point: whoever waited for it would wait for ever.
    browser
        .fetch("/bff/user")
        .await
        .assert_unavailable("store-unavailable");
    let calls: Vec<_> = (0..10).map(|_| browser.fetch("/api/notes").spawn()).collect();
    for call in calls {
        call.await.unwrap().assert_unavailable("store-unavailable");
    }
    browser.fetch("/open/lab/x").await.assert_status(200);

    stack.redis().thaw().await;
    let answer = eventually("the session is found again", || async {
        let answer = browser.fetch("/api/notes").await;
        (answer.status != 503).then_some(answer)
    })
    .await;
    answer.assert_status(200);
}

/// However many requests meet it.
async fn an_outage_of_the_store_is_told_once(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let handle = handle_of(&browser).await;
    let server = format!("127.0.0.1:{}", stack.redis().port());

    stack.redis().stop().await;
    until_the_store_is_missed(&browser).await;
    for _ in 0..20 {
        browser
            .fetch("/api/notes")
            .await
            .assert_unavailable("store-unavailable");
    }

    // Stories share the log; only this one knows the server.
    let log = stack.log();
    let is_loud = |line: &&str| line.contains(" WARN ") || line.contains(" ERROR ");
    let loud: Vec<_> = log
        .lines()
        .filter(is_loud)
        .filter(|line| line.contains(&server) || line.contains(&handle))
        .collect();
    let down = loud
        .iter()
        .filter(|line| line.contains("the session store does not answer"));
    assert_eq!(down.count(), 1, "{loud:#?}");
    // The other one says that changes are not heard.
    assert!(loud.len() <= 2, "{loud:#?}");
    for line in loud {
        assert_eq!(line.matches("refused").count(), 1, "a cause is repeated: {line}");
    }
}

async fn a_login_during_an_outage_fails_softly(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();
    let page = browser.visit("/bff/login").await;
    let form = page.sign_in_form().expect("a sign-in form");
    let alice = stack.user("alice");

    stack.redis().stop().await;
    let answer = browser
        .submit(&page, &form.fill_in(&alice.name, &alice.password), &[])
        .await;
    answer.assert_status(503);
    assert_eq!(browser.session_cookie(), None);

    stack.redis().start_again().await;
    let landed = eventually("logins work again", || async {
        let landed = browser.visit("/bff/login").await;
        (landed.status == 200).then_some(landed)
    })
    .await;
    assert_eq!(landed.url, *browser.app(), "{}", landed.summary());
    browser.fetch("/bff/user").await.assert_status(200);
}

async fn a_flushed_store_knows_nobody_and_loops_nobody(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;

    stack.redis().command(&["FLUSHALL"]).await;

    for _ in 0..3 {
        browser
            .fetch("/bff/user")
            .await
            .assert_problem(401, "session-required");
        browser
            .fetch("/api/notes")
            .await
            .assert_problem(401, "session-required");
    }
    // The provider still knows the user, so signing in again is one round without a form.
    let landed = browser.visit("/page/lab/x").await;
    landed.assert_status(200);
    assert_eq!(landed.url.path(), "/page/lab/x");
    browser.fetch("/api/notes").await.assert_status(200);
}

/// (69) A dump of Redis holds no token, no claim and no usable cookie.
async fn what_rests_in_redis_opens_nothing(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    browser.fetch("/api/notes").await.assert_status(200);
    stack.let_access_tokens_expire().await;
    browser.fetch("/api/notes").await.assert_status(200);

    let mut dump = String::new();
    for key in stack.redis().command(&["--raw", "KEYS", "*"]).await {
        dump.push_str(&key);
        dump.push('\n');
        dump.push_str(&dump_of(&stack, &key).await);
    }

    assert!(dump.len() > 100, "the dump is empty: {dump:?}");
    if let Some(finding) = stack.secrets().seen_in_log(&dump) {
        panic!("Redis holds a {finding}");
    }
    let ticket = browser.session_cookie().expect("signed in");
    assert!(!dump.contains(&ticket) && !dump.contains(ticket.split(['.', '=']).next_back().unwrap()));
}

async fn dump_of(stack: &e2e::stack::Stack, key: &str) -> String {
    let redis = stack.redis();
    let kind = redis.command(&["TYPE", key]).await.remove(0);
    let lines = match kind.as_str() {
        "hash" => redis.command(&["HGETALL", key]).await,
        "set" => redis.command(&["SMEMBERS", key]).await,
        "zset" => redis.command(&["ZRANGE", key, "0", "-1"]).await,
        "list" => redis.command(&["LRANGE", key, "0", "-1"]).await,
        _ => redis.command(&["GET", key]).await,
    };
    lines.join("\n") + "\n"
}

on_every_store_and_provider!(
    a_session_survives_a_restart_of_the_bff,
    a_login_survives_a_restart_of_the_bff,
);
on_redis!(
    redis_stops_and_the_session_waits_for_it,
    redis_hangs_and_nobody_waits_long,
    an_outage_of_the_store_is_told_once,
    a_login_during_an_outage_fails_softly,
    a_flushed_store_knows_nobody_and_loops_nobody,
    what_rests_in_redis_opens_nothing,
);
