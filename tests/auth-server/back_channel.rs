//! Clients are told of sign-outs (OpenID Connect Back-Channel Logout 1.0): who, when, and what.

mod delivery;
mod ways;

use std::time::Duration;

use resource_server::time::Clock as _;
use sqlx::AnyPool;

use crate::harness::{
    Authorization, Browser, Credentials, Receiver, SECRET, Server, Tokens, authorization, exchange_form, peek,
};

const TOLD: Credentials<'static> = Credentials::Basic("told", SECRET);

/// A client that is told.
fn client(id: &str, uri: &str) -> String {
    format!(
        r#"
[[client]]
id = "{id}"
secret_env = "SECRET"
redirect_uris = ["https://bff.example/callback"]
post_logout_redirect_uris = ["https://bff.example/"]
grants = ["authorization_code", "refresh_token"]
scopes = ["openid", "offline_access"]
backchannel_logout_uri = "{uri}"
backchannel_logout_session_required = true
"#
    )
}

/// Settings with the clients "told" and, if there is an address for it, "also".
pub(crate) fn settings(told: &str, also: Option<&str>) -> String {
    let clients = client("told", told) + &also.map_or_else(String::new, |uri| client("also", uri));
    format!("[outbound]\nallowed_networks = [\"127.0.0.0/8\"]\n{clients}")
}

/// A server with the client "told".
async fn start(receiver: &Receiver) -> Server {
    Server::start_below("", &settings(&receiver.uri, None)).await
}

fn request(client_id: &str) -> Authorization {
    let request = authorization().with("client_id", client_id);
    request.with("scope", "openid offline_access")
}

async fn exchange(server: &Server, client_id: &str, code: &str) -> Tokens {
    let client = Credentials::Basic(client_id, SECRET);
    server.token(client, &exchange_form(code)).await.tokens()
}

/// A browser in which this user has just signed in to "told".
async fn signed_in<'s>(server: &'s Server, name: &str) -> (Browser<'s>, Tokens) {
    let mut browser = Browser::new(server);
    let code = browser.sign_in(name, &request("told")).await.code();
    let tokens = exchange(server, "told", &code).await;
    (browser, tokens)
}

async fn refresh(server: &Server, token: &str) -> crate::harness::Answer {
    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
    server.token(TOLD, &form).await
}

fn sid(tokens: &Tokens) -> String {
    peek(&tokens.id_token).1["sid"].as_str().unwrap().to_owned()
}

async fn sign_out(browser: &mut Browser<'_>, tokens: &Tokens) {
    let path = format!("/end_session?id_token_hint={}", tokens.id_token);
    browser.get(&path).await.assert_page(200, "You are signed out");
}

/// Waits for what this query counts.
pub(crate) async fn until(database: &AnyPool, query: &'static str, expected: i64) {
    let reached = async {
        let mut looks = tokio::time::interval(Duration::from_millis(10));
        loop {
            looks.tick().await;
            let found: i64 = sqlx::query_scalar(query).fetch_one(database).await.unwrap();
            if found == expected {
                return;
            }
        }
    };
    let reached = tokio::time::timeout(Duration::from_secs(60), reached).await;
    reached.unwrap_or_else(|_| panic!("{query} never becomes {expected}"));
}

/// Waits until everything was told or given up.
async fn until_all_is_done(server: &Server) {
    let database = server.open_database().await;
    until(&database, "SELECT count(*) FROM logout_outbox", 0).await;
}

/// Waits until the attempt of this number, one of the first three, has failed: the next is due after it, and sooner than if the
/// attempt were still under way.
async fn until_failed(server: &Server, attempt: i64) {
    let database = server.open_database().await;
    let (now, sooner) = (server.clock.now().as_secs(), server.clock.now().as_secs() + 20);
    let failed = async {
        let mut looks = tokio::time::interval(Duration::from_millis(10));
        loop {
            looks.tick().await;
            let row: (i64, i64) = sqlx::query_as("SELECT attempts, due_at FROM logout_outbox")
                .fetch_one(&database)
                .await
                .unwrap();
            if row.0 == attempt && (now + 1..=sooner).contains(&row.1) {
                return;
            }
        }
    };
    let failed = tokio::time::timeout(Duration::from_secs(60), failed).await;
    failed.unwrap_or_else(|_| panic!("attempt {attempt} never fails"));
}
