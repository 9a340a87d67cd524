//! What operators see of sessions and how they end them, at the management address.

use std::time::Duration;

use e2e::browser::Browser;
use e2e::on_every_store;
use e2e::on_one_store;
use e2e::on_redis;
use e2e::operator::Operator;
use e2e::stack::{Deployment, Stack};
use e2e::wait::eventually;
use http::Method;
use serde_json::{Value, json};

use crate::backchannel::newest_identity;
use crate::{handle_of, is_logged_of};

const MINUTE: Duration = Duration::from_secs(60);
const PHONE: &str = "Mozilla/5.0 (Android 15; Mobile; rv:150.0) Gecko/150.0 Firefox/150.0";

/// Somebody who is signed in, and by which names an operator finds that session.
struct SignedIn {
    browser: Browser,
    key: String,
    sub: String,
    sid: String,
}

async fn sign_in(stack: &Stack, name: &str) -> SignedIn {
    sign_in_with(stack, name, stack.browser()).await
}

async fn sign_in_with(stack: &Stack, name: &str, browser: Browser) -> SignedIn {
    let user = stack.user(name);
    browser.log_in(&user.name, &user.password).await;
    let (sub, sid) = newest_identity(stack);
    SignedIn {
        key: handle_of(&browser).await,
        browser,
        sub,
        sid,
    }
}

impl SignedIn {
    async fn assert_lives(&self) {
        self.browser.fetch("/api/notes").await.assert_status(200);
        self.browser.fetch("/bff/user").await.assert_status(200);
    }

    async fn assert_over(&self) {
        for path in ["/api/notes", "/bff/user"] {
            self.browser
                .fetch(path)
                .await
                .assert_problem(401, "session-required");
        }
    }
}

fn keys_of(sessions: &[Value]) -> Vec<&str> {
    sessions
        .iter()
        .map(|session| session["key"].as_str().unwrap())
        .collect()
}

async fn an_operator_sees_which_sessions_live_and_whose_they_are(deployment: Deployment) {
    let stack = deployment.with_administration().start().await;
    let operator = stack.operator();
    let laptop = sign_in(&stack, "alice").await;
    stack.advance(5 * MINUTE).await;
    let phone = stack.browser().that_calls_itself(PHONE);
    let phone = sign_in_with(&stack, "alice", phone).await;
    let bob = sign_in(&stack, "bob").await;

    let of_alice = operator.list("user", &laptop.sub).await;

    // The newest first; what the user's own list shows is shown alike.
    assert_eq!(keys_of(&of_alice), [&phone.key, &laptop.key]);
    let own = laptop.browser.fetch("/bff/sessions?slide=false").await.json()["sessions"].clone();
    for (told, own) in of_alice.iter().zip(own.as_array().unwrap()) {
        for name in ["created_at", "last_used_at", "device"] {
            assert_eq!(told[name], own[name], "{name}");
        }
        assert_eq!(told["sub"], laptop.sub.as_str());
        assert_eq!(told.as_object().unwrap().len(), 6, "{told}");
    }
    assert_eq!(
        of_alice[0]["device"],
        json!({"browser": "Firefox", "platform": "Android"})
    );
    // The longest life is eight hours here.
    let hour = |instant: &Value| instant.as_str().unwrap()[11..13].parse::<i32>().unwrap();
    let life = hour(&of_alice[0]["ends_at"]) - hour(&of_alice[0]["created_at"]);
    assert_eq!(life.rem_euclid(24), 8, "{of_alice:?}");

    assert_eq!(keys_of(&operator.list("sid", &bob.sid).await), [&bob.key]);
    assert_eq!(keys_of(&operator.list("key", &phone.key).await), [&phone.key]);
    let all = operator.list("all", "true").await;
    let mut found = keys_of(&all);
    let mut expected = [&laptop, &phone, &bob].map(|who| who.key.as_str());
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    for nobody in [
        ("user", "nobody"),
        ("sid", "none"),
        ("key", "AAAAAAAAAAAAAAAAAAAAAA"),
    ] {
        assert_eq!(operator.list(nobody.0, nobody.1).await, Vec::<Value>::new());
    }
    for who in [&laptop, &phone, &bob] {
        who.assert_lives().await;
    }
    // The trail says what was looked at, and names nobody.
    let log = stack.log();
    let listed = |by: &str| {
        log.lines()
            .any(|line| line.contains("an operator listed sessions") && line.contains(by))
    };
    for by in ["by=\"user\"", "by=\"sid\"", "by=\"all\""] {
        assert!(listed(by), "{by}");
    }
    let trail: String = log.lines().filter(|line| line.contains("bff::audit")).collect();
    assert!(
        !trail.contains(&laptop.sub) && !trail.contains(&bob.sid),
        "{trail}"
    );
}

async fn a_session_that_time_has_ended_is_not_listed(deployment: Deployment) {
    let stack = deployment
        .with_administration()
        .with_timeouts("10m", "8h")
        .start()
        .await;
    let forgotten = sign_in(&stack, "alice").await;
    stack.advance(9 * MINUTE).await;
    let used = sign_in(&stack, "alice").await;
    let operator = stack.operator();
    assert_eq!(operator.list("all", "true").await.len(), 2);

    stack.advance(MINUTE).await;

    for (name, value) in [("all", "true"), ("user", used.sub.as_str())] {
        assert_eq!(keys_of(&operator.list(name, value).await), [&used.key], "{name}");
    }
    assert_eq!(operator.list("key", &forgotten.key).await, Vec::<Value>::new());
}

async fn an_operator_ends_the_sessions_that_are_named_and_no_others(deployment: Deployment) {
    let stack = deployment.with_administration().start().await;
    let operator = stack.operator();
    let bob = sign_in(&stack, "bob").await;
    let ended = |who: &SignedIn| is_logged_of(&stack, &who.key, "reason=\"administrator\"");

    let [lost, other] = [sign_in(&stack, "alice").await, sign_in(&stack, "alice").await];
    lost.assert_lives().await; // It is in the node's memory.
    assert_eq!(operator.end("key", &lost.key).await, 1);
    lost.assert_over().await;
    assert!(ended(&lost) && !ended(&other));
    other.assert_lives().await;

    assert_eq!(operator.end("sid", &other.sid).await, 1);
    other.assert_over().await;

    let several = [sign_in(&stack, "alice").await, sign_in(&stack, "alice").await];
    assert_eq!(operator.end("user", &several[0].sub).await, 2);
    for who in &several {
        who.assert_over().await;
        assert!(ended(who));
    }
    bob.assert_lives().await;

    let alice = sign_in(&stack, "alice").await;
    assert_eq!(operator.end("all", "true").await, 2);
    for who in [&alice, &bob] {
        who.assert_over().await;
        assert!(ended(who));
    }
    // Nothing is left, and signing in again is not kept from anybody.
    assert_eq!(operator.list("all", "true").await, Vec::<Value>::new());
    for (name, value) in [
        ("all", "true"),
        ("user", bob.sub.as_str()),
        ("sid", bob.sid.as_str()),
        ("key", bob.key.as_str()),
    ] {
        assert_eq!(operator.end(name, value).await, 0, "{name}");
    }
    sign_in(&stack, "bob").await.assert_lives().await;
    assert!(stack.log().contains("an operator ended sessions"));
    let metrics = stack.metrics().await;
    for line in [
        "bff_sessions_ended_total{reason=\"administrator\"} ",
        "bff_admin_requests_total{outcome=\"listed\"} ",
        "bff_admin_requests_total{outcome=\"ended\"} ",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
}

async fn without_the_token_nothing_is_told_and_nothing_ends(deployment: Deployment) {
    let stack = deployment.with_administration().start().await;
    let alice = sign_in(&stack, "alice").await;
    let operator = stack.operator();
    let token = stack.admin_token();
    let basic = format!("Basic {token}");
    let bearers: Vec<_> = [
        &token[1..],
        &token[..31],
        "",
        &token.to_uppercase(),
        &format!("{token} {token}"),
    ]
    .iter()
    .map(|token| format!("Bearer {token}"))
    .collect();
    let right = operator.authorization();
    let mut attempts: Vec<Vec<&str>> = bearers.iter().map(|bearer| vec![bearer.as_str()]).collect();
    attempts.extend([
        vec![],
        vec![token],
        vec![&basic],
        vec![&right, &right],
        vec!["Bearer x", &right],
    ]);

    for authorization in &attempts {
        for method in [Method::GET, Method::DELETE, Method::POST] {
            for query in [&[("all", "true")][..], &[("user", &alice.sub)], &[]] {
                let told = operator.ask_as(method.clone(), query, authorization).await;
                told.assert_problem(401, "admin-token-required");
                assert_eq!(told.headers["www-authenticate"], "Bearer");
                assert!(
                    told.body["sessions"].is_null() && told.body["ended"].is_null(),
                    "{told:?}"
                );
            }
        }
    }
    alice.assert_lives().await;
    assert!(stack.log().contains("an operator was refused"));
    let metrics = stack.metrics().await;
    assert!(
        metrics.contains("bff_admin_requests_total{outcome=\"unauthenticated\"} "),
        "{metrics}"
    );
    // The scheme's name is written as one likes.
    let told = operator
        .ask_as(Method::GET, &[("all", "true")], &[&format!("bEARER {token}")])
        .await;
    told.assert_status(200);
}

async fn a_request_that_does_not_name_sessions_in_one_way_ends_none(deployment: Deployment) {
    let stack = deployment.with_administration().start().await;
    let alice = sign_in(&stack, "alice").await;
    let operator = stack.operator();
    let (sub, sid) = (alice.sub.as_str(), alice.sid.as_str());
    for query in [
        &[][..],
        &[("all", "")],
        &[("all", "false")],
        &[("user", "")],
        &[("key", "x")],
        &[("user", sub), ("sid", sid)],
        &[("user", sub), ("all", "true")],
        &[("all", "true"), ("all", "true")],
        &[("all", "true"), ("usr", sub)],
    ] {
        for method in [Method::GET, Method::DELETE] {
            let told = operator.ask(method, query).await;
            told.assert_problem(400, "invalid-selector");
        }
    }
    for method in [Method::POST, Method::PUT, Method::PATCH] {
        let told = operator.ask(method, &[("all", "true")]).await;
        told.assert_problem(405, "method-not-allowed");
        assert_eq!(told.headers["allow"], "GET, DELETE");
    }
    alice.assert_lives().await;
}

async fn assert_absent(operator: &Operator) {
    for method in [Method::GET, Method::DELETE] {
        let told = operator.ask(method, &[("all", "true")]).await;
        assert_eq!(told.status, 404, "{told:?}");
    }
}

async fn nothing_is_administered_unless_there_is_a_token(deployment: Deployment) {
    let stack = deployment.start().await;
    let alice = sign_in(&stack, "alice").await;
    assert_absent(&stack.operator()).await;
    alice.assert_lives().await;
}

async fn nothing_is_administered_at_the_public_address(deployment: Deployment) {
    let stack = deployment.with_administration().start().await;
    let alice = sign_in(&stack, "alice").await;
    for method in [Method::GET, Method::DELETE] {
        let asked = alice.browser.fetch("/admin/sessions?all=true").method(method);
        let answer = asked
            .header("authorization", &stack.operator().authorization())
            .await;
        assert!(!answer.text().contains(&alice.key), "{}", answer.summary());
        assert!(!answer.text().contains("ended"), "{}", answer.summary());
    }
    alice.assert_lives().await;
}

async fn an_outage_of_the_store_is_told_and_ends_nothing(deployment: Deployment) {
    let stack = deployment.with_administration().start().await;
    let alice = sign_in(&stack, "alice").await;
    let operator = stack.operator();

    stack.redis().stop().await;
    for (name, value) in [
        ("all", "true"),
        ("user", &alice.sub),
        ("sid", &alice.sid),
        ("key", &alice.key),
    ] {
        let told = operator.ask(Method::GET, &[(name, value)]).await;
        told.assert_problem(503, "store-unavailable");
        let told = operator.ask(Method::DELETE, &[(name, value)]).await;
        told.assert_problem(503, "end-incomplete");
        assert_eq!(told.body["ended"], 0, "{told:?}");
    }
    stack.redis().start_again().await;

    eventually("the session is listed again", async || {
        let told = operator.ask(Method::GET, &[("key", &alice.key)]).await;
        (told.status == 200).then_some(())
    })
    .await;
    alice.assert_lives().await;
    assert_eq!(operator.end("all", "true").await, 1);
    alice.assert_over().await;
}

/// One record that cannot be ended stands for a store that goes away half-way.
async fn an_ending_that_is_not_whole_says_how_far_it_came(deployment: Deployment) {
    let stack = deployment.with_administration().start().await;
    let operator = stack.operator();
    let several = [
        sign_in(&stack, "alice").await,
        sign_in(&stack, "alice").await,
        sign_in(&stack, "bob").await,
    ];
    let record = format!("cloakroom:{{{}}}:session", several[1].key);
    let moved = format!("{record}:aside");
    stack.redis().command(&["RENAME", &record, &moved]).await;
    stack.redis().command(&["SET", &record, "in the way"]).await;

    let told = operator.ask(Method::DELETE, &[("all", "true")]).await;

    told.assert_problem(503, "end-incomplete");
    assert_eq!(told.body["ended"], 2, "{told:?}");
    several[0].assert_over().await;
    several[2].assert_over().await;

    stack.redis().command(&["RENAME", &moved, &record]).await;
    several[1].assert_lives().await;
    assert_eq!(operator.end("all", "true").await, 1);
    several[1].assert_over().await;
}

on_every_store!(
    an_operator_sees_which_sessions_live_and_whose_they_are,
    a_session_that_time_has_ended_is_not_listed,
    an_operator_ends_the_sessions_that_are_named_and_no_others,
);
on_redis!(
    an_outage_of_the_store_is_told_and_ends_nothing,
    an_ending_that_is_not_whole_says_how_far_it_came,
);
on_one_store!(
    without_the_token_nothing_is_told_and_nothing_ends,
    a_request_that_does_not_name_sessions_in_one_way_ends_none,
    nothing_is_administered_unless_there_is_a_token,
    nothing_is_administered_at_the_public_address,
);
