//! RS-21 to RS-28 as a client of the API sees them.

use std::time::Duration;

use serde_json::json;

use super::stage::Stage;
use crate::test_support::{FakeIssuer, TestKey};

#[tokio::test]
async fn a_service_starts_without_its_issuer_and_heals_by_itself() {
    let key = TestKey::es256("k1");
    let stage = Stage::start_with(FakeIssuer::start().await, key, None).await;
    let alice = stage.token("alice", "notes:read");

    let answer = stage.get("/notes", Some(&alice)).await;
    answer.assert_problem(503, "keys-unavailable");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("www-authenticate"), None);
    assert_eq!(stage.management("/health/live").await.status, 200);
    stage
        .management("/health/ready")
        .await
        .assert_problem(503, "not-ready");
    // Who brings nothing, or nonsense, is told so all the same.
    stage
        .get("/notes", None)
        .await
        .assert_problem(401, "token-required");
    stage
        .get("/notes", Some("nonsense"))
        .await
        .assert_problem(401, "invalid-token");

    stage
        .issuer
        .serve_metadata("/.well-known/openid-configuration", stage.issuer.url());
    stage.issuer.publish(&[&stage.key]);
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(stage.get("/notes", Some(&alice)).await.json(), json!([]));
    assert_eq!(stage.management("/health/ready").await.status, 200);
    stage.stop().await;
}

// RS-21, RS-22
#[tokio::test]
async fn keys_rotate_without_anybody_noticing() {
    let stage = Stage::start().await;
    let old = stage.token("alice", "notes:read");
    assert_eq!(stage.get("/notes", Some(&old)).await.status, 200);

    let next = TestKey::es384("k2");
    stage.issuer.publish(&[&stage.key, &next]);
    stage.clock.advance(Duration::from_secs(10));
    let new = next.access_token(&stage.claims());
    assert_eq!(stage.get("/notes", Some(&new)).await.status, 200);
    assert_eq!(stage.get("/notes", Some(&old)).await.status, 200);
    stage.stop().await;
}

// RS-23
#[tokio::test]
async fn invented_key_ids_do_not_reach_the_issuer() {
    let stage = Stage::start().await;
    let good = stage.token("alice", "notes:read");
    assert_eq!(stage.get("/notes", Some(&good)).await.status, 200);
    stage.clock.advance(Duration::from_secs(10));
    stage.issuer.requested();

    let tokens = (0..300).map(|n| {
        let header = stage.key.header_with("kid", json!(format!("invented-{n}")));
        stage.key.sign(&header, &stage.claims())
    });
    let tokens: Vec<String> = tokens.collect();
    let answers = tokens.iter().map(|token| stage.get("/notes", Some(token)));
    for answer in futures_util::future::join_all(answers).await {
        answer.assert_problem(401, "invalid-token");
    }
    assert_eq!(stage.issuer.requested(), ["/jwks", "/jwks"]);
    stage.stop().await;
}

// RS-25 to RS-27
#[tokio::test]
async fn an_outage_of_the_issuer_is_no_outage_of_the_api() {
    let stage = Stage::start().await;
    let good = stage.token("alice", "notes:read");
    assert_eq!(stage.get("/notes", Some(&good)).await.status, 200);

    for (status, body) in [(503, &b""[..]), (200, b"{\"keys\":[]}"), (200, b"garbage")] {
        stage.issuer.serve("/jwks", status, body);
        stage.clock.advance(Duration::from_secs(30));
        assert_eq!(stage.get("/notes", Some(&good)).await.status, 200);

        let unknown = TestKey::es256("k2").access_token(&stage.claims());
        let answer = stage.get("/notes", Some(&unknown)).await;
        answer.assert_problem(503, "keys-unavailable");
        assert_eq!(stage.get("/notes", Some(&good)).await.status, 200);
    }
    stage.stop().await;
}
