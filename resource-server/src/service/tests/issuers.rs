//! An API that takes the tokens of several issuers.

use serde_json::json;

use super::stage::Stage;
use crate::test_support::{AUDIENCE, FakeIssuer, TestKey};

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
