//! The life of signing keys, as clients and verifiers see it.

use std::collections::HashSet;

use futures_util::future::join_all;
use serde_json::Value;

use crate::harness::{Answer, OldKeys, SERVICE, Server, Tokens, authorization, peek};

const DAY: u64 = 24 * 3600;
/// Before this span has passed, a key that was announced signs nothing: the key set's max-age, the default of
/// `verifier_cache`, and a minute.
const ANNOUNCED_FOR: u64 = 300 + 3600 + 60;
/// How long a retired key is published: the longest life of a token, and six minutes.
const PUBLISHED_FOR: u64 = 3600 + 360;

async fn key_set(server: &Server) -> Vec<String> {
    let document = server.get("/jwks").await.json();
    let keys = document["keys"].as_array().unwrap();
    keys.iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

fn kid_of(token: &str) -> String {
    peek(token).0["kid"].as_str().unwrap().to_owned()
}

/// A token of the service for itself, which needs no password.
async fn service_token(server: &Server) -> String {
    let form = [("grant_type", "client_credentials")];
    server.token(SERVICE, &form).await.tokens().access_token
}

/// Whether an ID token still says whose it was.
async fn is_believed_as_hint(server: &Server, id_token: &str) -> bool {
    let request = authorization()
        .with("id_token_hint", id_token)
        .with("prompt", "none");
    let answer = server.get(&request.path()).await;
    match answer.returned("error").as_deref() {
        Some("login_required") => true,
        Some("invalid_request") => false,
        other => panic!("{other:?}"),
    }
}

/// All that a rotation may not disturb.
async fn assert_nobody_noticed(server: &Server, tokens: &Tokens) {
    assert_eq!(server.user_info(&tokens.access_token).await.status, 200);
    server.verified_access_token(&tokens.access_token).await;
    server.verified_id_token(&tokens.id_token).await;
    assert!(is_believed_as_hint(server, &tokens.id_token).await);
}

async fn withdraw(server: &Server, kids: &[&str]) {
    server
        .operator(&[&["key", "withdraw", "--"], kids].concat())
        .await;
    server.advance(1);
}

#[tokio::test]
async fn x_15_a_key_is_seen_before_it_signs_and_as_long_as_what_it_signed_is_good() {
    let server = Server::start().await;
    let first = key_set(&server).await;
    assert_eq!(first.len(), 2, "one signs, and one is announced");
    server.advance(90 * DAY - 60);
    let before = server.tokens().await;
    assert_eq!(kid_of(&before.access_token), first[0]);
    assert_eq!(kid_of(&before.id_token), first[0]);

    server.advance(60);
    let second = key_set(&server).await;
    assert_eq!(second.len(), 3);
    assert_eq!(second[0], first[1], "what was announced signs");
    assert!(second.contains(&first[0]), "what has signed is published");
    assert_nobody_noticed(&server, &before).await;
    let after = server.refresh(&before.refresh_token).await.tokens();
    assert_eq!(kid_of(&after.access_token), first[1]);
    assert_nobody_noticed(&server, &after).await;

    server.advance(PUBLISHED_FOR - 1);
    assert!(key_set(&server).await.contains(&first[0]));
    server.advance(1);
    let third = key_set(&server).await;
    assert_eq!(third.len(), 2);
    assert!(!third.contains(&first[0]));
    assert!(
        is_believed_as_hint(&server, &before.id_token).await,
        "a hint may be as old as a session"
    );
    server.advance(400 * DAY);
    assert_ne!(key_set(&server).await[0], first[1]);
    assert!(is_believed_as_hint(&server, &before.id_token).await);
}

#[tokio::test]
async fn x_15_two_servers_agree_on_every_key() {
    let here = Server::start().await;
    let there = here.beside().await;
    assert_eq!(key_set(&here).await, key_set(&there).await);
    for _ in 0..3 {
        let known: HashSet<_> = key_set(&here).await.into_iter().collect();
        here.advance(90 * DAY);
        let tokens = join_all((0..20).map(|n| service_token([&here, &there][n % 2]))).await;
        for token in &tokens {
            assert!(
                known.contains(&kid_of(token)),
                "nobody signs with a key that nobody has seen"
            );
            for server in [&here, &there] {
                server.verified_access_token(token).await;
            }
        }
        here.advance(1);
        let now = join_all([&here, &there].map(service_token)).await;
        assert_eq!(kid_of(&now[0]), kid_of(&now[1]));
        assert_eq!(key_set(&here).await, key_set(&there).await);
    }
}

#[tokio::test]
async fn x_15_a_restart_between_the_phases_changes_nothing() {
    let mut server = Server::start().await;
    for seconds in [0, 90 * DAY, PUBLISHED_FOR - 2, 2] {
        server.advance(seconds);
        let (before, token) = (server.get("/jwks").await, service_token(&server).await);
        server = server.restarted().await;
        let after = server.get("/jwks").await;
        assert_eq!(after.body, before.body);
        assert_eq!(after.header("etag"), before.header("etag"));
        assert_eq!(kid_of(&service_token(&server).await), kid_of(&token));
    }
}

#[tokio::test]
async fn a_server_that_slept_over_a_rotation_makes_up_for_it_before_it_signs() {
    let server = Server::start().await;
    let first = key_set(&server).await;
    server.advance(200 * DAY);
    let server = server.restarted().await;
    assert_eq!(kid_of(&service_token(&server).await), first[1]);
    assert_eq!(key_set(&server).await.len(), 3);
}

#[tokio::test]
async fn a_withdrawn_key_is_believed_nowhere_and_another_signs_at_once() {
    let here = Server::start().await;
    let there = here.beside().await;
    let first = key_set(&here).await;
    let tokens = here.tokens().await;
    withdraw(&here, &[&first[0]]).await;

    for server in [&here, &there] {
        let keys = key_set(server).await;
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[0], first[1], "verifiers know the next key already");
        server
            .user_info(&tokens.access_token)
            .await
            .assert_oauth_error(401, "invalid_token");
        assert!(!is_believed_as_hint(server, &tokens.id_token).await);
    }
    let after = there.refresh(&tokens.refresh_token).await.tokens();
    assert_eq!(kid_of(&after.access_token), first[1], "nobody was signed out");
    assert_nobody_noticed(&here, &after).await;

    // What is withdrawn does not come back, whatever starts anew.
    let there = there.restarted().await;
    assert_eq!(key_set(&there).await, key_set(&here).await);
}

#[tokio::test]
async fn a_withdrawal_counts_although_another_key_is_damaged() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    let keys = key_set(&server).await;
    let database = server.open_database().await;
    sqlx::query("UPDATE signing_key SET sealed = $1 WHERE active_at IS NULL")
        .bind(&[0_u8][..])
        .execute(&database)
        .await
        .unwrap();
    withdraw(&server, &[&keys[0]]).await;
    assert_eq!(server.user_info(&tokens.access_token).await.status, 401);
    // The server has opened it when it was whole; no other can.
    let after = server.refresh(&tokens.refresh_token).await.tokens();
    assert_eq!(kid_of(&after.access_token), keys[1]);
    assert!(server.start_again().await.is_err());
    withdraw(&server, &[&keys[1]]).await;
    server.start_again().await.unwrap();
    let after = server.refresh(&after.refresh_token).await.tokens();
    assert_nobody_noticed(&server, &after).await;
}

#[tokio::test]
async fn every_key_may_be_withdrawn_and_the_key_file_be_another() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    let keys = key_set(&server).await;
    std::fs::remove_file(server.file("keys.json")).unwrap();
    // Whoever starts with another root key is told so, and signs nothing.
    let refused = server.start_again().await.unwrap_err();
    assert!(refused.contains("does not open"), "{refused}");

    withdraw(&server, &keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let server = server.restarted().await;
    let after = key_set(&server).await;
    assert_eq!(after.len(), 2);
    assert!(after.iter().all(|kid| !keys.contains(kid)));
    let refreshed = server.refresh(&tokens.refresh_token).await.tokens();
    assert_nobody_noticed(&server, &refreshed).await;
}

#[tokio::test]
async fn withdrawals_and_rotations_that_race_leave_one_key_that_signs() {
    let here = Server::start().await;
    let there = here.beside().await;
    for round in 0..5 {
        let keys = key_set(&here).await;
        here.advance(90 * DAY);
        let words = ["key", "withdraw", "--", &keys[0]];
        let withdrawals = join_all((0..4).map(|_| here.operator(&words)));
        let tokens = join_all((0..10).map(|n| service_token([&here, &there][n % 2])));
        futures_util::future::join(withdrawals, tokens).await;
        here.advance(1);
        assert!(!key_set(&there).await.contains(&keys[0]), "round {round}");
        assert_eq!(key_set(&here).await, key_set(&there).await);
        let token = service_token(&here).await;
        assert_eq!(kid_of(&token), kid_of(&service_token(&there).await));
        there.verified_access_token(&token).await;
    }
}

#[tokio::test]
async fn an_operator_rotates_no_sooner_than_verifiers_can_know() {
    let server = Server::start().await;
    let first = key_set(&server).await;
    server.advance(ANNOUNCED_FOR - 1);
    let refused = server.operator_refused(&["key", "rotate"], "").await;
    assert!(refused.contains("2027-01-15T09:06:00Z"), "{refused}");
    server.advance(1);
    let changes = server.operator(&["key", "rotate"]).await;
    assert_eq!(changes.len(), 3, "{changes:?}");
    server.advance(1);
    assert_eq!(kid_of(&service_token(&server).await), first[1]);
    // The next one is young again.
    assert_eq!(key_set(&server).await.len(), 3);
}

#[tokio::test]
async fn while_the_database_is_gone_the_known_keys_serve() {
    let server = Server::start().await;
    let before = server.get("/jwks").await;
    let database = server.open_database().await;
    sqlx::query("ALTER TABLE signing_key RENAME TO elsewhere")
        .execute(&database)
        .await
        .unwrap();
    server.advance(100 * DAY);
    assert_eq!(server.get("/jwks").await.body, before.body);
    sqlx::query("ALTER TABLE elsewhere RENAME TO signing_key")
        .execute(&database)
        .await
        .unwrap();
    server.advance(1);
    assert_ne!(server.get("/jwks").await.body, before.body);
}

#[tokio::test]
async fn a_dump_of_the_database_holds_no_key_that_opens() {
    let server = Server::start().await;
    let database = server.open_database().await;
    let sealed: Vec<Vec<u8>> = sqlx::query_scalar("SELECT sealed FROM signing_key")
        .fetch_all(&database)
        .await
        .unwrap();
    assert_eq!(sealed.len(), 2);
    let dump = server.dump().await;
    // What every PKCS#8 of a P-256 key has, whoever wrote it: the names of its algorithm and of its curve.
    for name in [
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01][..],
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
    ] {
        for text in sealed.iter().chain([&dump]) {
            assert!(!text.windows(name.len()).any(|window| window == name));
        }
    }
    let file: Value = serde_json::from_slice(&std::fs::read(server.file("keys.json")).unwrap()).unwrap();
    assert_eq!(file["version"], 2);
    assert!(file.get("signing_keys").is_none());

    // Once retired, a private key is nowhere any more: what is left is as short as its public half.
    server.advance(90 * DAY);
    service_token(&server).await;
    let left: Vec<u8> = sqlx::query_scalar("SELECT sealed FROM signing_key WHERE retired_at IS NOT NULL")
        .fetch_one(&database)
        .await
        .unwrap();
    assert!(!sealed.contains(&left));
}

/// A row of which somebody with write access made another one.
#[tokio::test]
async fn a_key_that_was_planted_in_the_database_is_not_taken() {
    let server = Server::start().await;
    let before = server.get("/jwks").await;
    let database = server.open_database().await;
    sqlx::query("UPDATE signing_key SET sealed = (SELECT sealed FROM signing_key WHERE active_at IS NULL)")
        .execute(&database)
        .await
        .unwrap();
    server.advance(1);
    assert_eq!(server.get("/jwks").await.body, before.body);
    let token = service_token(&server).await;
    server.verified_access_token(&token).await;
}

#[tokio::test]
async fn the_key_set_has_an_etag_that_changes_with_it() {
    let server = Server::start().await;
    let conditional = async |tag: &str| -> Answer {
        let request = server.request(reqwest::Method::GET, "/jwks");
        server.send(request.header("if-none-match", tag)).await
    };
    let whole = server.get("/jwks").await;
    let tag = whole.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    for known in [
        tag.clone(),
        format!("W/{tag}"),
        format!("\"other\", {tag}"),
        "*".to_owned(),
    ] {
        let answer = conditional(&known).await;
        assert_eq!((answer.status, answer.body.as_str()), (304, ""), "{known}");
        for header in ["etag", "cache-control", "access-control-allow-origin"] {
            assert_eq!(answer.header(header), whole.header(header), "{header}");
        }
    }
    for unknown in ["\"other\"", "garbage", ""] {
        assert_eq!(conditional(unknown).await.body, whole.body, "{unknown}");
    }
    server.advance(90 * DAY);
    let changed = conditional(&tag).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), tag);
}

#[tokio::test]
async fn an_upgrade_takes_over_the_key_of_the_key_file_and_logs_nobody_out() {
    let old = OldKeys::generate();
    let server = Server::start_in(old.folder(), "", "").await;
    let first = server.get("/jwks").await.json()["keys"][0].clone();
    let (x, y) = old.coordinates();
    assert_eq!((first["x"].as_str(), first["y"].as_str()), (Some(&*x), Some(&*y)));
    let tokens = server.tokens().await;
    assert_eq!(kid_of(&tokens.access_token), first["kid"].as_str().unwrap());
    // What the version before has signed, it signed so.
    let (header, claims) = peek(&tokens.id_token);
    assert!(is_believed_as_hint(&server, &old.sign(&header, &claims)).await);
    let kept = std::fs::read_to_string(server.file("keys.json")).unwrap();
    assert_eq!(kept, old.text(), "the version before still starts with its file");

    server.advance(90 * DAY);
    assert_ne!(kid_of(&service_token(&server).await), first["kid"]);
    withdraw(&server, &[first["kid"].as_str().unwrap()]).await;
    let server = server.restarted().await;
    let keys = key_set(&server).await;
    assert!(
        !keys.iter().any(|kid| kid == first["kid"].as_str().unwrap()),
        "it is not taken over again"
    );
    assert!(!is_believed_as_hint(&server, &old.sign(&header, &claims)).await);
}
