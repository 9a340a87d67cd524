//! RS-1 to RS-7: where a token may be, and what its sender is told.

use crate::harness::{Stage, refused};

#[tokio::test]
async fn rs_1_no_credentials() {
    let stage = Stage::start().await;
    for path in ["/notes", "/notes/AAAAAAAAAAAAAAAAAAAAAA"] {
        let answer = stage.get_with(path, &[]).await;
        answer.assert_refusal(401, "token-required", None);
        assert_eq!(
            answer.header("www-authenticate"),
            Some(
                "Bearer realm=\"https://notes.example\", \
                 resource_metadata=\"https://notes.example/.well-known/oauth-protected-resource\""
            )
        );
    }
    stage.stop().await;
}

#[tokio::test]
async fn rs_2_a_good_token() {
    let stage = Stage::start().await;
    stage.get(&stage.minter.good()).await.assert_welcome();
    stage.stop().await;
}

#[tokio::test]
async fn rs_3_an_expired_token() {
    let stage = Stage::start().await;
    let token = stage.minter.good();
    stage.get(&token).await.assert_welcome();
    stage.advance(305);
    let answer = stage.get(&token).await;
    answer.assert_invalid_token();
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.contains("expired"), "{challenge}");
    stage.stop().await;
}

#[tokio::test]
async fn rs_4_a_missing_scope() {
    let stage = Stage::start().await;
    let token = stage
        .minter
        .claiming("scope", serde_json::json!("openid notes:write"));
    stage.get(&token).await.assert_lacks_scope("notes:read");
    stage.stop().await;
}

#[tokio::test]
async fn rs_5_a_token_in_the_query() {
    let stage = Stage::start().await;
    let path = format!("/notes?access_token={}", stage.minter.good());
    let answer = stage.get_with(&path, &[]).await;
    answer.assert_refusal(401, "token-required", None);
    stage.stop().await;
}

#[tokio::test]
async fn rs_6_the_scheme_in_any_case() {
    let stage = Stage::start().await;
    for scheme in ["bearer", "BEARER", "bEaReR"] {
        let authorization = format!("{scheme} {}", stage.minter.good());
        stage
            .get_authorized(authorization.as_bytes())
            .await
            .assert_welcome();
    }
    stage.stop().await;
}

async fn assert_malformed(authorization: &[u8]) {
    let stage = Stage::start().await;
    stage.get_authorized(authorization).await.assert_invalid_token();
    stage.stop().await;
}

/// RFC 6750 §3: who tries another way of authentication is shown ours, and no error.
async fn assert_unsupported(authorization: &[u8]) {
    let stage = Stage::start().await;
    let answer = stage.get_authorized(authorization).await;
    answer.assert_refusal(401, "token-required", None);
    stage.stop().await;
}

#[tokio::test]
async fn rs_7_0_a_scheme_alone() {
    assert_malformed(b"Bearer").await;
}

#[tokio::test]
async fn rs_7_1_a_scheme_and_a_space() {
    assert_malformed(b"Bearer ").await;
}

#[tokio::test]
async fn rs_7_2_a_scheme_and_two_spaces() {
    assert_malformed(b"Bearer  ").await;
}

#[tokio::test]
async fn rs_7_3_the_beginning_of_a_token() {
    assert_malformed(b"Bearer eyJhbGc").await;
}

#[tokio::test]
async fn rs_7_4_another_scheme_with_a_token() {
    assert_unsupported(b"Token eyJhbGci").await;
}

#[tokio::test]
async fn rs_7_5_basic_authentication() {
    assert_unsupported(b"Basic YTpi").await;
}

#[tokio::test]
async fn rs_7_6_the_beginning_of_a_token_among_other_characters() {
    for authorization in [
        &b"Bearer eyJhbGc"[..],
        b"Bearer   eyJhbGc  ",
        b"Bearer eyJhbGc, eyJhbGc",
        b"Bearer \"eyJhbGc\"",
        b"Bearer eyJhbGc eyJhbGc",
    ] {
        assert_malformed(authorization).await;
    }
}

// RFC 6750 §3.1: more than one way of authentication is a malformed request, even if the ways agree.
#[tokio::test]
async fn rs_7_7_two_headers() {
    let stage = Stage::start().await;
    let header = format!("Authorization: Bearer {}", stage.minter.good()).into_bytes();
    let answer = stage.get_with("/notes", &[header.clone(), header]).await;
    answer.assert_refusal(400, "invalid-request", Some("invalid_request"));
    stage.stop().await;
}

refused! {
    fn rs_7_8_a_good_token_in_quotes(minter) {
        format!("\"{}\"", minter.good())
    }
}
