//! Token exchange (RFC 8693): an API calls another one for the user that it is called for.

use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::disabled::disable_alice;
use crate::harness::{
    Answer, Authorization, Browser, Credentials, DESK, NOTES_API, OTHER, SECRET, SERVICE, Server,
    authorization, exchange_form, peek,
};

const NOTES: &str = "https://notes.example";
const FILES: &str = "https://files.example";
const SCANS: &str = "https://scans.example";

const FILES_API: Credentials<'static> = Credentials::Basic("files-api", SECRET);
const STRANGER: Credentials<'static> = Credentials::Basic("passer-by", SECRET);
const APP: Credentials<'static> = Credentials::Public("pocket");

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

fn desk_authorization() -> Authorization {
    authorization()
        .with("client_id", "desk")
        .with("scope", "openid email offline_access read write notes")
}

/// What alice's client holds: an access token for the notes API, and a refresh token.
async fn desk_tokens(server: &Server) -> crate::harness::Tokens {
    let code = Browser::new(server)
        .sign_in("alice", &desk_authorization())
        .await
        .code();
    server.token(DESK, &exchange_form(&code)).await.tokens()
}

async fn exchange(server: &Server, client: Credentials<'_>, token: &str, more: &[(&str, &str)]) -> Answer {
    let form = [
        ("grant_type", GRANT),
        ("subject_token", token),
        ("subject_token_type", ACCESS_TOKEN),
    ];
    server.token(client, &[form.as_slice(), more].concat()).await
}

async fn is_active(server: &Server, client: Credentials<'_>, token: &str) -> bool {
    let told = server.call("/introspect", client, &[("token", token)]).await;
    told.json()["active"] == true
}

#[tokio::test]
async fn an_api_gets_a_token_for_the_next_one_and_is_named_as_the_actor() {
    let server = Server::start_with_exchanges().await;
    let held = desk_tokens(&server).await.access_token;
    let held_claims = peek(&held).1;
    let answer = exchange(&server, NOTES_API, &held, &[]).await;
    let json = answer.json();
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(
        (&json["issued_token_type"], &json["token_type"], &json["scope"]),
        (&json!(ACCESS_TOKEN), &json!("Bearer"), &json!("read write"))
    );
    for never in ["refresh_token", "id_token"] {
        assert!(json[never].is_null(), "{never}");
    }
    let first = answer.tokens().access_token;
    let claims = peek(&first).1;
    assert_eq!(
        (&claims["aud"], &claims["client_id"], &claims["scope"]),
        (&json!(FILES), &json!("notes-api"), &json!("read write"))
    );
    assert_eq!(claims["act"], json!({ "sub": "notes-api" }));
    for same in ["iss", "sub", "auth_time", "grant_id"] {
        assert!(!claims[same].is_null());
        assert_eq!(claims[same], held_claims[same], "{same}");
    }
    assert_ne!(claims["jti"], held_claims["jti"]);

    let second = exchange(&server, FILES_API, &first, &[("audience", SCANS)]).await;
    let second = second.tokens().access_token;
    let claims = peek(&second).1;
    assert_eq!(
        (&claims["aud"], &claims["scope"]),
        (&json!(SCANS), &json!("read"))
    );
    assert_eq!(
        claims["act"],
        json!({ "sub": "files-api", "act": { "sub": "notes-api" } })
    );
    let told = server.call("/introspect", FILES_API, &[("token", &second)]).await;
    assert_eq!(
        (&told.json()["active"], &told.json()["act"]),
        (&json!(true), &claims["act"])
    );
}

#[tokio::test]
async fn a_client_narrows_its_own_token_and_acts_for_nobody() {
    let server = Server::start_with_exchanges().await;
    let held = desk_tokens(&server).await.access_token;
    let more = [("resource", FILES), ("audience", FILES), ("scope", "read")];
    let narrow = exchange(&server, DESK, &held, &more).await.tokens().access_token;
    let claims = peek(&narrow).1;
    assert_eq!(
        (&claims["aud"], &claims["scope"]),
        (&json!(FILES), &json!("read"))
    );
    assert_eq!(
        (&claims["client_id"], &claims["act"]),
        (&json!("desk"), &Value::Null)
    );
    exchange(&server, DESK, &narrow, &[("scope", "read write")])
        .await
        .assert_oauth_error(400, "invalid_scope");
    // Neither the one token nor the other tells the next API who the user is.
    server
        .user_info(&narrow)
        .await
        .assert_oauth_error(401, "invalid_token");
}

#[tokio::test]
async fn nobody_else_exchanges_a_token() {
    let server = Server::start_with_exchanges().await;
    let held = desk_tokens(&server).await.access_token;
    // Its own secret is all that a client has: a token that it found says nothing about it.
    for client in [STRANGER, FILES_API] {
        exchange(&server, client, &held, &[])
            .await
            .assert_oauth_error(400, "invalid_request");
    }
    let of_files = exchange(&server, NOTES_API, &held, &[])
        .await
        .tokens()
        .access_token;
    exchange(&server, STRANGER, &of_files, &[])
        .await
        .assert_oauth_error(400, "invalid_request");
    for client in [OTHER, SERVICE, APP] {
        exchange(&server, client, &held, &[])
            .await
            .assert_oauth_error(400, "unauthorized_client");
    }
    for client in [
        Credentials::None,
        Credentials::Public("notes-api"),
        Credentials::Basic("notes-api", "wrong"),
    ] {
        exchange(&server, client, &held, &[])
            .await
            .assert_oauth_error(401, "invalid_client");
    }
}

#[tokio::test]
async fn a_token_is_exchanged_for_what_the_registration_allows() {
    let server = Server::start_with_exchanges().await;
    let held = desk_tokens(&server).await.access_token;
    for target in [SCANS, NOTES, "https://nowhere.example", &server.issuer] {
        for name in ["resource", "audience"] {
            exchange(&server, NOTES_API, &held, &[(name, target)])
                .await
                .assert_oauth_error(400, "invalid_target");
        }
    }
    for two in [
        [("resource", FILES), ("resource", NOTES)],
        [("resource", FILES), ("audience", NOTES)],
    ] {
        exchange(&server, DESK, &held, &two)
            .await
            .assert_oauth_error(400, "invalid_target");
    }
    let own = [("audience", server.issuer.as_str())];
    exchange(&server, DESK, &held, &own)
        .await
        .assert_oauth_error(400, "invalid_target");
}

#[tokio::test]
async fn no_exchange_widens_a_scope() {
    let server = Server::start_with_exchanges().await;
    let held = desk_tokens(&server).await.access_token;
    for wide in ["notes", "read notes", "openid", "read openid", "other"] {
        exchange(&server, NOTES_API, &held, &[("scope", wide)])
            .await
            .assert_oauth_error(400, "invalid_scope");
    }
    let read = exchange(&server, NOTES_API, &held, &[("scope", "read")])
        .await
        .tokens();
    // The notes API knows "notes" and its caller may have it, and so may the grant; the token has not.
    let back = [("resource", NOTES), ("scope", "notes")];
    exchange(&server, FILES_API, &read.access_token, &back)
        .await
        .assert_oauth_error(400, "invalid_scope");
    let code = Browser::new(&server)
        .sign_in("alice", &desk_authorization().with("scope", "openid notes"))
        .await
        .code();
    let notes = server.token(DESK, &exchange_form(&code)).await.tokens();
    exchange(&server, NOTES_API, &notes.access_token, &[])
        .await
        .assert_oauth_error(400, "invalid_scope");
}

#[tokio::test]
async fn no_exchange_prolongs_a_life() {
    let server = Server::start_with_exchanges().await;
    let held = desk_tokens(&server).await.access_token;
    server.advance(200);
    let answer = exchange(&server, NOTES_API, &held, &[]).await;
    assert_eq!(answer.json()["expires_in"], 100);
    let next = answer.tokens().access_token;
    assert_eq!(peek(&next).1["exp"], peek(&held).1["exp"]);
    server.advance(99);
    let last = exchange(&server, FILES_API, &next, &[]).await;
    assert_eq!(last.json()["expires_in"], 1);
    server.advance(1);
    for (client, token) in [(NOTES_API, &held), (FILES_API, &next)] {
        exchange(&server, client, token, &[])
            .await
            .assert_oauth_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn only_live_access_tokens_of_users_are_exchanged() {
    let server = Server::start_with_exchanges().await;
    let held = desk_tokens(&server).await;
    let of_itself = server
        .token(DESK, &[("grant_type", "client_credentials")])
        .await
        .tokens();
    let (start, signature) = held.access_token.rsplit_once('.').unwrap();
    let (head, _) = start.split_once('.').unwrap();
    let (_, body) = of_itself.access_token.split_once('.').unwrap();
    for token in [
        "x",
        "a.b.c",
        &held.refresh_token,
        &held.id_token,
        &of_itself.access_token,
        &format!("{start}."),
        &format!("{head}.{}.{signature}", body.split('.').next().unwrap()),
        &"a".repeat(20_000),
    ] {
        exchange(&server, DESK, token, &[])
            .await
            .assert_oauth_error(400, "invalid_request");
    }
    let kinds = ["refresh_token", "id_token", "jwt", "saml2"];
    for kind in kinds.map(|kind| format!("urn:ietf:params:oauth:token-type:{kind}")) {
        let form = [
            ("grant_type", GRANT),
            ("subject_token", held.access_token.as_str()),
            ("subject_token_type", kind.as_str()),
        ];
        server
            .token(DESK, &form)
            .await
            .assert_oauth_error(400, "invalid_request");
        exchange(
            &server,
            DESK,
            &held.access_token,
            &[("requested_token_type", &kind)],
        )
        .await
        .assert_oauth_error(400, "invalid_request");
    }
    let actor = [
        ("actor_token", of_itself.access_token.as_str()),
        ("actor_token_type", ACCESS_TOKEN),
    ];
    for actor in [&actor[..], &actor[..1], &actor[1..]] {
        exchange(&server, NOTES_API, &held.access_token, actor)
            .await
            .assert_oauth_error(400, "invalid_request");
    }
}

/// What ends the grant ends what was made from its tokens, and nothing more is made.
#[tokio::test]
async fn an_exchanged_token_ends_with_its_grant() {
    for ending in ["revoked", "signed out", "disabled"] {
        let server = Server::start_with_exchanges().await;
        let held = desk_tokens(&server).await;
        let first = exchange(&server, NOTES_API, &held.access_token, &[])
            .await
            .tokens();
        let second = exchange(&server, FILES_API, &first.access_token, &[])
            .await
            .tokens();
        assert!(is_active(&server, FILES_API, &first.access_token).await);
        assert!(is_active(&server, FILES_API, &second.access_token).await);
        match ending {
            "revoked" => {
                server
                    .call("/revoke", DESK, &[("token", &held.refresh_token)])
                    .await;
            }
            "signed out" => {
                assert_eq!(server.end_sessions(&["--all", "--yes"]).await, 1);
            }
            _ => disable_alice(&server).await,
        }
        for token in [&first.access_token, &second.access_token] {
            assert!(!is_active(&server, FILES_API, token).await, "{ending}");
        }
        for (client, token) in [
            (NOTES_API, &held.access_token),
            (DESK, &held.access_token),
            (FILES_API, &first.access_token),
        ] {
            exchange(&server, client, token, &[])
                .await
                .assert_oauth_error(400, "invalid_request");
        }
    }
}

/// Whatever an exchange brings home that met the revocation half-way is worth nothing.
#[tokio::test]
async fn exchanges_that_race_with_a_revocation_leave_nothing_active() {
    let server = Server::start_with_exchanges().await;
    let held = desk_tokens(&server).await;
    let exchanges = join_all((0..20).map(|_| exchange(&server, NOTES_API, &held.access_token, &[])));
    let form = [("token", held.refresh_token.as_str())];
    let (answers, revoked) = join(exchanges, server.call("/revoke", DESK, &form)).await;
    assert_eq!(revoked.status, 200);
    for answer in answers {
        if answer.status == 200 {
            assert!(!is_active(&server, FILES_API, &answer.tokens().access_token).await);
        } else {
            answer.assert_oauth_error(400, "invalid_request");
        }
    }
}

#[tokio::test]
async fn a_grant_for_a_resource_stays_with_it_when_its_client_exchanges() {
    let server = Server::start_with_exchanges().await;
    let code = Browser::new(&server)
        .sign_in("alice", &desk_authorization().with("resource", NOTES))
        .await
        .code();
    let held = server.token(DESK, &exchange_form(&code)).await.tokens();
    exchange(&server, DESK, &held.access_token, &[("resource", FILES)])
        .await
        .assert_oauth_error(400, "invalid_target");
    // What the API goes on to is a matter between the operator and the API.
    let next = exchange(&server, NOTES_API, &held.access_token, &[]).await;
    assert_eq!(peek(&next.tokens().access_token).1["aud"], FILES);
}

/// APIs that call one another in a circle.
#[tokio::test]
async fn a_chain_of_actors_has_an_end() {
    let server = Server::start_with_exchanges().await;
    let mut token = desk_tokens(&server).await.access_token;
    let read = ("scope", "read");
    for round in 0..4 {
        let answer = exchange(&server, NOTES_API, &token, &[read]).await;
        token = answer.tokens().access_token;
        let back = exchange(&server, FILES_API, &token, &[read, ("resource", NOTES)]).await;
        assert_eq!(back.status, 200, "{round}");
        token = back.tokens().access_token;
    }
    exchange(&server, NOTES_API, &token, &[read])
        .await
        .assert_oauth_error(400, "invalid_request");
}

#[tokio::test]
async fn an_exchanged_token_is_not_revoked_alone_and_nobody_claims_so() {
    let server = Server::start_with_exchanges().await;
    let held = desk_tokens(&server).await.access_token;
    let answer = exchange(&server, NOTES_API, &held, &[]).await;
    let form = [("token", answer.tokens().access_token)];
    let form = form.each_ref().map(|(name, token)| (*name, token.as_str()));
    server
        .call("/revoke", NOTES_API, &form)
        .await
        .assert_oauth_error(400, "unsupported_token_type");
    assert!(
        is_active(&server, NOTES_API, form[0].1).await,
        "nobody claimed to have revoked it"
    );
}
