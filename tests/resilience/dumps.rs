//! A dump opens nothing (69): neither what rests in Redis, nor the embedded file, nor either with the key ring.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bff::background::Background;
use bff::session::key_ring::KeyRing;
use bff::session::redis::{RedisAddress, RedisStore};
use bff::session::store::SessionStore as _;
use bff::session::{OpenError, SessionId, Vault};
use e2e::browser::Browser;
use e2e::secrets::Kind;
use e2e::stack::{Deployment, Stack};
use e2e::{on_one_store, on_redis};
use http::Method;

use crate::on_every_provider;

/// The text of a cookie's value that is the session id; the signature stands in front of it.
fn session_id_in(cookie: &str) -> &str {
    &cookie[cookie.len() - 43..]
}

/// What must not be found besides what the parties whispered: parts of cookies, and who the users are.
fn told_by(stack: &Stack, browsers: &[Browser], subjects: &[String]) -> Vec<String> {
    // A name of three letters is found by chance.
    let mut told: Vec<_> = subjects.iter().filter(|sub| sub.len() >= 5).cloned().collect();
    assert!(!told.is_empty(), "{subjects:?}");
    for kind in [
        Kind::AccessToken,
        Kind::RefreshToken,
        Kind::IdToken,
        Kind::Email,
        Kind::Cookie,
        Kind::Code,
        Kind::CodeVerifier,
        Kind::State,
        Kind::ClientSecret,
    ] {
        let known = stack.secrets().of_kind(kind);
        assert!(
            !known.is_empty(),
            "no {kind:?} was ever seen: the scan would prove nothing"
        );
        told.extend(known);
    }
    let cookies = browsers
        .iter()
        .map(|browser| browser.session_cookie().expect("signed in"));
    told.extend(cookies.map(|cookie| session_id_in(&cookie).to_owned()));
    told
}

fn subject_of(user: &e2e::browser::Answer) -> String {
    let claims = user.json();
    let mut claims = claims.as_array().expect("a list of claims").iter();
    let sub = claims
        .find(|claim| claim["type"] == "sub")
        .expect("the user's sub");
    sub["value"].as_str().expect("a text").to_owned()
}

#[track_caller]
fn assert_holds_none(what: &str, dump: &[u8], told: &[String]) {
    assert!(dump.len() > 1_000, "{what} is empty");
    // All that is looked for is ASCII, which passes through this unharmed.
    let dump = String::from_utf8_lossy(dump);
    for text in told {
        assert!(!dump.contains(text), "{what} holds {text:?}");
    }
    // Nothing that begins as a JWT does either, also none that the harness never saw.
    assert!(!dump.contains("eyJhb"), "{what} holds something like a JWT");
}

fn files_below(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the store") {
        let path = entry.expect("a folder of the store").path();
        if path.is_dir() {
            bytes.extend(files_below(&path));
        } else {
            bytes.extend(fs::read(path).expect("a file of the store"));
        }
    }
    bytes
}

/// Logins, calls, refreshes, a logout.
async fn live(stack: &Stack, browsers: &[Browser], advance: impl AsyncFn()) -> Vec<String> {
    let mut subjects = Vec::new();
    for browser in browsers {
        subjects.push(subject_of(&browser.fetch("/bff/user").await));
    }
    for _ in 0..2 {
        advance().await;
        for browser in browsers {
            browser.fetch("/api/notes").await.assert_status(200);
        }
    }
    assert_eq!(stack.provider().grants("refresh_token"), 2 * browsers.len());
    subjects
}

/// All that Redis was ever told (its append-only file), and all keys and values that are in it now.
async fn redis_was_told_nothing(deployment: Deployment) {
    let cluster = crate::start(deployment).await;
    let stack = cluster.stack();
    let (_, b, c) = cluster.abc();
    let mut browsers = Vec::new();
    for (user, node) in [("alice", b), ("alice", c), ("bob", b)] {
        browsers.push(cluster.browser_logged_in_as(user).await.at(node.address()));
    }
    let subjects = live(stack, &browsers, async || {
        cluster.let_access_tokens_expire().await;
    })
    .await;
    let gone = cluster.browser_logged_in_as("bob").await;
    let told = told_by(stack, &browsers, &subjects);
    gone.fetch("/bff/logout")
        .method(Method::POST)
        .await
        .assert_status(200);

    let folder = stack.redis().command(&["CONFIG", "GET", "dir"]).await.remove(1);
    let file = files_below(Path::new(&folder));
    let reads_sessions = String::from_utf8_lossy(&file).contains("}:session");
    assert!(reads_sessions, "this is no log of sessions");
    assert_holds_none("the append-only file", &file, &told);
    // Compressed, the dump would hide what it holds.
    let redis = stack.redis();
    redis.command(&["CONFIG", "SET", "rdbcompression", "no"]).await;
    redis.command(&["SAVE"]).await;
    let dump = fs::read(Path::new(&folder).join("dump.rdb")).expect("the dump");
    assert_holds_none("the dump", &dump, &told);
}

/// The file of a node, written by a BFF that is still running.
async fn the_embedded_file_holds_nothing(deployment: Deployment) {
    let stack = deployment.start().await;
    let mut browsers = Vec::new();
    for user in ["alice", "alice", "bob"] {
        browsers.push(stack.browser_logged_in_as(user).await);
    }
    let subjects = live(&stack, &browsers, async || stack.let_access_tokens_expire().await).await;
    let gone = stack.browser_logged_in_as("bob").await;
    let told = told_by(&stack, &browsers, &subjects);
    gone.fetch("/bff/logout")
        .method(Method::POST)
        .await
        .assert_status(200);

    let file = fs::read(stack.folder().join("bff.redb")).expect("the store's file");

    assert_holds_none("the embedded file", &file, &told);
}

/// Whoever has the dump and the key ring learns which device signed in, and no token; with the cookie, all of it.
async fn the_key_ring_opens_no_token_without_the_cookie(deployment: Deployment) {
    let cluster = crate::start(deployment).await;
    let stack = cluster.stack();
    let browser = cluster.browser_logged_in_as("alice").await;
    let cookie = browser.session_cookie().expect("signed in");
    let ring = fs::read_to_string(stack.folder().join("bff-keys")).expect("the key ring");
    let vault = Vault::new(Arc::new(KeyRing::parse(&ring).expect("the key ring")));
    let address =
        RedisAddress::standalone(&stack.redis().url(), None, Duration::from_secs(5)).expect("an address");
    let store = RedisStore::new(
        address,
        "cloakroom".to_owned(),
        Duration::from_secs(1),
        Background::current(),
    );
    let page = store.all_sessions(None).await.expect("Redis answers");
    let [key] = page.sessions.as_slice() else {
        panic!("not one session: {page:?}");
    };
    let stored = store
        .load(key)
        .await
        .expect("Redis answers")
        .expect("the session");

    let open = |id: &SessionId| vault.open(id, key, &stored.times, &stored.sealed);
    assert_eq!(open(&SessionId::generate()).unwrap_err(), OpenError::Forged);
    assert_eq!(
        vault.open_summary(key, &stored.sealed).unwrap_err(),
        OpenError::Forged,
        "the purpose of the ring alone does not open it"
    );
    let summary = vault.open_summary(key, &stored.summary).expect("the summary");
    let summary = format!("{summary:?}");
    if let Some(finding) = stack.secrets().seen_by_upstream(&summary) {
        panic!("the summary holds a {finding}");
    }

    // It is the cookie that was missing, and nothing else.
    let id = SessionId::parse(session_id_in(&cookie)).expect("a session id");
    let content = open(&id).expect("ring, record and cookie open it");
    let refresh_token = content.tokens.refresh_token.expect("a refresh token");
    assert_eq!(refresh_token.expose(), stack.newest_refresh_token());
    store.close().await;
}

on_every_provider!(redis_was_told_nothing);
on_one_store!(the_embedded_file_holds_nothing);
on_redis!(the_key_ring_opens_no_token_without_the_cookie);
