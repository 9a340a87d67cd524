//! How the tokens of a client are signed.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use resource_server::verifier::Verifier;
use serde_json::Value;

use crate::harness::{Browser, Credentials, SECRET, Server, Tokens, authorization, exchange_form, peek};

const CLIENTS: &str = r#"
[[client]]
id = "rs256"
secret_env = "SECRET"
redirect_uris = ["https://bff.example/callback"]
grants = ["authorization_code", "refresh_token"]
scopes = ["openid", "offline_access"]
id_token_signed_response_alg = "RS256"

[[client]]
id = "eddsa"
secret_env = "SECRET"
redirect_uris = ["https://bff.example/callback"]
grants = ["authorization_code", "refresh_token"]
scopes = ["openid", "offline_access"]
id_token_signed_response_alg = "EdDSA"
access_token_signing_alg = "RS256"
"#;

async fn tokens_of(server: &Server, client: &str) -> Tokens {
    let request = authorization()
        .with("client_id", client)
        .with("scope", "openid offline_access");
    let code = Browser::new(server).sign_in("alice", &request).await.code();
    let form = exchange_form(&code);
    server
        .token(Credentials::Basic(client, SECRET), &form)
        .await
        .tokens()
}

async fn algorithms(server: &Server) -> BTreeSet<String> {
    let document = server.get("/jwks").await.json();
    let keys = document["keys"].as_array().unwrap().iter();
    keys.map(|key| key["alg"].as_str().unwrap().to_owned()).collect()
}

fn at_hash_bytes(id_token: &Value) -> usize {
    let text = id_token["at_hash"].as_str().unwrap();
    URL_SAFE_NO_PAD.decode(text).unwrap().len()
}

#[tokio::test]
async fn each_client_has_its_tokens_signed_as_it_is_registered() {
    let server = Server::start_below("", CLIENTS).await;
    for (client, of_id_token, of_access_token, bytes) in [
        ("bff", "ES256", "ES256", 16),
        ("rs256", "RS256", "ES256", 16),
        ("eddsa", "EdDSA", "RS256", 32),
    ] {
        let tokens = if client == "bff" {
            server.tokens().await
        } else {
            tokens_of(&server, client).await
        };
        assert_eq!(peek(&tokens.id_token).0["alg"], of_id_token);
        assert_eq!(peek(&tokens.access_token).0["alg"], of_access_token);
        let verifier = Verifier::id_token(&server.issuer, client).build().unwrap();
        let claims = server.verified(&verifier, &tokens.id_token).await;
        assert_eq!(
            at_hash_bytes(&claims),
            bytes,
            "half of the digest of {of_id_token}"
        );
        // It comes back here as a bearer and as a hint.
        assert_eq!(server.user_info(&tokens.access_token).await.status, 200);
        let hinted = authorization().with("id_token_hint", &tokens.id_token);
        server
            .get(&hinted.with("prompt", "none").path())
            .await
            .assert_returned_error(&server, "login_required");
    }
}

#[tokio::test]
async fn keys_are_made_for_algorithms_that_clients_need_alone() {
    let server = Server::start().await;
    assert_eq!(algorithms(&server).await, ["ES256".to_owned()].into());
    let server = Server::start_below("", CLIENTS).await;
    let all = ["ES256", "EdDSA", "RS256"].map(str::to_owned);
    assert_eq!(algorithms(&server).await, all.into());
    // Each of them rotates. A server that starts serves when all is done that is due; one that runs goes on with the keys it
    // knows while it makes others, and those of RSA take as long as they take.
    server.advance(90 * 24 * 3600);
    let server = server.beside().await;
    assert_eq!(
        server.get("/jwks").await.json()["keys"].as_array().unwrap().len(),
        9
    );
}

#[tokio::test]
async fn a_client_that_changes_its_algorithm_keeps_its_session() {
    let server = Server::start_below("", CLIENTS).await;
    let before = tokens_of(&server, "rs256").await;
    let server = server
        .restarted_with("id_token_signed_response_alg = \"RS256\"", "")
        .await;
    assert_eq!(server.user_info(&before.access_token).await.status, 200);
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", before.refresh_token.as_str()),
    ];
    let after = server
        .token(Credentials::Basic("rs256", SECRET), &form)
        .await
        .tokens();
    assert_eq!(peek(&after.id_token).0["alg"], "ES256");
    let hinted = authorization().with("id_token_hint", &before.id_token);
    server
        .get(&hinted.with("prompt", "none").path())
        .await
        .assert_returned_error(&server, "login_required");
}
