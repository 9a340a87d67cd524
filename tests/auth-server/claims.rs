//! The parameter `claims`, and what ID tokens say about the sign-in.

use serde_json::{Value, json};

use crate::harness::{
    Authorization, BFF, Browser, Credentials, OTHER, SECRET, Server, Tokens, authorization, exchange_form,
    peek,
};

const PASSWORD_ACR: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";

fn with_claims(claims: &Value) -> Authorization {
    authorization()
        .with("scope", "openid offline_access")
        .with("claims", &claims.to_string())
}

async fn tokens_of(server: &Server, client: Credentials<'_>, request: &Authorization) -> Tokens {
    let code = Browser::new(server).sign_in("alice", request).await.code();
    server.token(client, &exchange_form(&code)).await.tokens()
}

/// The claims about the user in an ID token, and at `/userinfo`.
async fn told(server: &Server, tokens: &Tokens) -> [Value; 2] {
    let about = |claims: Value| {
        let names = ["name", "preferred_username", "email", "email_verified"];
        let told = claims.as_object().unwrap().clone().into_iter();
        told.filter(|(name, _)| names.contains(&name.as_str()))
            .collect::<Value>()
    };
    let user_info = server.user_info(&tokens.access_token).await;
    assert_eq!(user_info.status, 200, "{}", user_info.body);
    [about(peek(&tokens.id_token).1), about(user_info.json())]
}

#[tokio::test]
async fn claims_are_told_where_they_were_asked_for() {
    let server = Server::start().await;
    let asked = json!({
        "userinfo": {"name": {"essential": true}, "shoe_size": {"essential": true}},
        "id_token": {"email": null},
    });
    let tokens = tokens_of(&server, BFF, &with_claims(&asked)).await;
    let expected = [
        json!({"email": "alice@example.com"}),
        json!({"name": "alice <b>Example</b>"}),
    ];
    assert_eq!(told(&server, &tokens).await, expected);
    let refreshed = server.refresh(&tokens.refresh_token).await.tokens();
    assert_eq!(
        told(&server, &refreshed).await,
        expected,
        "as long as the grant lives"
    );
    let scope = tokens_of(&server, BFF, &with_claims(&json!({}))).await;
    assert_eq!(told(&server, &scope).await, [json!({}), json!({})]);
}

#[tokio::test]
async fn claims_of_scopes_that_a_client_may_not_have_are_not_told() {
    let server = Server::start().await;
    let all = json!({"name": null, "email": null, "email_verified": null, "preferred_username": null});
    let request = with_claims(&json!({"userinfo": all, "id_token": all})).with("client_id", "other: 100%");
    let tokens = tokens_of(&server, OTHER, &request).await;
    assert_eq!(told(&server, &tokens).await, [json!({}), json!({})]);
}

#[tokio::test]
async fn a_malformed_claims_parameter_is_refused() {
    let server = Server::start().await;
    for claims in ["{", "name", "[]", r#"{"userinfo":{"name":{"essential":1}}}"#] {
        let answer = server.get(&authorization().with("claims", claims).path()).await;
        answer.assert_returned_error(&server, "invalid_request");
    }
}

#[tokio::test]
async fn a_wanted_subject_is_like_a_hint() {
    let server = Server::start().await;
    let of_alice = peek(&server.tokens().await.id_token).1["sub"].clone();
    let wanted = with_claims(&json!({"id_token": {"sub": {"value": of_alice}}}));
    let silent = wanted.clone().with("prompt", "none");

    let mut browser = Browser::new(&server);
    browser.sign_in("bob", &authorization()).await.code();
    let answer = browser.authorize(&silent).await;
    answer.assert_returned_error(&server, "login_required");
    let answer = browser.sign_in("bob", &wanted).await;
    answer.assert_returned_error(&server, "login_required");
    browser.sign_in("alice", &wanted).await.code();
    browser.authorize(&silent).await.code();
}

#[tokio::test]
async fn id_tokens_say_how_the_user_signed_in() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    let refreshed = server.refresh(&tokens.refresh_token).await.tokens();
    for id_token in [&tokens.id_token, &refreshed.id_token] {
        let claims = peek(id_token).1;
        assert_eq!(claims["acr"], PASSWORD_ACR);
        assert_eq!(claims["amr"], json!(["pwd"]));
    }
    let metadata = server.get("/.well-known/openid-configuration").await.json();
    assert_eq!(metadata["acr_values_supported"], json!([PASSWORD_ACR]));
    assert_eq!(metadata["claims_parameter_supported"], true);
}

#[tokio::test]
async fn an_acr_is_a_wish_unless_it_is_essential() {
    let server = Server::start().await;
    let wish = authorization().with("acr_values", "phr phrh");
    Browser::new(&server).sign_in("alice", &wish).await.code();
    let acr = |acr: Value| with_claims(&json!({"id_token": {"acr": acr}}));
    let met = acr(json!({"essential": true, "values": ["phr", PASSWORD_ACR]}));
    Browser::new(&server).sign_in("alice", &met).await.code();
    let unmet = acr(json!({"essential": true, "values": ["phr"]}));
    let answer = server.get(&unmet.path()).await;
    answer.assert_returned_error(&server, "unmet_authentication_requirements");
}

#[tokio::test]
async fn a_registration_that_was_narrowed_narrows_what_was_asked_for() {
    let client = |scopes: &str| {
        format!(
            "[[client]]\nid = \"narrow\"\nsecret_env = \"SECRET\"\nscopes = [{scopes}]\n\
             grants = [\"authorization_code\", \"refresh_token\"]\n\
             redirect_uris = [\"https://bff.example/callback\"]\n"
        )
    };
    let wide = client("\"openid\", \"offline_access\", \"email\"");
    let server = Server::start_below("", &wide).await;
    let narrow = Credentials::Basic("narrow", SECRET);
    let asked = json!({"userinfo": {"email": null}, "id_token": {"email": null}});
    let request = with_claims(&asked).with("client_id", "narrow");
    let tokens = tokens_of(&server, narrow, &request).await;
    let email = json!({"email": "alice@example.com"});
    assert_eq!(told(&server, &tokens).await, [email.clone(), email]);

    let server = server
        .restarted_with(&wide, &client("\"openid\", \"offline_access\""))
        .await;
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens.refresh_token.as_str()),
    ];
    let refreshed = server.token(narrow, &form).await.tokens();
    assert_eq!(told(&server, &refreshed).await, [json!({}), json!({})]);
}
