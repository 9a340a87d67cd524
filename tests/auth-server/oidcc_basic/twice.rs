//! Modules that do something twice: sign in, or exchange a code.

use super::{Authorization, Browser, CLIENT, Issued, exchange_form, finish, request, start};

#[tokio::test]
async fn oidcc_prompt_login() {
    asks_again("prompt", "login", 1).await;
}

#[tokio::test]
async fn oidcc_max_age_1() {
    asks_again("max_age", "1", 2).await;
}

async fn asks_again(name: &str, value: &str, after: u64) {
    let server = start().await;
    let mut browser = Browser::new(&server);
    let first = browser.sign_in("alice", &request()).await;
    let first = finish(&server, &first).await;
    server.advance(after);
    let second = browser.sign_in("alice", &request().with(name, value)).await;
    let second = finish(&server, &second).await;
    let auth_time = |issued: &Issued| issued.claims["auth_time"].as_i64().unwrap();
    assert!(auth_time(&second) > auth_time(&first));
    assert_eq!(second.claims["sub"], first.claims["sub"]);
}

#[tokio::test]
async fn oidcc_prompt_none_not_logged_in() {
    let server = start().await;
    let state = "s".repeat(128);
    let silent = request().with("prompt", "none").with("state", &state);
    let answer = server.get(&silent.path()).await;
    assert_eq!(answer.returned("error").as_deref(), Some("login_required"));
    assert_eq!(answer.returned("state"), Some(state));
    assert_eq!(answer.returned("code"), None);
}

#[tokio::test]
async fn oidcc_prompt_none_logged_in() {
    same_authentication(request(), |_| request().with("prompt", "none")).await;
}

#[tokio::test]
async fn oidcc_max_age_10000() {
    let first = request().with("max_age", "15000");
    same_authentication(first, |_| request().with("max_age", "10000")).await;
}

#[tokio::test]
async fn oidcc_id_token_hint() {
    same_authentication(request(), |first| {
        let silent = request().with("prompt", "none");
        silent.with("id_token_hint", &first.id_token)
    })
    .await;
}

async fn same_authentication(first: Authorization, second: impl FnOnce(&Issued) -> Authorization) {
    let server = start().await;
    let mut browser = Browser::new(&server);
    let callback = browser.sign_in("alice", &first).await;
    let first = finish(&server, &callback).await;
    server.advance(5);
    let callback = browser.authorize(&second(&first)).await;
    let second = finish(&server, &callback).await;
    for claim in ["auth_time", "sub"] {
        assert_eq!(second.claims[claim], first.claims[claim], "{claim}");
    }
    assert!(second.claims["auth_time"].is_i64());
}

#[tokio::test]
async fn oidcc_codereuse() {
    reused_after(0).await;
}

#[tokio::test]
async fn oidcc_codereuse_30seconds() {
    reused_after(30).await;
}

async fn reused_after(seconds: u64) {
    let server = start().await;
    let callback = Browser::new(&server).sign_in("alice", &request()).await;
    let issued = finish(&server, &callback).await;
    server.advance(seconds);
    let code = callback.code();
    let again = server.token(CLIENT, &exchange_form(&code)[..3]).await;
    again.assert_oauth_error(400, "invalid_grant");
    assert_eq!(server.user_info(&issued.access_token).await.status, 401);
}
