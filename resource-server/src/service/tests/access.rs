//! RFC 6750: who is let in, and what the others are told.

use std::time::Duration;

use serde_json::{Value, json};

use super::stage::Stage;
use crate::test_support::{NOW, TestKey};

const REALM: &str = "Bearer realm=\"https://notes.example\", \
                     resource_metadata=\"https://notes.example/.well-known/oauth-protected-resource\"";

// RS-1
#[tokio::test]
async fn a_request_without_credentials_is_shown_the_scheme_and_no_error() {
    let stage = Stage::start().await;
    for path in ["/notes", "/notes/AAAAAAAAAAAAAAAAAAAAAA"] {
        let answer = stage.get(path, None).await;
        answer.assert_problem(401, "token-required");
        assert_eq!(answer.header("www-authenticate"), Some(REALM));
    }
    let answer = stage.post("/notes", None, &json!({"text": "x"})).await;
    answer.assert_problem(401, "token-required");
    stage.stop().await;
}

// RS-2, RS-6
#[tokio::test]
async fn a_good_token_is_let_in_however_its_scheme_is_written() {
    let stage = Stage::start().await;
    let token = stage.token("alice", "notes:read");
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let answer = stage.get_with("/notes", &[&format!("{scheme} {token}")]).await;
        assert_eq!((answer.status, answer.json()), (200, json!([])), "{scheme}");
    }
    stage.stop().await;
}

// RS-3
#[tokio::test]
async fn an_expired_token_is_told_so() {
    let stage = Stage::start().await;
    let token = stage.token("alice", "notes:read");
    stage.clock.advance(Duration::from_secs(304));
    assert_eq!(stage.get("/notes", Some(&token)).await.status, 200);
    stage.clock.advance(Duration::from_secs(1));
    let answer = stage.get("/notes", Some(&token)).await;
    answer.assert_problem(401, "invalid-token");
    let challenge = format!("{REALM}, error=\"invalid_token\", error_description=\"the token has expired\"");
    assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()));
    stage.stop().await;
}

// RS-4
#[tokio::test]
async fn a_token_without_the_scope_is_told_which_one_it_lacks() {
    let stage = Stage::start().await;
    for scope in ["", "openid", "notes:write", "notes:readonly", "NOTES:READ"] {
        let answer = stage.get("/notes", Some(&stage.token("alice", scope))).await;
        answer.assert_problem(403, "insufficient-scope");
        let challenge = format!("{REALM}, error=\"insufficient_scope\", scope=\"notes:read\"");
        assert_eq!(
            answer.header("www-authenticate"),
            Some(challenge.as_str()),
            "{scope:?}"
        );
    }
    let reader = stage.token("alice", "notes:read");
    let answer = stage.post("/notes", Some(&reader), &json!({"text": "x"})).await;
    answer.assert_problem(403, "insufficient-scope");
    assert!(
        answer
            .header("www-authenticate")
            .unwrap()
            .ends_with("scope=\"notes:write\"")
    );
    stage.stop().await;
}

// RS-5
#[tokio::test]
async fn a_token_in_the_query_or_the_body_is_not_looked_at() {
    let stage = Stage::start().await;
    let token = stage.token("alice", "notes:read notes:write");
    let answer = stage.get(&format!("/notes?access_token={token}"), None).await;
    answer.assert_problem(401, "token-required");
    assert_eq!(answer.header("www-authenticate"), Some(REALM));

    let form = stage.http.post(stage.url("/notes"));
    let form = form.header("Content-Type", "application/x-www-form-urlencoded");
    let answer = stage.answer_to(form.body(format!("access_token={token}"))).await;
    answer.assert_problem(401, "token-required");
    stage.stop().await;
}

#[tokio::test]
async fn two_headers_are_a_bad_request() {
    let stage = Stage::start().await;
    let token = stage.token("alice", "notes:read");
    let bearer = format!("Bearer {token}");
    for headers in [
        &[bearer.as_str(), bearer.as_str()],
        &["Basic YTpi", bearer.as_str()],
    ] {
        let answer = stage.get_with("/notes", headers).await;
        answer.assert_problem(400, "invalid-request");
        assert!(
            answer
                .header("www-authenticate")
                .unwrap()
                .contains("error=\"invalid_request\""),
            "{headers:?}"
        );
    }
    stage.stop().await;
}

// RS-7
#[tokio::test]
async fn another_scheme_is_as_good_as_none() {
    let stage = Stage::start().await;
    for header in ["Token eyJhbGci", "Basic YTpi", "DPoP eyJhbGci"] {
        let answer = stage.get_with("/notes", &[header]).await;
        answer.assert_problem(401, "token-required");
    }
    stage.stop().await;
}

// RS-7.3, RS-8
#[tokio::test]
async fn what_is_no_good_token_is_invalid_and_not_shown_again() {
    let stage = Stage::start().await;
    let good = stage.token("alice", "notes:read");
    let foreign = TestKey::es256("k1").access_token(&stage.claims());
    let with = |name: &str, value: Value| {
        let mut claims = stage.claims();
        claims[name] = value;
        stage.key.access_token(&claims)
    };
    for token in [
        "eyJhbGc".to_owned(),
        "..".to_owned(),
        good[..good.len() - 3].to_owned(),
        format!("{good}.{good}"),
        "a".repeat(17_000),
        foreign,
        with("iss", json!("https://other.example")),
        with("aud", json!(["https://other.example"])),
        with("exp", json!("tomorrow")),
        with("sub", Value::Null),
        with("scope", json!(["notes:read"])),
        with("nbf", json!(NOW.as_secs() + 60)),
        stage
            .key
            .sign(&stage.key.header_with("typ", json!("JWT")), &stage.claims()),
        stage
            .key
            .sign(&stage.key.header_with("alg", json!("none")), &stage.claims()),
        stage.key.sign(
            &stage.key.header_with("kid", json!("../../dev/null")),
            &stage.claims(),
        ),
    ] {
        let answer = stage.get("/notes", Some(&token)).await;
        answer.assert_problem(401, "invalid-token");
        assert!(
            answer
                .header("www-authenticate")
                .unwrap()
                .contains("error=\"invalid_token\"")
        );
    }
    // RS-30
    assert_eq!(stage.get("/notes", Some(&good)).await.status, 200);
    assert_eq!(stage.management("/health/ready").await.status, 200);
    stage.stop().await;
}

// RS-15
#[tokio::test]
async fn addresses_in_a_token_are_not_visited() {
    let stage = Stage::start().await;
    assert_eq!(
        stage
            .get("/notes", Some(&stage.token("alice", "notes:read")))
            .await
            .status,
        200
    );
    stage.issuer.requested();

    let foreign = TestKey::es256("evil");
    for name in ["jku", "x5u"] {
        let mut header = foreign.header_with(name, json!(format!("{}/evil", stage.issuer.url())));
        header["jwk"] = foreign.jwk();
        let answer = stage
            .get("/notes", Some(&foreign.sign(&header, &stage.claims())))
            .await;
        answer.assert_problem(401, "invalid-token");
    }
    assert!(!stage.issuer.requested().contains(&"/evil".to_owned()));
    stage.stop().await;
}

#[tokio::test]
async fn whether_a_request_is_let_in_is_decided_before_its_body_is_read() {
    let stage = Stage::start().await;
    let reader = stage.token("alice", "notes:read");
    let request = stage.http.post(stage.url("/notes")).body("x".repeat(1_000));
    stage
        .answer_to(request.bearer_auth(reader))
        .await
        .assert_problem(403, "insufficient-scope");
    stage.stop().await;
}
