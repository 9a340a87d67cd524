use std::collections::HashSet;

use reqwest::Method;

use crate::harness::{
    Authorization, BFF, Browser, CALLBACK, Server, VERIFIER, app_authorization, authorization, exchange_form,
    peek,
};

async fn refused(request: Authorization, error: &str) {
    let server = Server::start().await;
    let answer = server.get(&request.path()).await;
    assert!(answer.location().as_str().starts_with(CALLBACK));
    answer.assert_returned_error(&server, error);
}

#[tokio::test]
async fn authz_1_a_sign_in_brings_a_code_that_brings_tokens() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let answer = browser.sign_in("alice", &authorization()).await;

    assert!(
        answer
            .location()
            .as_str()
            .starts_with(&format!("{CALLBACK}?code="))
    );
    assert_eq!(answer.returned("state").as_deref(), Some("st&te ü"));
    assert_eq!(answer.returned("iss").as_deref(), Some(server.issuer.as_str()));
    assert_eq!(answer.header("cache-control"), "no-store");
    let tokens = server.exchange(&answer.code()).await.tokens();
    server.verified_id_token(&tokens.id_token).await;
    server.verified_access_token(&tokens.access_token).await;
}

#[tokio::test]
async fn authz_2_confidential_clients_need_pkce() {
    refused(
        authorization()
            .without("code_challenge")
            .without("code_challenge_method"),
        "invalid_request",
    )
    .await;
}

#[tokio::test]
async fn authz_2b_public_clients_need_pkce() {
    let server = Server::start().await;
    let request = app_authorization("http://127.0.0.1:51004/callback").without("code_challenge");
    server
        .get(&request.path())
        .await
        .assert_returned_error(&server, "invalid_request");
}

#[tokio::test]
async fn authz_3_plain_challenges_are_refused() {
    refused(
        authorization().with("code_challenge_method", "plain"),
        "invalid_request",
    )
    .await;
}

#[tokio::test]
async fn authz_3b_a_missing_method_is_not_plain() {
    refused(
        authorization().without("code_challenge_method"),
        "invalid_request",
    )
    .await;
}

#[tokio::test]
async fn authz_4_other_redirect_uris_are_never_redirected_to() {
    let server = Server::start().await;
    for uri in [
        "",
        "https://evil.example/callback",
        "https://bff.example/callback/",
        "https://bff.example/callback?x=1",
        "https://bff.example/Callback",
        "https://bff.example:443/callback",
        "https://bff.example/x/../callback",
        "https://bff.example/callback#f",
        "https://bff.example@evil.example/callback",
        "https://bff.example.evil.example/callback",
        "http://bff.example/callback",
        "javascript:alert(1)//https://bff.example/callback",
        "https://bff.example/callback\r\nX: y",
    ] {
        let answer = server
            .get(&authorization().with("redirect_uri", uri).path())
            .await;
        answer.assert_page(400, "This address is not registered");
    }
}

#[tokio::test]
async fn authz_6_a_missing_redirect_uri_is_refused() {
    let server = Server::start().await;
    let answer = server.get(&authorization().without("redirect_uri").path()).await;
    answer.assert_page(400, "This address is not registered");
}

#[tokio::test]
async fn authz_5_an_unknown_client_gets_a_page() {
    let server = Server::start().await;
    for request in [
        authorization().with("client_id", "nobody"),
        authorization().without("client_id"),
        authorization().also("client_id", "bff"),
        authorization().with("client_id", "<script>alert(1)</script>"),
    ] {
        server
            .get(&request.path())
            .await
            .assert_page(400, "This application is not known here");
    }
}

#[tokio::test]
async fn authz_7_other_response_types_are_refused() {
    for response_type in ["token", "id_token", "code token"] {
        refused(
            authorization().with("response_type", response_type),
            "unsupported_response_type",
        )
        .await;
    }
    refused(authorization().without("response_type"), "invalid_request").await;
}

#[tokio::test]
async fn authz_8_prompt_none_without_a_session_is_an_error_for_the_client() {
    let server = Server::start().await;
    Browser::new(&server)
        .authorize(&authorization().with("prompt", "none"))
        .await
        .assert_returned_error(&server, "login_required");
}

#[tokio::test]
async fn authz_9_prompt_none_with_a_session_brings_a_code_without_a_page() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let silent = authorization().with("prompt", "none");
    browser.sign_in("alice", &authorization()).await;
    let code = browser.authorize(&silent).await.code();
    assert_eq!(server.exchange(&code).await.status, 200);
}

#[tokio::test]
async fn authz_10_prompt_login_asks_again_and_auth_time_moves() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let first = browser.sign_in("alice", &authorization()).await.code();
    let first = peek(&server.exchange(&first).await.tokens().id_token).1;
    server.advance(10);
    let again = browser
        .sign_in("alice", &authorization().with("prompt", "login"))
        .await
        .code();
    let again = peek(&server.exchange(&again).await.tokens().id_token).1;

    assert_eq!(
        again["auth_time"].as_i64().unwrap(),
        first["auth_time"].as_i64().unwrap() + 10
    );
    assert_eq!(again["sid"], first["sid"], "it is the same session");
}

#[tokio::test]
async fn authz_11_max_age_asks_again_when_the_password_is_too_old() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let request = authorization().with("max_age", "1");
    browser.sign_in("alice", &request).await;
    server.advance(1);
    browser.authorize(&request).await.code();
    server.advance(1);
    browser.authorize(&request).await.assert_page(200, "Sign in");
    browser
        .authorize(&request.with("prompt", "none"))
        .await
        .assert_returned_error(&server, "login_required");
}

#[tokio::test]
async fn authz_12_prompt_none_stands_alone() {
    refused(authorization().with("prompt", "none login"), "invalid_request").await;
}

#[tokio::test]
async fn authz_13_repeated_parameters_are_refused() {
    let server = Server::start().await;
    for name in [
        "scope",
        "nonce",
        "code_challenge",
        "response_type",
        "prompt",
        "unknown",
    ] {
        let answer = server
            .get(&authorization().also(name, "x").also(name, "x").path())
            .await;
        answer.assert_returned_error(&server, "invalid_request");
    }
    let answer = server.get(&authorization().also("state", "x").path()).await;
    assert_eq!(answer.returned("error").as_deref(), Some("invalid_request"));
    assert_eq!(answer.returned("state"), None);
    let twice = authorization().also("redirect_uri", CALLBACK);
    server
        .get(&twice.path())
        .await
        .assert_page(400, "This address is not registered");
}

#[tokio::test]
async fn authz_14_a_request_may_be_posted() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let post = |request: &Authorization| server.request(Method::POST, "/authorize").form(request.form());

    let page = browser.send(post(&authorization())).await;
    page.assert_page(200, "Sign in");
    let fields = [("username", "alice"), ("password", crate::harness::PASSWORD)];
    let code = browser.submit(&page, &fields).await.code();
    assert_eq!(server.exchange(&code).await.status, 200);
    browser
        .send(post(&authorization().with("prompt", "none")))
        .await
        .code();
}

#[tokio::test]
async fn a_request_posted_from_another_site_is_repeated_as_a_navigation_that_brings_the_cookie() {
    let server = Server::start().await;
    let request = server
        .request(Method::POST, "/authorize")
        .header("sec-fetch-site", "cross-site");
    let answer = server.send(request.form(authorization().form())).await;
    assert_eq!(
        answer.location().as_str(),
        server.public_url(&authorization().path())
    );
}

#[tokio::test]
async fn a_session_whose_user_is_gone_is_no_session() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    browser.sign_in("alice", &authorization()).await.code();
    let database = server.open_database().await;
    sqlx::query("DELETE FROM user WHERE name = 'alice'")
        .execute(&database)
        .await
        .unwrap();
    browser
        .authorize(&authorization().with("prompt", "none"))
        .await
        .assert_returned_error(&server, "login_required");
    browser
        .authorize(&authorization())
        .await
        .assert_page(200, "Sign in");
    browser.sign_in("bob", &authorization()).await.code();
}

#[tokio::test]
async fn authz_15_unknown_parameters_are_ignored() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let request = authorization().with("vtr", "[\"C2.Cc\"]").with("x", "<y>");
    browser.sign_in("alice", &request).await.code();
}

#[tokio::test]
async fn authz_16_no_redirect_repeats_the_form() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let answer = browser.sign_in("alice", &authorization()).await;
    // 307 and 308 would post the password to the client.
    assert_eq!(answer.status, 303);
    let again = browser.authorize(&authorization()).await;
    assert_eq!(again.status, 303);
    let posted = server
        .request(Method::POST, "/authorize")
        .header("sec-fetch-site", "same-origin")
        .form(authorization().with("prompt", "none").form());
    assert_eq!(browser.send(posted).await.status, 303);
}

#[tokio::test]
async fn authz_17_the_sign_in_page_is_not_framed_cached_or_leaked() {
    let server = Server::start().await;
    let page = server.get(&authorization().path()).await;
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    assert!(
        policy.contains("form-action 'self' https://bff.example;"),
        "{policy}"
    );
    assert!(policy.contains("base-uri 'none'"), "{policy}");
    // The rest is checked for every page by the harness.
    assert!(
        page.body.contains("Notes &#38; &#60;Co&#62;"),
        "names are escaped"
    );
}

#[tokio::test]
async fn authz_18_without_openid_there_is_no_id_token() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let code = browser
        .sign_in("alice", &authorization().with("scope", "notes:read"))
        .await
        .code();
    let answer = server.exchange(&code).await;
    assert_eq!(answer.json()["scope"], "notes:read");
    assert!(answer.json().get("id_token").is_none());
    assert!(
        answer.json().get("refresh_token").is_none(),
        "nor a refresh token: it was not asked for"
    );
}

#[tokio::test]
async fn authz_19_request_objects_are_refused() {
    refused(
        authorization().with("request", "eyJhbGciOiJub25lIn0.e30."),
        "request_not_supported",
    )
    .await;
}

#[tokio::test]
async fn authz_20_a_request_uri_is_refused_and_not_fetched() {
    let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let url = format!("http://{}/r", trap.local_addr().unwrap());
    refused(
        authorization().with("request_uri", &url),
        "request_uri_not_supported",
    )
    .await;
    assert!(trap.accept().is_err(), "nobody came");
}

#[tokio::test]
async fn authz_22_codes_cannot_be_guessed() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let mut codes = HashSet::from([browser.sign_in("alice", &authorization()).await.code()]);
    for _ in 1..20 {
        codes.insert(browser.authorize(&authorization()).await.code());
    }
    assert_eq!(codes.len(), 20);
    assert!(codes.iter().all(|code| code.len() == 43));
}

#[tokio::test]
async fn authz_23_a_hint_of_another_user_is_no_session() {
    let server = Server::start().await;
    let of_alice = server.tokens().await.id_token;
    let mut browser = Browser::new(&server);
    browser.sign_in("bob", &authorization()).await;

    let hinted = authorization().with("id_token_hint", &of_alice);
    browser
        .authorize(&hinted.clone().with("prompt", "none"))
        .await
        .assert_returned_error(&server, "login_required");
    browser
        .sign_in("bob", &hinted)
        .await
        .assert_returned_error(&server, "login_required");
    browser.sign_in("alice", &hinted).await.code();
    let forged = authorization().with("id_token_hint", "e30.e30.");
    browser
        .authorize(&forged)
        .await
        .assert_returned_error(&server, "invalid_request");
}

#[tokio::test]
async fn scopes_that_are_not_allowed_are_left_out_and_said_so() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let code = browser
        .sign_in("alice", &authorization().with("scope", "openid admin"))
        .await
        .code();
    assert_eq!(server.exchange(&code).await.json()["scope"], "openid");
    refused(authorization().with("scope", "admin"), "invalid_scope").await;
}

#[tokio::test]
async fn a_client_without_the_grant_is_told() {
    let server = Server::start().await;
    let request = authorization().with("client_id", "service");
    server
        .get(&request.path())
        .await
        .assert_page(400, "not registered");
}

#[tokio::test]
async fn every_code_is_bound_to_its_challenge() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let challenge = "A".repeat(43);
    let request = authorization().with("code_challenge", &challenge);
    let code = browser.sign_in("alice", &request).await.code();
    assert_eq!(VERIFIER.len(), 43);
    server
        .token(BFF, &exchange_form(&code))
        .await
        .assert_oauth_error(400, "invalid_grant");
}

/// RFC 6749 §4.1.2.1 and §5.2 allow no quotation mark and no backslash in a description.
#[tokio::test]
async fn descriptions_of_errors_keep_to_their_alphabet() {
    let server = Server::start().await;
    for request in [
        authorization().also("scope", "x"),
        authorization().also("a\"b\\c\n", "x").also("a\"b\\c\n", "x"),
        authorization().with("claims", "\"\\"),
        authorization().with("max_age", "\""),
        authorization().with("scope", "\"\\"),
        authorization().with("response_type", "\"\\"),
    ] {
        let answer = server.get(&request.path()).await;
        let description = answer.returned("error_description").unwrap();
        let is_allowed = |byte: u8| (0x20..=0x7e).contains(&byte) && byte != b'"' && byte != b'\\';
        assert!(description.bytes().all(is_allowed), "{description}");
    }
}
