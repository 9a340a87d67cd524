use reqwest::Method;

use crate::harness::{Browser, Server, authorization, peek};

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

    let code = Browser::new(&server)
        .sign_in("alice", &authorization().with("scope", "notes:read"))
        .await
        .code();
    let tokens = server.exchange(&code).await.tokens();
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
