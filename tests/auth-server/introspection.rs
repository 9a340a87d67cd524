use reqwest::Method;
use serde_json::{Value, json};

use crate::disabled::disable_alice;
use crate::harness::{
    APP, Answer, BFF, Browser, Credentials, MAIL_API, NOTES_API, OTHER, SECRET, SERVICE, Server,
    authorization, peek,
};

async fn ask(server: &Server, client: Credentials<'_>, token: &str) -> Answer {
    server.call("/introspect", client, &[("token", token)]).await
}

async fn told(server: &Server, client: Credentials<'_>, token: &str) -> Value {
    let answer = ask(server, client, token).await;
    assert_eq!(
        (answer.status, answer.header("cache-control")),
        (200, "no-store"),
        "{}",
        answer.body
    );
    answer.json()
}

fn inactive() -> Value {
    json!({ "active": false })
}

#[tokio::test]
async fn int_1_an_access_token_is_active_and_says_what_it_says() {
    let server = Server::start_with_apis().await;
    let tokens = server.tokens().await;
    let claims = peek(&tokens.access_token).1;
    for client in [BFF, NOTES_API] {
        let told = told(&server, client, &tokens.access_token).await;
        assert_eq!(told["active"], true);
        assert_eq!(told["iss"], server.issuer.as_str());
        assert_eq!(told["client_id"], "bff");
        assert_eq!(told["token_type"], "Bearer");
        for claim in ["sub", "aud", "scope", "exp", "iat", "jti"] {
            assert!(!claims[claim].is_null(), "{claim}");
            assert_eq!(told[claim], claims[claim], "{claim}");
        }
    }
}

#[tokio::test]
async fn int_1_a_refresh_token_is_active_for_its_client() {
    let server = Server::start_with_apis().await;
    let tokens = server.tokens().await;
    let claims = peek(&tokens.access_token).1;
    let told = told(&server, BFF, &tokens.refresh_token).await;
    let month = 30 * 24 * 3600;
    assert_eq!(
        told,
        json!({
            "active": true, "iss": server.issuer, "sub": claims["sub"], "client_id": "bff",
            "scope": "email notes:read notes:write offline_access openid profile",
            "exp": claims["iat"].as_i64().unwrap() + month,
        })
    );
}

#[tokio::test]
async fn int_1_a_token_of_a_service_is_active_without_a_user() {
    let server = Server::start_with_apis().await;
    let answer = server
        .token(SERVICE, &[("grant_type", "client_credentials")])
        .await;
    let token = answer.tokens().access_token;
    for client in [SERVICE, NOTES_API] {
        let told = told(&server, client, &token).await;
        assert_eq!(
            (&told["active"], &told["sub"], &told["client_id"]),
            (&json!(true), &json!("service"), &json!("service"))
        );
    }
    assert_eq!(told(&server, MAIL_API, &token).await, inactive());
}

#[tokio::test]
async fn int_2_of_an_unknown_token_nothing_is_told() {
    let server = Server::start_with_apis().await;
    let tokens = server.tokens().await;
    let (start, _) = tokens.access_token.rsplit_once('.').unwrap();
    for token in [
        "unknown",
        "a.b.c",
        &format!("{start}."),
        &tokens.id_token,
        "AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        &"a".repeat(20_000),
    ] {
        assert_eq!(told(&server, BFF, token).await, inactive(), "{token}");
    }
}

#[tokio::test]
async fn int_2_of_a_token_of_others_nothing_is_told() {
    let server = Server::start_with_apis().await;
    let tokens = server.tokens().await;
    for client in [OTHER, MAIL_API] {
        assert_eq!(told(&server, client, &tokens.access_token).await, inactive());
    }
    for client in [OTHER, MAIL_API, NOTES_API] {
        assert_eq!(told(&server, client, &tokens.refresh_token).await, inactive());
    }
}

#[tokio::test]
async fn an_api_that_is_not_described_introspects_nothing() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    assert_eq!(
        told(&server, SERVICE, &tokens.access_token).await,
        inactive(),
        "to have tokens for an audience is not to be it"
    );
}

#[tokio::test]
async fn int_3_who_asks_has_to_prove_who_it_is() {
    let server = Server::start_with_apis().await;
    let of_app = server.tokens_of_app().await;
    for client in [
        Credentials::None,
        Credentials::Public("notes-api"),
        Credentials::Basic("notes-api", "wrong"),
        Credentials::Basic("nobody", SECRET),
        APP,
    ] {
        ask(&server, client, &of_app.access_token)
            .await
            .assert_oauth_error(401, "invalid_client");
    }
    let in_body = Credentials::Post("notes-api", SECRET);
    assert_eq!(told(&server, in_body, &of_app.access_token).await["active"], true);
}

#[tokio::test]
async fn int_3_the_token_comes_in_the_body_of_a_post() {
    let server = Server::start_with_apis().await;
    for form in [&[][..], &[("token", "")], &[("token", "a"), ("token", "b")]] {
        server
            .call("/introspect", NOTES_API, form)
            .await
            .assert_oauth_error(400, "invalid_request");
    }
    server
        .call("/introspect?token=a", NOTES_API, &[("token", "a")])
        .await
        .assert_oauth_error(400, "invalid_request");
    let answer = server
        .send(server.request(Method::GET, "/introspect?token=a"))
        .await;
    assert_eq!((answer.status, answer.header("allow")), (405, "POST"));
}

#[tokio::test]
async fn int_4_a_revoked_grant_leaves_nothing_active() {
    let server = Server::start_with_apis().await;
    let tokens = server.tokens().await;
    let revoked = server
        .call("/revoke", BFF, &[("token", &tokens.refresh_token)])
        .await;
    assert_eq!(revoked.status, 200);
    assert_eq!(told(&server, BFF, &tokens.refresh_token).await, inactive());
    for client in [BFF, NOTES_API] {
        assert_eq!(told(&server, client, &tokens.access_token).await, inactive());
    }
}

#[tokio::test]
async fn int_4_a_replayed_code_leaves_nothing_active() {
    let server = Server::start_with_apis().await;
    let code = Browser::new(&server)
        .sign_in("alice", &authorization())
        .await
        .code();
    let tokens = server.exchange(&code).await.tokens();
    assert_eq!(server.exchange(&code).await.status, 400);
    for token in [&tokens.access_token, &tokens.refresh_token] {
        assert_eq!(told(&server, BFF, token).await, inactive());
    }
}

#[tokio::test]
async fn int_4_a_disabled_user_leaves_nothing_active() {
    let server = Server::start_with_apis().await;
    let tokens = server.tokens().await;
    assert_eq!(
        told(&server, NOTES_API, &tokens.access_token).await["active"],
        true
    );
    disable_alice(&server).await;
    assert_eq!(told(&server, BFF, &tokens.refresh_token).await, inactive());
    for client in [BFF, NOTES_API] {
        assert_eq!(told(&server, client, &tokens.access_token).await, inactive());
    }
}

#[tokio::test]
async fn int_4_a_grant_that_disabling_missed_is_not_active() {
    let server = Server::start_with_apis().await;
    let tokens = server.tokens().await;
    let database = server.open_database().await;
    // As if the grant had been stored by a transaction that disabling did not see.
    sqlx::query("UPDATE user SET disabled_at = 1")
        .execute(&database)
        .await
        .unwrap();
    for token in [&tokens.access_token, &tokens.refresh_token] {
        assert_eq!(told(&server, BFF, token).await, inactive());
    }
    server
        .user_info(&tokens.access_token)
        .await
        .assert_oauth_error(401, "invalid_token");
}

#[tokio::test]
async fn int_4_a_rotated_refresh_token_is_not_active_and_a_look_ends_nothing() {
    let server = Server::start_with_apis().await;
    let first = server.tokens().await;
    let second = server.refresh(&first.refresh_token).await.tokens();
    let third = server.refresh(&second.refresh_token).await.tokens();
    for old in [&first, &second] {
        assert_eq!(told(&server, BFF, &old.refresh_token).await, inactive());
    }
    server.advance(60);
    assert_eq!(told(&server, BFF, &second.refresh_token).await, inactive());
    assert_eq!(told(&server, BFF, &third.refresh_token).await["active"], true);
    assert_eq!(server.refresh(&third.refresh_token).await.status, 200);
}

#[tokio::test]
async fn int_4_tokens_are_active_until_the_second_of_their_expiry() {
    let server = Server::start_with_apis().await;
    let tokens = server.tokens().await;
    server.advance(299);
    assert_eq!(
        told(&server, NOTES_API, &tokens.access_token).await["active"],
        true
    );
    server.advance(1);
    assert_eq!(told(&server, NOTES_API, &tokens.access_token).await, inactive());
    server.advance(30 * 24 * 3600 - 301);
    assert_eq!(told(&server, BFF, &tokens.refresh_token).await["active"], true);
    server.advance(1);
    assert_eq!(told(&server, BFF, &tokens.refresh_token).await, inactive());
}

#[tokio::test]
async fn the_metadata_names_the_endpoint_and_how_to_authenticate() {
    let server = Server::start().await;
    let metadata = server.get("/.well-known/openid-configuration").await.json();
    assert_eq!(
        metadata["introspection_endpoint"],
        server.public_url("/introspect")
    );
    assert_eq!(
        metadata["introspection_endpoint_auth_methods_supported"],
        json!(["client_secret_basic", "client_secret_post", "private_key_jwt"])
    );
}
