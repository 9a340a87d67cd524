use crate::harness::{APP, BFF, OTHER, SERVICE, Server, peek};

#[tokio::test]
async fn cc_1_a_service_gets_an_access_token_and_nothing_else() {
    let server = Server::start().await;
    let answer = server
        .token(SERVICE, &[("grant_type", "client_credentials")])
        .await;
    let json = answer.json();
    let mut members: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["access_token", "expires_in", "scope", "token_type"]);

    let claims = server
        .verified_access_token(json["access_token"].as_str().unwrap())
        .await;
    assert_eq!(
        (claims["sub"].as_str(), claims["client_id"].as_str()),
        (Some("service"), Some("service"))
    );
    assert_eq!(claims["scope"], "notes:read notes:write");
}

#[tokio::test]
async fn cc_2_scopes_are_granted_as_asked_or_not_at_all() {
    let server = Server::start().await;
    let ask = |scope: &'static str| {
        let server = &server;
        async move {
            server
                .token(SERVICE, &[("grant_type", "client_credentials"), ("scope", scope)])
                .await
        }
    };
    assert_eq!(ask("notes:read").await.json()["scope"], "notes:read");
    for scope in [
        "admin",
        "notes:read admin",
        "openid",
        "offline_access",
        "notes:read\t",
    ] {
        ask(scope).await.assert_oauth_error(400, "invalid_scope");
    }
}

#[tokio::test]
async fn cc_3_a_client_without_the_grant_is_refused() {
    let server = Server::start().await;
    for client in [BFF, APP] {
        let answer = server
            .token(client, &[("grant_type", "client_credentials")])
            .await;
        answer.assert_oauth_error(400, "unauthorized_client");
    }
}

#[tokio::test]
async fn cc_2_a_client_without_scopes_gets_a_token_that_tells_of_none() {
    let server = Server::start().await;
    let answer = server.token(OTHER, &[("grant_type", "client_credentials")]).await;
    // The scopes of this client are all about users, and RFC 6749 §3.3 knows no empty scope.
    assert!(answer.json().get("scope").is_none());
    let token = answer.tokens().access_token;
    assert!(peek(&token).1.get("scope").is_none());
    server
        .user_info(&token)
        .await
        .assert_oauth_error(403, "insufficient_scope");
}

#[tokio::test]
async fn a_token_without_a_user_tells_nothing_at_userinfo() {
    let server = Server::start().await;
    let answer = server
        .token(SERVICE, &[("grant_type", "client_credentials")])
        .await;
    server
        .user_info(&answer.tokens().access_token)
        .await
        .assert_oauth_error(401, "invalid_token");
}
