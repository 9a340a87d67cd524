//! An API that takes the tokens of several issuers.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use super::stage::Stage;
use crate::test_support::{AUDIENCE, FakeIssuer, TestKey};

/// Nothing here takes as long.
const LIMIT: Duration = Duration::from_secs(60);

const OTHER_AUDIENCE: &str = "notes";

/// A service for the tokens of its stage's issuer, and of another that signs with this key.
async fn stage_with(other: &FakeIssuer) -> Stage {
    let key = TestKey::es256("k1");
    let issuer = FakeIssuer::publishing(&[&key]).await;
    let config = format!(
        "[server]\nworkers = 2\n[token]\naudience = {AUDIENCE:?}\n\
         [[token.issuers]]\nissuer = {:?}\n\
         [[token.issuers]]\nissuer = {:?}\naudience = {OTHER_AUDIENCE:?}\nalgorithms = [\"EdDSA\"]\n",
        issuer.url(),
        other.url()
    );
    Stage::start_as(&config, issuer, key).await
}

#[tokio::test]
async fn several_issuers_serve_one_api_and_are_kept_apart() {
    let (other_key, es256) = (TestKey::ed25519("k1"), TestKey::es256("k2"));
    let other = FakeIssuer::publishing(&[&other_key, &es256]).await;
    let stage = stage_with(&other).await;
    let of_other = |key: &TestKey, audience: &str| {
        let mut claims = stage.claims();
        claims["iss"] = json!(other.url());
        claims["aud"] = json!(audience);
        key.access_token(&claims)
    };
    let of_one = stage.token("alice", "notes:read");
    assert_eq!(stage.get("/notes", Some(&of_one)).await.status, 200);
    assert!(other.requested().is_empty(), "whose token it was not");
    let good = of_other(&other_key, OTHER_AUDIENCE);
    assert_eq!(stage.get("/notes", Some(&good)).await.status, 200);

    stage.issuer.requested();
    other.requested();
    let mut stranger = stage.claims();
    stranger["iss"] = json!("http://127.0.0.1:1");
    for (token, why) in [
        (of_other(&other_key, AUDIENCE), "the audience of another issuer"),
        (of_other(&es256, OTHER_AUDIENCE), "an algorithm of another issuer"),
        (of_other(&stage.key, OTHER_AUDIENCE), "a key of another issuer"),
        (other_key.access_token(&stage.claims()), "a key of another issuer"),
        (stage.key.access_token(&stranger), "a stranger"),
    ] {
        let answer = stage.get("/notes", Some(&token)).await;
        assert_eq!((answer.status, why), (401, why));
        answer.assert_problem(401, "invalid-token");
    }
    assert!(stage.issuer.requested().is_empty() && other.requested().is_empty());
    // Users of the same name at different issuers are different users.
    let writes = stage.token("alice", "notes:write");
    let written = stage.post("/notes", Some(&writes), &json!({"text": "x"})).await;
    assert_eq!(written.status, 201);
    assert_eq!(stage.get("/notes", Some(&good)).await.json(), json!([]));

    let metadata = stage.get("/.well-known/oauth-protected-resource", None).await;
    let servers = &metadata.json()["authorization_servers"];
    assert_eq!(*servers, json!([stage.issuer.url(), other.url()]));
    stage.stop().await;
}

#[tokio::test]
async fn the_outage_of_one_issuer_is_not_that_of_another() {
    let other_key = TestKey::ed25519("k1");
    let other = FakeIssuer::start().await;
    let stage = stage_with(&other).await;
    let mut claims = stage.claims();
    claims["iss"] = json!(other.url());
    claims["aud"] = json!(OTHER_AUDIENCE);
    let of_other = other_key.access_token(&claims);
    let answer = stage.get("/notes", Some(&of_other)).await;
    answer.assert_problem(503, "keys-unavailable");
    let of_one = stage.token("alice", "notes:read");
    assert_eq!(stage.get("/notes", Some(&of_one)).await.status, 200);
    assert_eq!(stage.management("/health/ready").await.status, 200);
    stage.stop().await;
}

#[tokio::test]
async fn readiness_and_metrics_name_the_issuers_that_lack_keys() {
    let other_key = TestKey::ed25519("k1");
    let other = FakeIssuer::start().await;
    let stage = stage_with(&other).await;
    let gauges = async || {
        let metrics = stage.management("/metrics").await.body;
        [stage.issuer.url(), other.url()].map(|issuer| {
            ["keys_usable", "reached"].map(|name| {
                let name = format!("resource_server_issuer_{name}{{issuer=\"{issuer}\"}} ");
                let mut values = metrics.lines().filter_map(|line| line.strip_prefix(&name));
                values.next().unwrap_or_else(|| panic!("{name} in {metrics}")) == "1"
            })
        })
    };
    // Nobody has asked for a token yet: readiness asks for the keys of both.
    stage.issuer.serve("/jwks", 503, b"");
    stage
        .management("/health/ready")
        .await
        .assert_problem(503, "not-ready");
    let asked = other.requested();
    assert!(!asked.is_empty(), "{asked:?}");
    assert_eq!(gauges().await, [[false, false], [false, false]]);

    stage.issuer.publish(&[&stage.key]);
    stage.clock.advance(Duration::from_secs(1));
    let degraded = stage.management("/health/ready").await;
    assert_eq!(
        degraded.status, 200,
        "the other's users are served by nobody either way"
    );
    assert_eq!(degraded.json()["status"], "degraded");
    let lacking = &degraded.json()["issuers_without_keys"];
    assert_eq!(lacking[0]["issuer"], other.url());
    assert!(
        lacking[0]["reason"].as_str().unwrap().contains("404"),
        "{lacking}"
    );
    assert_eq!(gauges().await[0], [true, true]);
    assert!(!gauges().await[1][0]);

    other.serve_metadata("/.well-known/openid-configuration", other.url());
    other.publish(&[&other_key]);
    let up = async || stage.management("/health/ready").await.json() == json!({"status": "up"});
    // It is asked once a second, and not waited for.
    let comes_up = async {
        while !up().await {
            stage.clock.advance(Duration::from_secs(1));
        }
    };
    timeout(LIMIT, comes_up).await.unwrap();
    assert_eq!(gauges().await, [[true, true], [true, true]]);

    // It goes away again: its keys are good for a day, and who looks can see it before.
    other.serve("/jwks", 503, b"");
    stage.clock.advance(Duration::from_secs(600));
    let mut claims = stage.claims();
    claims["iss"] = json!(other.url());
    claims["aud"] = json!(OTHER_AUDIENCE);
    claims["exp"] = json!(crate::test_support::NOW.as_secs() + 3600);
    let token = other_key.access_token(&claims);
    assert_eq!(stage.get("/notes", Some(&token)).await.status, 200);
    let is_seen = async { while gauges().await != [[true, true], [true, false]] {} };
    timeout(LIMIT, is_seen).await.unwrap();
    assert!(up().await);
    stage.stop().await;
}

#[tokio::test]
async fn each_issuer_says_whether_its_tokens_need_a_status() {
    let other_key = TestKey::ed25519("k1");
    let other = FakeIssuer::publishing(&[&other_key]).await;
    let key = TestKey::es256("k1");
    let issuer = FakeIssuer::publishing(&[&key]).await;
    let config = format!(
        "[server]\nworkers = 1\n[token]\naudience = {AUDIENCE:?}\n\
         [[token.issuers]]\nissuer = {:?}\nstatus_list.require = true\n\
         [[token.issuers]]\nissuer = {:?}\nstatus_list.enabled = false\n",
        issuer.url(),
        other.url()
    );
    let stage = Stage::start_as(&config, issuer, key).await;
    let without = stage.token("alice", "notes:read");
    stage
        .get("/notes", Some(&without))
        .await
        .assert_problem(401, "invalid-token");
    // What the other means by `status` is nothing to this API, and it has no list.
    let mut claims = stage.claims();
    claims["iss"] = json!(other.url());
    for status in [
        json!(null),
        json!("active"),
        json!({"status_list": {"idx": 1, "uri": "https://x.example/1"}}),
    ] {
        claims["status"] = status;
        let token = other_key.access_token(&claims);
        assert_eq!(stage.get("/notes", Some(&token)).await.status, 200);
    }
    stage.stop().await;
}
