//! Clients that are registered to go without PKCE.

use crate::harness::{
    APP, Authorization, BFF, Browser, CALLBACK, Credentials, SECRET, Server, VERIFIER, app_authorization,
    authorization, exchange_form,
};

const OLD_CLIENT: &str = r#"
[[client]]
id = "old"
secret_env = "SECRET"
redirect_uris = ["https://bff.example/callback"]
grants = ["authorization_code", "refresh_token"]
scopes = ["openid", "offline_access"]
require_pkce = false
"#;
const OLD: Credentials<'static> = Credentials::Basic("old", SECRET);

/// Its request with PKCE; without, once [`stripped`].
fn of_old() -> Authorization {
    authorization()
        .with("client_id", "old")
        .with("scope", "openid offline_access")
}

fn stripped(request: Authorization) -> Authorization {
    request.without("code_challenge").without("code_challenge_method")
}

async fn code_of(server: &Server, request: &Authorization) -> String {
    Browser::new(server).sign_in("alice", request).await.code()
}

#[tokio::test]
async fn a_client_that_is_registered_so_needs_no_pkce() {
    let server = Server::start_below("", OLD_CLIENT).await;
    let code = code_of(&server, &stripped(of_old())).await;
    let form = &exchange_form(&code)[..3];
    let tokens = server.token(OLD, form).await.tokens();
    assert!(!tokens.refresh_token.is_empty());
    let replayed = server.token(OLD, form).await;
    replayed.assert_oauth_error(400, "invalid_grant");
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens.refresh_token.as_str()),
    ];
    let ended = server.token(OLD, &refresh).await;
    ended.assert_oauth_error(400, "invalid_grant");
}

/// The downgrade: somebody takes the challenge out of a request on its way, and the client sends its verifier all the same.
#[tokio::test]
async fn x_5_a_verifier_without_a_challenge_is_refused() {
    let server = Server::start_below("", OLD_CLIENT).await;
    let code = code_of(&server, &stripped(of_old())).await;
    let refused = server.token(OLD, &exchange_form(&code)).await;
    refused.assert_oauth_error(400, "invalid_grant");
    assert_eq!(server.token(OLD, &exchange_form(&code)[..3]).await.status, 200);
}

#[tokio::test]
async fn x_5_a_challenge_without_its_verifier_is_refused() {
    let server = Server::start_below("", OLD_CLIENT).await;
    let code = code_of(&server, &of_old()).await;
    let mut wrong = exchange_form(&code);
    let other = "w".repeat(VERIFIER.len());
    wrong[3] = ("code_verifier", &other);
    let none = &exchange_form(&code)[..3];
    for form in [none, &wrong] {
        let refused = server.token(OLD, form).await;
        refused.assert_oauth_error(400, "invalid_grant");
    }
    assert_eq!(server.token(OLD, &exchange_form(&code)).await.status, 200);
}

#[tokio::test]
async fn half_a_challenge_is_none() {
    let server = Server::start_below("", OLD_CLIENT).await;
    for request in [
        of_old().without("code_challenge"),
        of_old().without("code_challenge_method"),
        of_old().with("code_challenge_method", "plain"),
    ] {
        let answer = server.get(&request.path()).await;
        assert!(answer.location().as_str().starts_with(CALLBACK));
        answer.assert_returned_error(&server, "invalid_request");
    }
}

#[tokio::test]
async fn the_switch_is_one_client_s_alone() {
    let server = Server::start_below("", OLD_CLIENT).await;
    for request in [
        authorization(),
        app_authorization("http://127.0.0.1:51004/callback"),
    ] {
        let answer = server.get(&stripped(request).path()).await;
        answer.assert_returned_error(&server, "invalid_request");
    }
    // Nor is a verifier missed only where the request is made.
    let code = code_of(&server, &authorization()).await;
    for client in [BFF, APP] {
        let refused = server.token(client, &exchange_form(&code)[..3]).await;
        refused.assert_oauth_error(400, "invalid_request");
    }
}
