//! Resource indicators (RFC 8707).

use serde_json::{Value, json};

use crate::harness::{
    Answer, Authorization, BFF, Browser, CALLBACK, DESK, MAIL_API, NOTES_API, OTHER, SERVICE, Server,
    authorization, exchange_form, peek,
};

const NOTES: &str = "https://notes.example";
const MAIL: &str = "https://mail.example";

/// A request of the client that may ask for two APIs.
fn desk_authorization() -> Authorization {
    authorization()
        .with("client_id", "desk")
        .with("redirect_uri", CALLBACK)
        .with(
            "scope",
            "openid email offline_access notes:read notes:write mail:send",
        )
}

async fn code(server: &Server, request: &Authorization) -> String {
    Browser::new(server).sign_in("alice", request).await.code()
}

async fn exchange(server: &Server, code: &str, more: &[(&str, &str)]) -> Answer {
    server
        .token(DESK, &[exchange_form(code).as_slice(), more].concat())
        .await
}

async fn refresh(server: &Server, token: &str, more: &[(&str, &str)]) -> Answer {
    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
    server.token(DESK, &[form.as_slice(), more].concat()).await
}

/// Whom an answer's access token is for, and the scope that both of them tell.
fn target(answer: &Answer) -> (Value, String) {
    let claims = peek(&answer.tokens().access_token).1;
    let scope = answer.json()["scope"].as_str().unwrap().to_owned();
    assert_eq!(claims["scope"], scope);
    (claims["aud"].clone(), scope)
}

#[tokio::test]
async fn at_2_without_a_resource_a_token_is_for_the_default_api_and_userinfo() {
    let server = Server::start_with_apis().await;
    let first = exchange(&server, &code(&server, &desk_authorization()).await, &[]).await;
    let expected = (
        json!([NOTES, server.issuer]),
        "email notes:read notes:write offline_access openid".to_owned(),
    );
    assert_eq!(target(&first), expected, "without the scope of the other API");
    let next = refresh(&server, &first.tokens().refresh_token, &[]).await;
    assert_eq!(target(&next), expected);
    assert_eq!(server.user_info(&next.tokens().access_token).await.status, 200);
}

#[tokio::test]
async fn at_2_a_token_for_a_resource_carries_the_scopes_known_there_alone() {
    let server = Server::start_with_apis().await;
    let first = exchange(
        &server,
        &code(&server, &desk_authorization()).await,
        &[("resource", NOTES)],
    )
    .await;
    assert_eq!(
        target(&first),
        (json!(NOTES), "notes:read notes:write".to_owned())
    );
    assert!(!first.tokens().id_token.is_empty(), "the grant is one of OpenID");

    let mail = refresh(&server, &first.tokens().refresh_token, &[("resource", MAIL)]).await;
    assert_eq!(target(&mail), (json!(MAIL), "mail:send".to_owned()));
    let both = [("resource", NOTES), ("scope", "notes:read mail:send")];
    let notes = refresh(&server, &mail.tokens().refresh_token, &both).await;
    assert_eq!(target(&notes), (json!(NOTES), "notes:read".to_owned()));
    for answer in [&first, &mail, &notes] {
        server
            .user_info(&answer.tokens().access_token)
            .await
            .assert_oauth_error(401, "invalid_token");
    }

    let own = [("resource", server.issuer.as_str())];
    let user_info = refresh(&server, &notes.tokens().refresh_token, &own).await;
    assert_eq!(
        target(&user_info),
        (json!(server.issuer), "email openid".to_owned())
    );
    let told = server.user_info(&user_info.tokens().access_token).await;
    assert_eq!(told.json()["email"], "alice@example.com");

    let all = refresh(&server, &user_info.tokens().refresh_token, &[]).await;
    assert_eq!(
        target(&all).1,
        "email notes:read notes:write offline_access openid",
        "narrowing is for one token"
    );
}

#[tokio::test]
async fn at_2_only_the_api_that_a_token_is_for_introspects_it() {
    let server = Server::start_with_apis().await;
    let code = code(&server, &desk_authorization()).await;
    let mail = exchange(&server, &code, &[("resource", MAIL)]).await.tokens();
    for (client, expected) in [(MAIL_API, true), (NOTES_API, false)] {
        let told = server
            .call("/introspect", client, &[("token", &mail.access_token)])
            .await;
        assert_eq!(told.json()["active"], expected);
    }
}

#[tokio::test]
async fn a_grant_for_a_resource_stays_with_it() {
    let server = Server::start_with_apis().await;
    let request = desk_authorization().with("resource", MAIL);
    let first = exchange(&server, &code(&server, &request).await, &[]).await;
    let expected = (
        json!([MAIL, server.issuer]),
        "email mail:send offline_access openid".to_owned(),
    );
    assert_eq!(target(&first), expected);
    let token = first.tokens().refresh_token;

    refresh(&server, &token, &[("resource", NOTES)])
        .await
        .assert_oauth_error(400, "invalid_target");
    let next = refresh(&server, &token, &[]).await;
    assert_eq!(target(&next), expected);

    let widened = exchange(&server, &code(&server, &request).await, &[("resource", NOTES)]).await;
    widened.assert_oauth_error(400, "invalid_target");
}

/// What cannot be had is judged before the code is spent, and leaves nothing behind.
#[tokio::test]
async fn a_code_outlives_requests_for_what_its_grant_is_not_for() {
    let server = Server::start_with_apis().await;
    let asked = desk_authorization()
        .with("resource", MAIL)
        .with("scope", "openid offline_access mail:send");
    let asked = code(&server, &asked).await;
    let narrow = desk_authorization().with("scope", "offline_access notes:read");
    let narrow = code(&server, &narrow).await;
    for (code, resource, error) in [
        (&asked, NOTES, "invalid_target"),
        (&narrow, MAIL, "invalid_scope"),
        (&narrow, server.issuer.as_str(), "invalid_target"),
    ] {
        exchange(&server, code, &[("resource", resource)])
            .await
            .assert_oauth_error(400, error);
    }
    let families: i64 = sqlx::query_scalar("SELECT count(*) FROM family")
        .fetch_one(&server.open_database().await)
        .await
        .unwrap();
    assert_eq!(families, 0);
    assert_eq!(
        target(&exchange(&server, &asked, &[("resource", MAIL)]).await).0,
        MAIL
    );
    assert_eq!(target(&exchange(&server, &narrow, &[]).await).0, NOTES);
    exchange(&server, &narrow, &[])
        .await
        .assert_oauth_error(400, "invalid_grant");
}

/// Codes of a session are stored another way than those of a typed password.
#[tokio::test]
async fn a_silent_grant_for_a_resource_stays_with_it_too() {
    let server = Server::start_with_apis().await;
    let mut browser = Browser::new(&server);
    browser.sign_in("alice", &desk_authorization()).await.code();
    let silent = desk_authorization().with("prompt", "none").with("resource", MAIL);
    let code = browser.authorize(&silent).await.code();
    let tokens = exchange(&server, &code, &[]).await.tokens();
    refresh(&server, &tokens.refresh_token, &[("resource", NOTES)])
        .await
        .assert_oauth_error(400, "invalid_target");
    let next = refresh(&server, &tokens.refresh_token, &[("resource", MAIL)]).await;
    assert_eq!(target(&next), (json!(MAIL), "mail:send".to_owned()));
}

#[tokio::test]
async fn a_grant_may_be_for_several_resources_and_a_token_for_one() {
    let server = Server::start_with_apis().await;
    let request = desk_authorization()
        .with("resource", MAIL)
        .also("resource", NOTES);
    let several = [("resource", MAIL), ("resource", NOTES)];
    let asked = code(&server, &request).await;
    exchange(&server, &asked, &several)
        .await
        .assert_oauth_error(400, "invalid_target");
    let first = exchange(&server, &asked, &[]).await;
    assert_eq!(
        target(&first).0,
        json!([MAIL, server.issuer]),
        "for the one named first"
    );
    assert_eq!(server.user_info(&first.tokens().access_token).await.status, 200);

    let token = first.tokens().refresh_token;
    refresh(&server, &token, &several)
        .await
        .assert_oauth_error(400, "invalid_target");
    let notes = refresh(&server, &token, &[("resource", NOTES)]).await;
    assert_eq!(
        target(&notes),
        (json!(NOTES), "notes:read notes:write".to_owned())
    );
}

#[tokio::test]
async fn an_unknown_resource_is_refused_and_costs_nothing() {
    let server = Server::start_with_apis().await;
    let asked = code(&server, &desk_authorization()).await;
    let strange = [
        "https://files.example",
        "https://nowhere.example",
        "https://notes.example/",
        "notes",
        "https://notes.example#x",
    ];
    for resource in strange {
        exchange(&server, &asked, &[("resource", resource)])
            .await
            .assert_oauth_error(400, "invalid_target");
    }
    let tokens = exchange(&server, &asked, &[]).await.tokens();
    for resource in strange {
        refresh(&server, &tokens.refresh_token, &[("resource", resource)])
            .await
            .assert_oauth_error(400, "invalid_target");
        let answer = Browser::new(&server)
            .authorize(&desk_authorization().with("resource", resource))
            .await;
        answer.assert_returned_error(&server, "invalid_target");
    }
    assert_eq!(refresh(&server, &tokens.refresh_token, &[]).await.status, 200);
}

#[tokio::test]
async fn a_resource_that_knows_none_of_the_scopes_is_refused() {
    let server = Server::start_with_apis().await;
    let request = desk_authorization().with("scope", "openid offline_access notes:read");
    let answer = Browser::new(&server)
        .authorize(&request.clone().with("resource", MAIL))
        .await;
    answer.assert_returned_error(&server, "invalid_scope");

    let tokens = exchange(&server, &code(&server, &request).await, &[])
        .await
        .tokens();
    refresh(&server, &tokens.refresh_token, &[("resource", MAIL)])
        .await
        .assert_oauth_error(400, "invalid_scope");
    assert_eq!(refresh(&server, &tokens.refresh_token, &[]).await.status, 200);
}

#[tokio::test]
async fn without_openid_the_issuer_is_no_resource() {
    let server = Server::start_with_apis().await;
    let request = desk_authorization().with("scope", "offline_access notes:read");
    let tokens = exchange(&server, &code(&server, &request).await, &[])
        .await
        .tokens();
    refresh(&server, &tokens.refresh_token, &[("resource", &server.issuer)])
        .await
        .assert_oauth_error(400, "invalid_target");
}

#[tokio::test]
async fn cc_2_a_service_names_its_resource() {
    let server = Server::start_with_apis().await;
    let ask = |more: &'static [(&'static str, &'static str)]| {
        let server = &server;
        async move {
            let form = [&[("grant_type", "client_credentials")][..], more].concat();
            server.token(DESK, &form).await
        }
    };
    assert_eq!(
        target(&ask(&[]).await),
        (json!(NOTES), "notes:read notes:write".to_owned())
    );
    assert_eq!(
        target(&ask(&[("resource", MAIL)]).await),
        (json!(MAIL), "mail:send".to_owned())
    );
    ask(&[("resource", MAIL), ("scope", "notes:read")])
        .await
        .assert_oauth_error(400, "invalid_scope");
    for strange in ["https://files.example", "https://nowhere.example"] {
        let form = [("grant_type", "client_credentials"), ("resource", strange)];
        for client in [DESK, SERVICE] {
            server
                .token(client, &form)
                .await
                .assert_oauth_error(400, "invalid_target");
        }
    }
    ask(&[("resource", NOTES), ("resource", MAIL)])
        .await
        .assert_oauth_error(400, "invalid_target");
}

#[tokio::test]
async fn an_api_without_user_info_gets_no_token_that_opens_it() {
    let server = Server::start_with_reserved_mail().await;
    let request = desk_authorization().with("resource", MAIL);
    let first = exchange(&server, &code(&server, &request).await, &[]).await;
    assert_eq!(target(&first), (json!(MAIL), "mail:send".to_owned()));
    assert!(!first.tokens().id_token.is_empty());
    server
        .user_info(&first.tokens().access_token)
        .await
        .assert_oauth_error(401, "invalid_token");
    let own = [("resource", server.issuer.as_str())];
    let second = refresh(&server, &first.tokens().refresh_token, &own).await;
    let told = server.user_info(&second.tokens().access_token).await;
    assert_eq!(told.json()["email"], "alice@example.com");
}

/// As clients are configured that know of no `[[resource]]`.
#[tokio::test]
async fn the_audience_of_a_client_is_a_resource_that_needs_no_description() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens.refresh_token.as_str()),
        ("resource", NOTES),
        ("scope", "notes:read"),
    ];
    let answer = server.token(BFF, &form).await;
    assert_eq!(target(&answer), (json!(NOTES), "notes:read".to_owned()));
    let answer = server.token(BFF, &form[..2]).await;
    assert_eq!(
        target(&answer).1,
        "email notes:read notes:write offline_access openid profile"
    );

    let own = [
        ("grant_type", "client_credentials"),
        ("resource", server.issuer.as_str()),
    ];
    server
        .token(SERVICE, &own)
        .await
        .assert_oauth_error(400, "invalid_target");
    assert_eq!(server.token(OTHER, &own).await.status, 200, "its default");
}

#[tokio::test]
async fn a_registration_that_shrinks_takes_its_resources_along() {
    let server = Server::start_with_apis().await;
    let request = desk_authorization().with("resource", MAIL);
    let tokens = exchange(&server, &code(&server, &request).await, &[])
        .await
        .tokens();
    // As if the grant had been for an API that the client no longer names.
    sqlx::query("UPDATE family SET resources = 'https://files.example'")
        .execute(&server.open_database().await)
        .await
        .unwrap();
    for more in [&[][..], &[("resource", "https://files.example")]] {
        refresh(&server, &tokens.refresh_token, more)
            .await
            .assert_oauth_error(400, "invalid_target");
    }
}
