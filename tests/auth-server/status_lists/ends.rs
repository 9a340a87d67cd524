//! Each way in which a grant ends sets its bit and no other.

use super::reading::{Place, invalid, place};
use crate::disabled::disable_alice;
use crate::harness::{
    Authorization, BFF, Browser, Credentials, PASSWORD, STRANGER, Server, Tokens, authorization,
    exchange_form, peek, stranger_authorization,
};

const NEW_PASSWORD: &str = "mumpitz gaukelei tran";

/// Two grants of one sign-in, and others that have to survive.
struct Grants<'s> {
    server: &'s Server,
    browser: Browser<'s>,
    tokens: Tokens,
    second: Tokens,
    elsewhere: Browser<'s>,
    others: Tokens,
}

async fn at_bff(server: &Server, browser: &mut Browser<'_>, name: &str) -> Tokens {
    let code = browser.sign_in(name, &authorization()).await.code();
    server.exchange(&code).await.tokens()
}

impl<'s> Grants<'s> {
    async fn begin(server: &'s Server) -> Self {
        let (mut browser, mut elsewhere) = (Browser::new(server), Browser::new(server));
        let tokens = at_bff(server, &mut browser, "alice").await;
        let code = browser.authorize(&authorization()).await.code();
        let second = server.exchange(&code).await.tokens();
        let others = at_bff(server, &mut elsewhere, "alice").await;
        at_bff(server, &mut Browser::new(server), "bob").await;
        assert!(invalid(server).await.is_empty());
        Self {
            server,
            browser,
            tokens,
            second,
            elsewhere,
            others,
        }
    }

    fn place(&self, tokens: &Tokens) -> Place {
        place(self.server, &tokens.access_token)
    }

    async fn assert_ended(&self, ended: &[&Tokens]) {
        let expected = ended.iter().map(|tokens| self.place(tokens)).collect();
        assert_eq!(invalid(self.server).await, expected);
    }
}

fn sid(tokens: &Tokens) -> String {
    peek(&tokens.id_token).1["sid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_sign_out_tells_of_all_grants_of_the_sign_in() {
    let server = Server::start().await;
    let mut grants = Grants::begin(&server).await;
    let hint = format!("/end_session?id_token_hint={}", grants.tokens.id_token);
    let gone = grants.browser.get(&hint).await;
    gone.assert_page(200, "You are signed out");
    grants.assert_ended(&[&grants.tokens, &grants.second]).await;
}

#[tokio::test]
async fn a_sign_out_everywhere_tells_of_all_grants_of_the_user() {
    let server = Server::start().await;
    let mut grants = Grants::begin(&server).await;
    let page = grants.browser.get("/end_session").await;
    let everywhere = [("action", "sign-out-everywhere")];
    grants.browser.submit(&page, &everywhere).await;
    let all = [&grants.tokens, &grants.second, &grants.others];
    grants.assert_ended(&all).await;
}

#[tokio::test]
async fn a_session_that_is_ended_on_the_account_page_is_told_of() {
    let server = Server::start().await;
    let mut grants = Grants::begin(&server).await;
    let page = grants.elsewhere.get("/account").await;
    let target = sid(&grants.tokens);
    let end = [("action", "end"), ("target", target.as_str())];
    grants.elsewhere.press(&page, &end).await.location();
    grants.assert_ended(&[&grants.tokens, &grants.second]).await;
}

#[tokio::test]
async fn access_that_is_taken_back_is_told_of() {
    let server = Server::start().await;
    let mut grants = Grants::begin(&server).await;
    let question = grants
        .browser
        .authorize(&stranger_authorization("openid offline_access notes:read"))
        .await;
    let code = grants
        .browser
        .submit(&question, &[("action", "continue")])
        .await
        .code();
    let mut form = exchange_form(&code);
    form[2] = ("redirect_uri", "https://stranger.example/cb");
    let strangers = server.token(STRANGER, &form).await.tokens();
    let page = grants.browser.get("/account").await;
    let take_back = [("action", "take-back"), ("target", "stranger")];
    grants.browser.press(&page, &take_back).await.location();
    grants.assert_ended(&[&strangers]).await;
}

#[tokio::test]
async fn a_breach_a_revocation_and_a_replayed_code_tell_of_one_grant() {
    let server = Server::start().await;
    let mut grants = Grants::begin(&server).await;

    let later = server.refresh(&grants.tokens.refresh_token).await.tokens();
    server.refresh(&later.refresh_token).await.tokens();
    let reused = server.refresh(&grants.tokens.refresh_token).await;
    reused.assert_oauth_error(400, "invalid_grant");
    grants.assert_ended(&[&grants.tokens]).await;

    let form = [("token", grants.others.refresh_token.as_str())];
    assert_eq!(server.call("/revoke", BFF, &form).await.status, 200);
    grants.assert_ended(&[&grants.tokens, &grants.others]).await;

    let code = grants.browser.authorize(&authorization()).await.code();
    let replayed = server.exchange(&code).await.tokens();
    let again = server.exchange(&code).await;
    again.assert_oauth_error(400, "invalid_grant");
    let all = [&grants.tokens, &grants.others, &replayed];
    grants.assert_ended(&all).await;
}

#[tokio::test]
async fn a_changed_password_tells_of_all_grants_of_the_user() {
    let server = Server::start().await;
    let mut grants = Grants::begin(&server).await;
    let page = grants.browser.get("/account/password").await;
    let fields = [
        ("current", PASSWORD),
        ("new", NEW_PASSWORD),
        ("repeated", NEW_PASSWORD),
    ];
    grants.browser.press(&page, &fields).await.location();
    let all = [&grants.tokens, &grants.second, &grants.others];
    grants.assert_ended(&all).await;
}

#[tokio::test]
async fn what_an_operator_ends_is_told_of() {
    let server = Server::start().await;
    let grants = Grants::begin(&server).await;
    let its = sid(&grants.others);
    assert_eq!(server.end_sessions(&[&format!("--sid={its}")]).await, 1);
    grants.assert_ended(&[&grants.others]).await;

    server.reset_password_of_alice(NEW_PASSWORD).await;
    let all = [&grants.tokens, &grants.second, &grants.others];
    grants.assert_ended(&all).await;
}

#[tokio::test]
async fn a_disabled_user_is_told_of() {
    let server = Server::start().await;
    let grants = Grants::begin(&server).await;
    disable_alice(&server).await;
    let all = [&grants.tokens, &grants.second, &grants.others];
    grants.assert_ended(&all).await;
}

const PORTAL: &str = r#"
redirect_uris = ["https://bff.example/callback"]
grants = ["authorization_code", "refresh_token"]
scopes = ["openid", "offline_access"]
"#;

fn portal_request(client_id: &str) -> Authorization {
    authorization()
        .with("client_id", client_id)
        .with("scope", "openid offline_access")
}

#[tokio::test]
async fn a_client_that_is_disabled_or_removed_is_told_of() {
    let server = Server::start().await;
    let mut grants = Grants::begin(&server).await;
    let mut held = Vec::new();
    for id in ["disabled", "removed", "kept"] {
        let secret = server.add_client(&format!("id = \"{id}\"\n{PORTAL}")).await;
        server.advance(1);
        let code = grants.browser.authorize(&portal_request(id)).await.code();
        let portal = Credentials::Basic(id, secret.as_deref().unwrap());
        held.push(server.token(portal, &exchange_form(&code)).await.tokens());
    }
    server.end_client(&["disable", "disabled"]).await;
    grants.assert_ended(&[&held[0]]).await;
    server.end_client(&["remove", "removed", "--yes"]).await;
    grants.assert_ended(&[&held[0], &held[1]]).await;
}
