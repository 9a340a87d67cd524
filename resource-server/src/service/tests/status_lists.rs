//! Tokens of grants that have ended, over HTTP.

use std::time::Duration;

use serde_json::{Value, json};

use super::stage::Stage;
use crate::test_support::{FakeIssuer, NOW, TestKey, TestStatusList};

const PATH: &str = "/statuslists/0";

/// A service with `[status_list]` as this says, and an issuer that serves a list in which nobody has logged out.
async fn stage(config: &str) -> Stage {
    let key = TestKey::es256("k1");
    let issuer = FakeIssuer::publishing(&[&key]).await;
    let config = format!("[status_list]\n{config}");
    let stage = Stage::start_configured(issuer, key, &config).await;
    publish(&stage, &[], 0);
    stage
}

/// Serves a list that was made so many seconds after the beginning, in which these grants have ended.
fn publish(stage: &Stage, ended: &[usize], later: i64) {
    let mut list = TestStatusList::at(&format!("{}{PATH}", stage.issuer.url()));
    list.issued_at += later;
    let list = ended.iter().fold(list, |list, &index| list.end(index));
    stage.issuer.serve(PATH, 200, list.sign(&stage.key).as_bytes());
}

/// A token of the grant with this index, good for an hour.
fn token(stage: &Stage, index: u64) -> String {
    token_with(
        stage,
        &json!({"idx": index, "uri": format!("{}{PATH}", stage.issuer.url())}),
    )
}

fn token_with(stage: &Stage, reference: &Value) -> String {
    let mut claims = stage.claims();
    claims["exp"] = json!(NOW.as_secs() + 3600);
    claims["status"] = json!({ "status_list": reference });
    stage.key.access_token(&claims)
}

async fn status_of(stage: &Stage, token: &str) -> u16 {
    stage.get("/notes", Some(token)).await.status
}

fn pass(stage: &Stage, seconds: u64) {
    stage.clock.advance(Duration::from_secs(seconds));
}

#[tokio::test]
async fn the_token_of_who_has_logged_out_is_refused_within_seconds() {
    let stage = stage("").await;
    let (alice, bob) = (token(&stage, 1), token(&stage, 2));
    // Seen more than once, so that the token is remembered: that must not hide what comes.
    for _ in 0..3 {
        assert_eq!(status_of(&stage, &alice).await, 200);
        assert_eq!(status_of(&stage, &bob).await, 200);
    }
    publish(&stage, &[1], 1);
    pass(&stage, 6);
    for _ in 0..3 {
        let answer = stage.get("/notes", Some(&alice)).await;
        answer.assert_problem(401, "invalid-token");
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
        assert!(
            challenge.contains("the grant of this token has ended"),
            "{challenge}"
        );
        assert_eq!(status_of(&stage, &bob).await, 200);
    }
    let asked = stage.issuer.requested();
    let lists = asked.iter().filter(|path| *path == PATH).count();
    assert_eq!(
        lists, 2,
        "one look for two tokens and twelve requests, and one after that"
    );
    stage.stop().await;
}

#[tokio::test]
async fn a_list_out_of_reach_is_a_503_for_who_is_closed() {
    let stage = stage("fail = \"closed\"\n").await;
    let alice = token(&stage, 1);
    assert_eq!(status_of(&stage, &alice).await, 200);
    stage.issuer.serve(PATH, 500, b"");
    pass(&stage, 6);
    let answer = stage.get("/notes", Some(&alice)).await;
    answer.assert_problem(503, "status-unavailable");
    let again: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&again));

    publish(&stage, &[], 40);
    pass(&stage, 40);
    assert_eq!(status_of(&stage, &alice).await, 200, "it heals by itself");
    stage.stop().await;
}

#[tokio::test]
async fn a_list_out_of_reach_is_nothing_for_who_is_open_until_it_is_too_long() {
    let stage = stage("open_for = \"2m\"\n").await;
    let (alice, bob) = (token(&stage, 1), token(&stage, 2));
    publish(&stage, &[2], 0);
    assert_eq!(status_of(&stage, &alice).await, 200);
    stage.issuer.serve(PATH, 200, b"<html>");
    pass(&stage, 120);
    assert_eq!(status_of(&stage, &alice).await, 200);
    assert_eq!(status_of(&stage, &bob).await, 401);
    pass(&stage, 1);
    for token in [&alice, &bob] {
        let answer = stage.get("/notes", Some(token)).await;
        answer.assert_problem(503, "status-unavailable");
    }
    stage.stop().await;
}

#[tokio::test]
async fn a_token_names_no_address_that_is_not_its_issuers() {
    let stage = stage("").await;
    let elsewhere = FakeIssuer::start().await;
    let uri = format!("{}{PATH}", elsewhere.url());
    let list = TestStatusList::at(&uri).sign(&stage.key);
    elsewhere.serve(PATH, 200, list.as_bytes());
    let token = token_with(&stage, &json!({"idx": 1, "uri": uri}));
    let answer = stage.get("/notes", Some(&token)).await;
    answer.assert_problem(401, "invalid-token");
    assert_eq!(elsewhere.requested(), <[&str; 0]>::default());

    // Nor is anybody led there.
    stage.issuer.redirect(PATH, &uri);
    assert_eq!(status_of(&stage, &self::token(&stage, 1)).await, 200, "open");
    assert_eq!(elsewhere.requested(), <[&str; 0]>::default());
    elsewhere.stop().await;
    stage.stop().await;
}

#[tokio::test]
async fn lists_may_be_kept_at_a_place_that_is_configured_too() {
    let elsewhere = FakeIssuer::start().await;
    let stage = stage(&format!("places = [\"{}/statuslists/\"]\n", elsewhere.url())).await;
    let uri = format!("{}{PATH}", elsewhere.url());
    let list = TestStatusList::at(&uri).end(1).sign(&stage.key);
    elsewhere.serve(PATH, 200, list.as_bytes());
    let token = token_with(&stage, &json!({"idx": 1, "uri": uri}));
    let answer = stage.get("/notes", Some(&token)).await;
    answer.assert_problem(401, "invalid-token");
    assert_eq!(elsewhere.requested(), [PATH]);
    let at_issuer = self::token(&stage, 2);
    assert_eq!(
        status_of(&stage, &at_issuer).await,
        200,
        "beside those of the issuer"
    );
    elsewhere.stop().await;
    stage.stop().await;
}

#[tokio::test]
async fn tokens_without_status_are_accepted_unless_it_is_required() {
    let lenient = stage("").await;
    let plain = lenient.token("alice", "notes:read");
    assert_eq!(status_of(&lenient, &plain).await, 200);
    lenient.stop().await;

    let strict = stage("require = true\n").await;
    let plain = strict.token("alice", "notes:read");
    let answer = strict.get("/notes", Some(&plain)).await;
    answer.assert_problem(401, "invalid-token");
    assert_eq!(status_of(&strict, &token(&strict, 1)).await, 200);
    strict.stop().await;
}

#[tokio::test]
async fn who_does_not_follow_lists_asks_for_none() {
    let stage = stage("enabled = false\n").await;
    publish(&stage, &[1], 0);
    assert_eq!(status_of(&stage, &token(&stage, 1)).await, 200);
    assert!(!stage.issuer.requested().contains(&PATH.to_owned()));
    let metrics = stage.management("/metrics").await.body;
    assert!(metrics.contains("\nresource_server_status_lists{state=\"reached\"} 0\n"));
    stage.stop().await;
}

#[tokio::test]
async fn what_happens_to_lists_is_counted() {
    let stage = stage("").await;
    let (alice, bob) = (token(&stage, 1), token(&stage, 2));
    publish(&stage, &[1], 0);
    assert_eq!(status_of(&stage, &alice).await, 401);
    pass(&stage, 6);
    assert_eq!(status_of(&stage, &bob).await, 200, "the list has not changed");
    stage.issuer.serve(PATH, 404, b"");
    pass(&stage, 6);
    assert_eq!(status_of(&stage, &bob).await, 200);

    let metrics = stage.management("/metrics").await;
    assert_eq!(
        metrics.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    for line in [
        "# TYPE resource_server_status_list_fetches_total counter",
        "resource_server_status_list_fetches_total{outcome=\"renewed\"} 1",
        "resource_server_status_list_fetches_total{outcome=\"unchanged\"} 1",
        "resource_server_status_list_fetches_total{outcome=\"failed\"} 1",
        "resource_server_status_refusals_total 1",
        "resource_server_status_unknown_total{answer=\"accepted\"} 1",
        "resource_server_status_unknown_total{answer=\"unavailable\"} 0",
        "resource_server_status_lists{state=\"reached\"} 0",
        "resource_server_status_lists{state=\"out_of_reach\"} 1",
    ] {
        assert!(
            metrics.body.lines().any(|one| one == line),
            "{line}: {}",
            metrics.body
        );
    }
    stage.stop().await;
}
