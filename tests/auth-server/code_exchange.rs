use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use serde_json::Value;

use crate::harness::{APP, BFF, Browser, OTHER, Server, authorization, exchange_form, peek};

async fn fresh_code(server: &Server) -> String {
    Browser::new(server)
        .sign_in("alice", &authorization())
        .await
        .code()
}

#[tokio::test]
async fn token_1_a_replayed_code_revokes_what_was_made_from_it() {
    let server = Server::start().await;
    let code = fresh_code(&server).await;
    let tokens = server.exchange(&code).await.tokens();
    assert_eq!(server.user_info(&tokens.access_token).await.status, 200);
    server.advance(30);

    server
        .exchange(&code)
        .await
        .assert_oauth_error(400, "invalid_grant");
    server
        .refresh(&tokens.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
    assert_eq!(server.user_info(&tokens.access_token).await.status, 401);
}

#[tokio::test]
async fn a_replay_after_a_refresh_and_after_the_lifetime_revokes_just_the_same() {
    let server = Server::start().await;
    let code = fresh_code(&server).await;
    let tokens = server.exchange(&code).await.tokens();
    let next = server.refresh(&tokens.refresh_token).await.tokens();
    server.advance(3600);
    server
        .exchange(&code)
        .await
        .assert_oauth_error(400, "invalid_grant");
    server
        .refresh(&next.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn token_1b_of_twenty_parallel_exchanges_one_succeeds() {
    let server = Server::start().await;
    let code = fresh_code(&server).await;
    let answers = join_all((0..20).map(|_| server.exchange(&code))).await;

    let winners: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(winners.len(), 1);
    for loser in answers.iter().filter(|answer| answer.status != 200) {
        loser.assert_oauth_error(400, "invalid_grant");
    }
    // The losers were replays, so the winner's refresh token is worth nothing either.
    server
        .refresh(&winners[0].tokens().refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn token_2_a_wrong_verifier_gets_nothing_and_takes_nothing() {
    let server = Server::start().await;
    let code = fresh_code(&server).await;
    let wrong = "w".repeat(43);
    let mut form = exchange_form(&code);
    form[3] = ("code_verifier", &wrong);
    server
        .token(BFF, &form)
        .await
        .assert_oauth_error(400, "invalid_grant");
    assert_eq!(server.exchange(&code).await.status, 200);
}

#[tokio::test]
async fn token_3_a_missing_verifier_is_refused() {
    let server = Server::start().await;
    let code = fresh_code(&server).await;
    server
        .token(BFF, &exchange_form(&code)[..3])
        .await
        .assert_oauth_error(400, "invalid_request");
    assert_eq!(server.exchange(&code).await.status, 200);
}

#[tokio::test]
async fn token_3b_a_malformed_verifier_is_refused() {
    let server = Server::start().await;
    let code = fresh_code(&server).await;
    for verifier in [
        "a".repeat(42),
        "a".repeat(129),
        format!("{}!", "a".repeat(43)),
        String::new(),
    ] {
        let mut form = exchange_form(&code);
        form[3] = ("code_verifier", &verifier);
        server
            .token(BFF, &form)
            .await
            .assert_oauth_error(400, "invalid_request");
    }
    assert_eq!(server.exchange(&code).await.status, 200);
}

#[tokio::test]
async fn token_4_another_redirect_uri_is_refused() {
    let server = Server::start().await;
    let code = fresh_code(&server).await;
    let mut form = exchange_form(&code);
    form[2] = ("redirect_uri", "https://bff.example/other");
    server
        .token(BFF, &form)
        .await
        .assert_oauth_error(400, "invalid_grant");
    let without: Vec<_> = exchange_form(&code)
        .into_iter()
        .filter(|(name, _)| *name != "redirect_uri")
        .collect();
    server
        .token(BFF, &without)
        .await
        .assert_oauth_error(400, "invalid_request");
}

#[tokio::test]
async fn token_5_the_code_of_another_client_is_refused_and_stays_good() {
    let server = Server::start().await;
    let code = fresh_code(&server).await;
    for client in [OTHER, APP] {
        server
            .token(client, &exchange_form(&code))
            .await
            .assert_oauth_error(400, "invalid_grant");
    }
    let tokens = server.exchange(&code).await.tokens();
    // A used code in strange hands harms nobody.
    server
        .token(OTHER, &exchange_form(&code))
        .await
        .assert_oauth_error(400, "invalid_grant");
    assert_eq!(server.refresh(&tokens.refresh_token).await.status, 200);
}

#[tokio::test]
async fn x_7_a_code_dies_at_its_sixtieth_second() {
    let server = Server::start().await;
    let (early, late) = (fresh_code(&server).await, fresh_code(&server).await);
    server.advance(59);
    assert_eq!(server.exchange(&early).await.status, 200);
    server.advance(1);
    server
        .exchange(&late)
        .await
        .assert_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn x_11_a_code_is_no_refresh_token_and_the_reverse() {
    let server = Server::start().await;
    let code = fresh_code(&server).await;
    server
        .refresh(&code)
        .await
        .assert_oauth_error(400, "invalid_grant");
    let tokens = server.exchange(&code).await.tokens();
    server
        .exchange(&tokens.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
    server
        .exchange(&tokens.access_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
    server
        .refresh(&tokens.access_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
    assert_eq!(server.refresh(&tokens.refresh_token).await.status, 200);
}

#[tokio::test]
async fn at_1_access_tokens_follow_rfc_9068() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    let (header, _) = peek(&tokens.access_token);
    assert_eq!(
        (header["typ"].as_str(), header["alg"].as_str()),
        (Some("at+jwt"), Some("ES256"))
    );
    assert!(header["kid"].is_string());

    let claims = server.verified_access_token(&tokens.access_token).await;
    assert_eq!(
        claims["aud"],
        serde_json::json!(["https://notes.example", server.issuer]),
        "it opens /userinfo, too"
    );
    assert_eq!(claims["client_id"], "bff");
    assert_eq!(
        claims["scope"],
        "email notes:read notes:write offline_access openid profile"
    );
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        300
    );
    assert!(claims["jti"].as_str().is_some_and(|jti| jti.len() == 22));
    for personal in ["email", "name", "preferred_username"] {
        assert!(claims.get(personal).is_none(), "{personal} is nobody's business");
    }
}

#[tokio::test]
async fn at_3_an_id_token_is_no_access_token() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    assert_eq!(server.user_info(&tokens.id_token).await.status, 401);
    assert_eq!(peek(&tokens.id_token).0["typ"], "JWT");
    assert_eq!(peek(&tokens.id_token).1["aud"], "bff");
}

#[tokio::test]
async fn idt_1_id_tokens_say_who_when_and_for_whom() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    let claims = server.verified_id_token(&tokens.id_token).await;
    let now = claims["iat"].as_i64().unwrap();

    assert_eq!(claims["iss"], server.issuer.as_str());
    assert_eq!(claims["nonce"], "n-0S6_WzA2Mj");
    assert_eq!(claims["auth_time"], now);
    assert_eq!(claims["exp"], now + 300);
    assert_eq!(claims["name"], "alice <b>Example</b>");
    assert_eq!(claims["preferred_username"], "alice");
    assert_eq!(claims["email"], "alice@example.com");
    assert_eq!(claims["email_verified"], false);
    assert!(
        claims["sub"]
            .as_str()
            .is_some_and(|sub| sub.is_ascii() && sub.len() <= 255)
    );
    assert!(claims["sid"].is_string());
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, tokens.access_token.as_bytes());
    assert_eq!(claims["at_hash"], URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16]));
}

#[tokio::test]
async fn an_id_token_says_no_more_than_the_scopes_allow() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let request = authorization().with("scope", "openid").without("nonce");
    let code = browser.sign_in("alice", &request).await.code();
    let claims = peek(&server.exchange(&code).await.tokens().id_token).1;
    for absent in ["name", "preferred_username", "email", "nonce"] {
        assert_eq!(claims.get(absent), None::<&Value>, "{absent}");
    }
}
