//! Pushed authorization requests (RFC 9126).

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::Value;

use crate::harness::{
    APP, Answer, Authorization, BFF, Browser, CALLBACK, Credentials, OTHER, PASSWORD, SECRET, SERVICE,
    Server, app_authorization, authorization, exchange_form,
};

const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
const GONE: &str = "This link is no longer good";
const BY_BOOK: &str = r#"
[[client]]
id = "strict"
secret_env = "SECRET"
redirect_uris = ["https://bff.example/callback"]
require_pushed_authorization_requests = true
"#;
const STRICT: Credentials<'static> = Credentials::Basic("strict", SECRET);

async fn push(server: &Server, client: Credentials<'_>, request: &Authorization) -> Answer {
    let names_itself = matches!(client, Credentials::Post(..) | Credentials::Public(_));
    let form: Vec<_> = request
        .form()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| !(names_itself && *name == "client_id"))
        .collect();
    server.call("/par", client, &form).await
}

pub(crate) async fn pushed(server: &Server, client: Credentials<'_>, request: &Authorization) -> String {
    let answer = push(server, client, request).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()["request_uri"].as_str().unwrap().to_owned()
}

/// What the browser brings then.
pub(crate) fn by_name(client_id: &str, request_uri: &str) -> Authorization {
    let empty = authorization()
        .form()
        .iter()
        .fold(authorization(), |left, (name, _)| left.without(name));
    empty
        .with("client_id", client_id)
        .with("request_uri", request_uri)
}

async fn waiting(server: &Server) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM pushed_request")
        .fetch_one(&server.open_database().await)
        .await
        .unwrap()
}

#[tokio::test]
async fn authz_24_a_pushed_request_brings_one_code() {
    let server = Server::start().await;
    let answer = push(&server, BFF, &authorization()).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.json()["expires_in"], 90);
    let name = answer.json()["request_uri"].as_str().unwrap().to_owned();
    assert_eq!(name.strip_prefix(PREFIX).unwrap().len(), 43);

    let mut browser = Browser::new(&server);
    let request = by_name("bff", &name);
    let callback = browser.sign_in("alice", &request).await;
    assert_eq!(callback.returned("state").as_deref(), Some("st&te ü"));
    assert_eq!(callback.returned("iss").as_deref(), Some(server.issuer.as_str()));
    assert!(callback.location().as_str().starts_with(CALLBACK));
    let tokens = server.exchange(&callback.code()).await.tokens();
    let claims = server.verified_id_token(&tokens.id_token).await;
    assert_eq!(claims["nonce"], "n-0S6_WzA2Mj");

    browser.authorize(&request).await.assert_page(400, GONE);
    // And one that a session answers at once.
    let silent = pushed(&server, BFF, &authorization().with("prompt", "none")).await;
    let silent = by_name("bff", &silent);
    browser.authorize(&silent).await.code();
    browser.authorize(&silent).await.assert_page(400, GONE);
    assert_eq!(waiting(&server).await, 0);
}

#[tokio::test]
async fn authz_24_a_pushed_request_is_short_lived() {
    let server = Server::start().await;
    let (early, late) = (
        pushed(&server, BFF, &authorization()).await,
        pushed(&server, BFF, &authorization()).await,
    );
    server.advance(89);
    let mut browser = Browser::new(&server);
    let page = browser.authorize(&by_name("bff", &early)).await;
    server.advance(1);
    let answer = browser.authorize(&by_name("bff", &late)).await;
    answer.assert_page(400, GONE);
    // Who has begun to sign in may take longer, but not for ever.
    let fields = [
        ("username", "alice"),
        ("password", "wrong"),
        ("action", "sign-in"),
    ];
    server.advance(1700);
    let again = browser.submit(&page, &fields).await;
    again.assert_page(422, "That did not work");
    server.advance(99);
    browser.submit(&again, &fields).await.assert_page(400, GONE);
}

#[tokio::test]
async fn authz_25_only_the_client_itself_pushes() {
    let server = Server::start().await;
    for client in [
        Credentials::Basic("bff", "a secret that is not"),
        Credentials::Post("bff", "a secret that is not"),
        Credentials::Post("nobody", SECRET),
        Credentials::Public("bff"),
        Credentials::Post("app", SECRET),
    ] {
        let answer = push(&server, client, &authorization()).await;
        answer.assert_oauth_error(401, "invalid_client");
    }
    let foreign = push(&server, OTHER, &authorization()).await;
    foreign.assert_oauth_error(400, "invalid_request");
    assert_eq!(waiting(&server).await, 0);
    let of_app = app_authorization("http://127.0.0.1:51004/callback");
    for (client, request) in [(Credentials::Post("bff", SECRET), authorization()), (APP, of_app)] {
        pushed(&server, client, &request).await;
    }
    let stored: Vec<String> = sqlx::query_scalar("SELECT parameters FROM pushed_request")
        .fetch_all(&server.open_database().await)
        .await
        .unwrap();
    assert!(stored.iter().all(|parameters| !parameters.contains("secret")));
}

#[tokio::test]
async fn what_is_wrong_with_a_pushed_request_is_told_at_once() {
    let server = Server::start().await;
    let good = authorization;
    for (request, error) in [
        (good().without("code_challenge"), "invalid_request"),
        (good().with("code_challenge_method", "plain"), "invalid_request"),
        (
            good().with("redirect_uri", "https://evil.example/"),
            "invalid_request",
        ),
        (good().without("redirect_uri"), "invalid_request"),
        (good().with("response_type", "token"), "unsupported_response_type"),
        (good().with("response_mode", "fragment"), "invalid_request"),
        (good().with("scope", "admin"), "invalid_scope"),
        (good().with("resource", "https://x.example"), "invalid_target"),
        (good().with("prompt", "none login"), "invalid_request"),
        (good().with("claims", "{"), "invalid_request"),
        (good().with("id_token_hint", "e30.e30."), "invalid_request"),
        (good().with("request", "e30.e30."), "request_not_supported"),
        (
            good().with("request_uri", "https://bff.example/r"),
            "invalid_request",
        ),
        (good().also("scope", "openid"), "invalid_request"),
    ] {
        let answer = push(&server, BFF, &request).await;
        answer.assert_oauth_error(400, error);
    }
    let large = good().with("login_hint", &"x".repeat(9_000));
    let answer = push(&server, BFF, &large).await;
    answer.assert_oauth_error(413, "invalid_request");
    let answer = push(&server, SERVICE, &good().with("client_id", "service")).await;
    answer.assert_oauth_error(400, "unauthorized_client");
    let name = pushed(&server, BFF, &good()).await;
    let nested = push(&server, BFF, &good().with("request_uri", &name)).await;
    nested.assert_oauth_error(400, "invalid_request");
    let got = server.get("/par").await;
    assert_eq!((got.status, got.header("allow")), (405, "POST"));
    assert_eq!(waiting(&server).await, 1);
}

#[tokio::test]
async fn nothing_beside_its_name_counts() {
    let server = Server::start().await;
    let name = pushed(&server, BFF, &authorization().with("scope", "openid")).await;
    let more = by_name("bff", &name)
        .with("scope", "openid notes:write")
        .with("redirect_uri", "https://evil.example/")
        .with("state", "other")
        .with("prompt", "none")
        .with("request", "e30.e30.");
    let mut browser = Browser::new(&server);
    let page = browser.authorize(&more).await;
    assert!(!page.body.contains("evil"));
    assert!(
        !page.body.contains("code_challenge"),
        "nor does the page show what was pushed"
    );
    let fields = [
        ("username", "alice"),
        ("password", PASSWORD),
        ("action", "sign-in"),
    ];
    let callback = browser.submit(&page, &fields).await;
    assert_eq!(callback.returned("state").as_deref(), Some("st&te ü"));
    let answer = server.exchange(&callback.code()).await;
    assert_eq!(answer.json()["scope"], "openid");
}

#[tokio::test]
async fn it_stays_with_its_client_and_its_browser() {
    let server = Server::start().await;
    let name = pushed(&server, BFF, &authorization()).await;
    let mut browser = Browser::new(&server);
    for client in ["other: 100%", "app"] {
        let answer = browser.authorize(&by_name(client, &name)).await;
        answer.assert_page(400, GONE);
    }
    let answer = browser.authorize(&by_name("nobody", &name)).await;
    answer.assert_page(400, "This application is not known here");
    // A second look of the first browser, also after a wrong password, shows the page again.
    let request = by_name("bff", &name);
    let page = browser.authorize(&request).await;
    page.assert_page(200, "Sign in");
    browser.authorize(&request).await.assert_page(200, "Sign in");
    let mut other = Browser::new(&server);
    other.authorize(&request).await.assert_page(400, GONE);
    let fields = [
        ("username", "alice"),
        ("password", PASSWORD),
        ("action", "sign-in"),
    ];
    other.submit(&page, &fields).await.assert_page(400, GONE);
    let wrong = [
        ("username", "alice"),
        ("password", "wrong"),
        ("action", "sign-in"),
    ];
    let again = browser.submit(&page, &wrong).await;
    again.assert_page(422, "That did not work");
    browser.submit(&again, &fields).await.code();
}

#[tokio::test]
async fn of_two_tabs_one_gets_a_code() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let request = by_name("bff", &pushed(&server, BFF, &authorization()).await);
    let (one, two) = (
        browser.authorize(&request).await,
        browser.authorize(&request).await,
    );
    let fields = [
        ("username", "alice"),
        ("password", PASSWORD),
        ("action", "sign-in"),
    ];
    browser.submit(&one, &fields).await.code();
    browser.submit(&two, &fields).await.assert_page(400, GONE);
}

#[tokio::test]
async fn of_fifty_parallel_uses_one_gets_a_code() {
    let server = Server::start().await;
    let beside = server.beside().await;
    let mut browser = Browser::new(&server);
    browser.sign_in("alice", &authorization()).await.code();
    let cookies = browser.cookies.iter();
    let cookies: Vec<_> = cookies.map(|(name, value)| format!("{name}={value}")).collect();
    let path = by_name("bff", &pushed(&server, BFF, &authorization()).await).path();
    let uses = (0..50).map(|n| {
        let server = if n % 2 == 0 { &server } else { &beside };
        let request = server.request(Method::GET, &path);
        server.send(request.header("cookie", cookies.join("; ")))
    });
    let answers = join_all(uses).await;
    let (codes, others): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 303);
    assert_eq!(codes.len(), 1);
    assert!(others.iter().all(|answer| answer.body.contains(GONE)));
    assert_eq!(server.exchange(&codes[0].code()).await.status, 200);
}

#[tokio::test]
async fn an_error_for_the_client_uses_it_up() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let silent = pushed(&server, BFF, &authorization().with("prompt", "none")).await;
    let silent = by_name("bff", &silent);
    let answer = browser.authorize(&silent).await;
    answer.assert_returned_error(&server, "login_required");
    browser.authorize(&silent).await.assert_page(400, GONE);

    let of_alice = server.tokens().await.id_token;
    let hinted = authorization().with("id_token_hint", &of_alice);
    let hinted = by_name("bff", &pushed(&server, BFF, &hinted).await);
    let answer = browser.sign_in("bob", &hinted).await;
    answer.assert_returned_error(&server, "login_required");
    browser.authorize(&hinted).await.assert_page(400, GONE);

    let mut browser = Browser::new(&server);
    let request = by_name("bff", &pushed(&server, BFF, &authorization()).await);
    let page = browser.authorize(&request).await;
    let answer = browser.submit(&page, &[("action", "cancel")]).await;
    answer.assert_returned_error(&server, "access_denied");
    browser.authorize(&request).await.assert_page(400, GONE);
}

#[tokio::test]
async fn a_client_that_has_to_push_is_not_answered_otherwise() {
    let server = Server::start_below("", BY_BOOK).await;
    let request = authorization()
        .with("client_id", "strict")
        .with("scope", "openid");
    let answer = server.get(&request.path()).await;
    answer.assert_returned_error(&server, "invalid_request");
    // Nor by a form that no page of ours holds.
    for path in ["/sign-in", "/continue"] {
        let form = [("request", request.query()), ("username", "alice".to_owned())];
        let answer = server.send(server.request(Method::POST, path).form(&form)).await;
        answer.assert_returned_error(&server, "invalid_request");
    }
    let name = pushed(&server, STRICT, &request).await;
    let callback = Browser::new(&server)
        .sign_in("alice", &by_name("strict", &name))
        .await;
    let code = callback.code();
    assert_eq!(server.token(STRICT, &exchange_form(&code)).await.status, 200);
    let metadata = server.get("/.well-known/openid-configuration").await.json();
    assert_eq!(
        metadata["require_pushed_authorization_requests"], false,
        "others need not"
    );
    assert_eq!(
        metadata["pushed_authorization_request_endpoint"],
        server.public_url("/par")
    );
}

#[tokio::test]
async fn a_pushed_request_posted_from_another_site_waits_for_the_cookies() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    browser.sign_in("alice", &authorization()).await.code();
    let request = by_name("bff", &pushed(&server, BFF, &authorization()).await);
    let post = server.request(Method::POST, "/authorize").form(request.form());
    let answer = server.send(post.header("sec-fetch-site", "cross-site")).await;
    assert_eq!(answer.location().as_str(), server.public_url(&request.path()));
    browser.authorize(&request).await.code();
}

#[tokio::test]
async fn x_11_a_request_uri_is_no_code_and_no_token_and_the_reverse() {
    let server = Server::start().await;
    let name = pushed(&server, BFF, &authorization()).await;
    let random = name.strip_prefix(PREFIX).unwrap();
    let mut browser = Browser::new(&server);
    let code = browser.sign_in("alice", &authorization()).await.code();
    for wrong in [name.as_str(), random] {
        let answer = server.exchange(wrong).await;
        answer.assert_oauth_error(400, "invalid_grant");
        let answer = server.refresh(wrong).await;
        answer.assert_oauth_error(400, "invalid_grant");
        assert_eq!(server.user_info(wrong).await.status, 401);
        let looked_at = server.call("/introspect", BFF, &[("token", wrong)]).await;
        assert_eq!(looked_at.json()["active"], Value::Bool(false));
        assert_eq!(server.call("/revoke", BFF, &[("token", wrong)]).await.status, 200);
    }
    for wrong in [format!("{PREFIX}{code}"), PREFIX.to_owned(), format!("{name}x")] {
        let answer = browser.authorize(&by_name("bff", &wrong)).await;
        answer.assert_page(400, GONE);
    }
    let fetched = browser.authorize(&by_name("bff", random)).await;
    fetched.assert_page(400, "This address is not registered");
    assert_eq!(
        server.exchange(&code).await.status,
        200,
        "the true one still works"
    );
    browser.authorize(&by_name("bff", &name)).await.code();
}

#[tokio::test]
async fn a_push_too_many_needs_nobody_to_write() {
    let server = Server::start().await;
    let of_app = app_authorization("http://127.0.0.1:51004/callback");
    for _ in 0..50 {
        pushed(&server, APP, &of_app).await;
    }
    let database = server.open_database().await;
    let writing = database.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let refused = push(&server, APP, &of_app).await;
    refused.assert_oauth_error(429, "temporarily_unavailable");
    writing.rollback().await.unwrap();
}

#[tokio::test]
async fn x_18_requests_without_a_sign_in_leave_few_rows() {
    let server = Server::start().await;
    let of_app = app_authorization("http://127.0.0.1:51004/callback");
    let form: Vec<_> = of_app.form().to_vec();
    let from = |address: &str| {
        let request = server.request(Method::POST, "/par");
        server.send(request.header("x-forwarded-for", address).form(&form))
    };
    let mut refused = 0;
    for _ in 0..60 {
        let answer = from("192.0.2.7").await;
        if answer.status != 201 {
            answer.assert_oauth_error(429, "temporarily_unavailable");
            assert_eq!(answer.header("retry-after"), "5");
            refused += 1;
        }
    }
    assert_eq!((waiting(&server).await, refused), (50, 10));
    assert_eq!(from("192.0.2.8").await.status, 201, "others are not kept out");
    pushed(&server, BFF, &authorization()).await;
    for _ in 0..100 {
        server
            .get(&authorization().path())
            .await
            .assert_page(200, "Sign in");
    }
    let database = server.open_database().await;
    for table in [
        "authorization_code",
        "family",
        "sign_in_session",
        "sign_in_attempt",
    ] {
        let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let rows: i64 = sqlx::query_scalar(count).fetch_one(&database).await.unwrap();
        assert_eq!(rows, 0, "{table}");
    }
    server.advance(90);
    assert_eq!(from("192.0.2.7").await.status, 201, "what ran out counts no more");
}
