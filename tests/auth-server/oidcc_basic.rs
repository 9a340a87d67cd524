//! The modules of the OpenID Foundation's plan `oidcc-basic-certification-test-plan`, each as a story of its name: what the
//! suite sends, and what it wants to see. Client registration is static there, so modules that register clients are
//! not part of it.

mod twice;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    Answer, Authorization, Browser, Credentials, PASSWORD, SECRET, Server, VERIFIER, authorization,
    exchange_form, peek,
};

const CLIENTS: &str = r#"
[[client]]
id = "oidf"
secret_env = "SECRET"
redirect_uris = ["https://bff.example/callback"]
grants = ["authorization_code", "refresh_token"]
scopes = ["openid", "profile", "email", "offline_access"]
require_pkce = false

[[client]]
id = "oidf-2"
secret_env = "SECRET"
redirect_uris = ["https://bff.example/callback"]
grants = ["authorization_code", "refresh_token"]
scopes = ["openid", "profile", "email", "offline_access"]
require_pkce = false
"#;
const CLIENT: Credentials<'static> = Credentials::Basic("oidf", SECRET);
const CLIENT_2: Credentials<'static> = Credentials::Basic("oidf-2", SECRET);

async fn start() -> Server {
    Server::start_below("", CLIENTS).await
}

/// What all modules begin with.
fn request() -> Authorization {
    authorization()
        .with("client_id", "oidf")
        .with("scope", "openid")
        .without("code_challenge")
        .without("code_challenge_method")
}

/// The suite's tokens: there need not be a refresh token.
struct Issued {
    access_token: String,
    id_token: String,
    claims: Value,
    answer: Value,
}

/// The checks of each successful flow: the callback, the token endpoint, the ID token, `/userinfo`.
async fn finish(server: &Server, callback: &Answer) -> Issued {
    assert_eq!(callback.returned("state").as_deref(), Some("st&te ü"));
    assert_eq!(callback.returned("iss").as_deref(), Some(server.issuer.as_str()));
    redeemed(server, CLIENT, "oidf", &callback.code()).await
}

async fn redeemed(server: &Server, client: Credentials<'_>, id: &str, code: &str) -> Issued {
    let answer = server.token(client, &exchange_form(code)[..3]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    let answer = answer.json();
    assert!(
        answer["token_type"]
            .as_str()
            .unwrap()
            .eq_ignore_ascii_case("bearer")
    );
    assert!(answer["expires_in"].is_u64());
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    let (access_token, id_token) = (text("access_token"), text("id_token"));
    let claims = server.verified_id_token_of(id, &id_token).await;
    assert!(peek(&id_token).0["kid"].is_string());
    assert_eq!(server.user_info(&access_token).await.json()["sub"], claims["sub"]);
    Issued {
        access_token,
        id_token,
        claims,
        answer,
    }
}

/// A flow in a fresh browser.
async fn flow(server: &Server, request: &Authorization) -> Issued {
    let callback = Browser::new(server).sign_in("alice", request).await;
    finish(server, &callback).await
}

/// The same with a click on the consent page.
async fn allowed(server: &Server, request: &Authorization) -> Answer {
    let mut browser = Browser::new(server);
    let page = browser.sign_in("alice", request).await;
    page.assert_page(200, "Allow");
    browser.submit(&page, &[("action", "continue")]).await
}

async fn succeeds_with(name: &str, value: &str) {
    let server = start().await;
    flow(&server, &request().with(name, value)).await;
}

async fn claims_of_scope(scope: &str) -> Value {
    let server = start().await;
    let issued = flow(&server, &request().with("scope", scope)).await;
    server.user_info(&issued.access_token).await.json()
}

/// The suite skips modules about scopes that are not announced.
async fn is_skipped_for(scope: &str) {
    let server = start().await;
    let metadata = server.get("/.well-known/openid-configuration").await.json();
    let announced = metadata["scopes_supported"].as_array().unwrap();
    assert!(announced.contains(&json!("openid")));
    assert!(!announced.contains(&json!(scope)));
}

#[tokio::test]
async fn oidcc_server() {
    let server = start().await;
    let issued = flow(&server, &request()).await;
    assert_eq!(issued.claims["nonce"], "n-0S6_WzA2Mj");
    assert_eq!(issued.claims["aud"], "oidf");
    assert!(issued.claims["at_hash"].is_string());
    let told = server.user_info(&issued.access_token).await.json();
    assert_eq!(told.as_object().unwrap().len(), 1, "{told}");
}

#[tokio::test]
async fn oidcc_response_type_missing() {
    let server = start().await;
    let answer = server.get(&request().without("response_type").path()).await;
    answer.assert_returned_error(&server, "invalid_request");
}

/// Skipped, as `none` is not announced.
#[tokio::test]
async fn oidcc_idtoken_unsigned() {
    let server = start().await;
    let metadata = server.get("/.well-known/openid-configuration").await.json();
    let announced = metadata["id_token_signing_alg_values_supported"]
        .as_array()
        .unwrap();
    assert!(!announced.contains(&json!("none")));
}

#[tokio::test]
async fn oidcc_userinfo_get() {
    let server = start().await;
    let issued = flow(&server, &request()).await;
    let answer = server.user_info(&issued.access_token).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("application/json"));
}

#[tokio::test]
async fn oidcc_userinfo_post_header() {
    let server = start().await;
    let issued = flow(&server, &request()).await;
    let post = server
        .request(Method::POST, "/userinfo")
        .bearer_auth(&issued.access_token);
    assert_eq!(server.send(post).await.json()["sub"], issued.claims["sub"]);
}

/// A warning: a token in a body is not taken, which the standards allow.
#[tokio::test]
async fn oidcc_userinfo_post_body() {
    let server = start().await;
    let issued = flow(&server, &request()).await;
    let post = server.request(Method::POST, "/userinfo");
    let post = post.form(&[("access_token", issued.access_token.as_str())]);
    assert_eq!(server.send(post).await.status, 401);
}

#[tokio::test]
async fn oidcc_ensure_request_without_nonce_succeeds_for_code_flow() {
    let server = start().await;
    let issued = flow(&server, &request().without("nonce")).await;
    assert!(issued.claims.get("nonce").is_none());
}

/// A warning: users have no other claims of the scope.
#[tokio::test]
async fn oidcc_scope_profile() {
    let told = claims_of_scope("openid profile").await;
    assert_eq!(told["name"], "alice <b>Example</b>");
    assert_eq!(told["preferred_username"], "alice");
}

#[tokio::test]
async fn oidcc_scope_email() {
    let told = claims_of_scope("openid email").await;
    assert_eq!(told["email"], "alice@example.com");
    assert_eq!(told["email_verified"], false);
}

#[tokio::test]
async fn oidcc_scope_address() {
    is_skipped_for("address").await;
}

#[tokio::test]
async fn oidcc_scope_phone() {
    is_skipped_for("phone").await;
}

/// Skipped for the same reason; who asks all the same gets what there is.
#[tokio::test]
async fn oidcc_scope_all() {
    let told = claims_of_scope("openid email phone address profile").await;
    assert_eq!(told["email"], "alice@example.com");
    assert_eq!(told["name"], "alice <b>Example</b>");
}

#[tokio::test]
async fn oidcc_alternate_happy_flow() {
    let server = start().await;
    let mut reversed: Vec<_> = request().with("scope", "email openid").form().to_vec();
    reversed.reverse();
    let empty = request()
        .form()
        .iter()
        .fold(request(), |left, (name, _)| left.without(name));
    let reversed = reversed
        .iter()
        .fold(empty, |all, (name, value)| all.also(name, value));
    let issued = flow(&server, &reversed).await;
    let told = server.user_info(&issued.access_token).await.json();
    assert_eq!(told["email"], "alice@example.com");
}

#[tokio::test]
async fn oidcc_display_page() {
    succeeds_with("display", "page").await;
}

#[tokio::test]
async fn oidcc_display_popup() {
    succeeds_with("display", "popup").await;
}

#[tokio::test]
async fn oidcc_ensure_request_with_unknown_parameter_succeeds() {
    succeeds_with("extra", "foobar").await;
}

#[tokio::test]
async fn oidcc_login_hint() {
    succeeds_with("login_hint", "buffy@op.example").await;
}

#[tokio::test]
async fn oidcc_ui_locales() {
    succeeds_with("ui_locales", "se").await;
}

#[tokio::test]
async fn oidcc_claims_locales() {
    succeeds_with("claims_locales", "se").await;
}

#[tokio::test]
async fn oidcc_ensure_request_with_acr_values_succeeds() {
    let server = start().await;
    let metadata = server.get("/.well-known/openid-configuration").await.json();
    let announced = metadata["acr_values_supported"].as_array().unwrap();
    let wanted: Vec<_> = announced.iter().map(|acr| acr.as_str().unwrap()).collect();
    let issued = flow(&server, &request().with("acr_values", &wanted.join(" "))).await;
    assert!(announced.contains(&issued.claims["acr"]));
}

#[tokio::test]
async fn oidcc_ensure_registered_redirect_uri() {
    let server = start().await;
    let other = request().with("redirect_uri", "https://bff.example/callback/x8Fq2");
    let answer = server.get(&other.path()).await;
    answer.assert_page(400, "This address is not registered");
}

#[tokio::test]
async fn oidcc_ensure_post_request_succeeds() {
    let server = start().await;
    let mut browser = Browser::new(&server);
    let post = server.request(Method::POST, "/authorize").form(request().form());
    let page = browser.send(post).await;
    let fields = [
        ("username", "alice"),
        ("password", PASSWORD),
        ("action", "sign-in"),
    ];
    let callback = browser.submit(&page, &fields).await;
    finish(&server, &callback).await;
}

#[tokio::test]
async fn oidcc_server_client_secret_post() {
    let server = start().await;
    let callback = Browser::new(&server).sign_in("alice", &request()).await;
    redeemed(
        &server,
        Credentials::Post("oidf", SECRET),
        "oidf",
        &callback.code(),
    )
    .await;
}

/// Skipped: it is refused by the error that says so. The suite sends no `state` beside the request object.
#[tokio::test]
async fn oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported() {
    let server = start().await;
    let by_reference = request()
        .with("request_uri", "https://suite.example/r#x")
        .without("state");
    let answer = server.get(&by_reference.path()).await;
    assert_eq!(
        answer.returned("error").as_deref(),
        Some("request_uri_not_supported")
    );
}

/// Skipped as above.
#[tokio::test]
async fn oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported() {
    let server = start().await;
    let by_value = request()
        .with("request", "eyJhbGciOiJub25lIn0.e30.")
        .without("state");
    let answer = server.get(&by_value.path()).await;
    assert_eq!(answer.returned("error").as_deref(), Some("request_not_supported"));
}

#[tokio::test]
async fn oidcc_ensure_request_object_with_redirect_uri() {
    let server = start().await;
    let other = request()
        .with("request", "eyJhbGciOiJub25lIn0.e30.")
        .with("redirect_uri", "https://bff.example/invalid");
    let answer = server.get(&other.path()).await;
    answer.assert_page(400, "This address is not registered");
}

#[tokio::test]
async fn oidcc_claims_essential() {
    let server = start().await;
    let claims = json!({"userinfo": {"name": {"essential": true}}});
    let issued = flow(&server, &request().with("claims", &claims.to_string())).await;
    let told = server.user_info(&issued.access_token).await.json();
    assert_eq!(told["name"], "alice <b>Example</b>");
    assert!(issued.claims.get("name").is_none());
}

#[tokio::test]
async fn oidcc_refresh_token() {
    let server = start().await;
    let scope = request()
        .with("scope", "openid offline_access")
        .with("prompt", "consent");
    let issued = finish(&server, &allowed(&server, &scope).await).await;
    let refresh = |issued: &Issued| issued.answer["refresh_token"].as_str().unwrap().to_owned();
    let token = refresh(&issued);
    let form = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
    server.advance(1);
    let refreshed = server.token(CLIENT, &form).await.tokens();
    assert_ne!(refreshed.access_token, issued.access_token);
    let again = server.verified_id_token_of("oidf", &refreshed.id_token).await;
    for claim in ["iss", "sub", "aud", "auth_time"] {
        assert_eq!(again[claim], issued.claims[claim], "{claim}");
    }
    assert_eq!(server.user_info(&refreshed.access_token).await.status, 200);

    let of_second = scope.with("client_id", "oidf-2").with("nonce", &"n".repeat(43));
    let callback = allowed(&server, &of_second).await;
    let second = redeemed(&server, CLIENT_2, "oidf-2", &callback.code()).await;
    let token = refresh(&second);
    let form = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
    let foreign = server.token(CLIENT, &form).await;
    foreign.assert_oauth_error(400, "invalid_grant");
    assert_eq!(server.token(CLIENT_2, &form).await.status, 200);
}

#[tokio::test]
async fn oidcc_ensure_request_with_valid_pkce_succeeds() {
    let server = start().await;
    let with_pkce = authorization().with("client_id", "oidf").with("scope", "openid");
    let callback = Browser::new(&server).sign_in("alice", &with_pkce).await;
    assert_eq!(VERIFIER.len(), 43);
    let code = callback.code();
    assert_eq!(server.token(CLIENT, &exchange_form(&code)).await.status, 200);
}
