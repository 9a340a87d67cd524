use reqwest::Method;

use crate::harness::{BFF, Browser, OTHER, Server, authorization, exchange_form, peek};

#[tokio::test]
async fn ui_1_it_tells_of_the_same_user_as_the_id_token() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    let told = server.user_info(&tokens.access_token).await;
    let id_token = peek(&tokens.id_token).1;
    for claim in ["sub", "name", "preferred_username", "email", "email_verified"] {
        assert_eq!(told.json()[claim], id_token[claim], "{claim}");
    }
    assert_eq!(told.header("cache-control"), "no-store");
    let posted = server
        .request(Method::POST, "/userinfo")
        .header("authorization", format!("bearer {}", tokens.access_token));
    assert_eq!(server.send(posted).await.json(), told.json());
}

#[tokio::test]
async fn it_tells_what_the_scopes_allow() {
    let server = Server::start().await;
    let code = Browser::new(&server)
        .sign_in("alice", &authorization().with("scope", "openid"))
        .await
        .code();
    let tokens = server.exchange(&code).await.tokens();
    let told = server.user_info(&tokens.access_token).await.json();
    assert_eq!(told.as_object().unwrap().keys().collect::<Vec<_>>(), ["sub"]);
}

/// What an API could otherwise do: read here who the user is, by the token that it was sent.
#[tokio::test]
async fn a_token_that_is_for_an_api_alone_opens_nothing_here() {
    let server = Server::start().await;
    let code = Browser::new(&server)
        .sign_in("alice", &authorization().with("scope", "notes:read"))
        .await
        .code();
    let of_api = server.exchange(&code).await.tokens().access_token;
    assert_eq!(peek(&of_api).1["aud"], "https://notes.example");

    let all = server.tokens().await;
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", all.refresh_token.as_str()),
        ("scope", "notes:read"),
    ];
    let narrowed = server.token(BFF, &form).await.tokens().access_token;
    assert_eq!(peek(&narrowed).1["aud"], "https://notes.example");
    for token in [&of_api, &narrowed] {
        let answer = server.user_info(token).await;
        answer.assert_oauth_error(401, "invalid_token");
    }
}

#[tokio::test]
async fn a_token_for_the_issuer_without_openid_has_too_little_scope() {
    let server = Server::start().await;
    let request = authorization()
        .with("client_id", "other: 100%")
        .with("scope", "offline_access");
    let code = Browser::new(&server).sign_in("alice", &request).await.code();
    let tokens = server.token(OTHER, &exchange_form(&code)).await.tokens();
    assert_eq!(peek(&tokens.access_token).1["aud"], server.issuer.as_str());
    server
        .user_info(&tokens.access_token)
        .await
        .assert_oauth_error(403, "insufficient_scope");
}

#[tokio::test]
async fn ui_2_without_a_token_the_challenge_is_bare() {
    let server = Server::start().await;
    let answer = server.get("/userinfo").await;
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (401, "Bearer")
    );
}

#[tokio::test]
async fn ui_3_a_bad_token_is_named_so() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    let (start, _) = tokens.access_token.rsplit_once('.').unwrap();
    for token in [
        "x",
        "a.b.c",
        &format!("{start}."),
        &tokens.refresh_token,
        &tokens.id_token,
    ] {
        let answer = server.user_info(token).await;
        answer.assert_oauth_error(401, "invalid_token");
        assert!(
            answer
                .header("www-authenticate")
                .starts_with("Bearer error=\"invalid_token\"")
        );
    }
    server.advance(300 + 5);
    server
        .user_info(&tokens.access_token)
        .await
        .assert_oauth_error(401, "invalid_token");
}

#[tokio::test]
async fn ui_4_a_token_in_the_query_or_the_body_is_not_looked_at() {
    let server = Server::start().await;
    let token = server.tokens().await.access_token;
    assert_eq!(
        server
            .get(&format!("/userinfo?access_token={token}"))
            .await
            .status,
        401
    );
    let posted = server
        .request(Method::POST, "/userinfo")
        .form(&[("access_token", token.as_str())]);
    assert_eq!(server.send(posted).await.status, 401);
}
