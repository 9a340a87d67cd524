//! Token Status Lists (draft-ietf-oauth-status-list): how APIs that ask nobody learn of grants that have ended.

mod ends;
mod reading;

use std::time::Duration;

use reqwest::Method;
use resource_server::algorithm::Algorithm;
use resource_server::jwks::KeySet;
use resource_server::status_list::{ExpectedList, StatusList};
use resource_server::time::Clock as _;
use serde_json::{Value, json};

use crate::harness::{Answer, Browser, SERVICE, Server, authorization, peek};
use reading::{invalid, invalid_now, place, read};

#[tokio::test]
async fn an_access_token_of_a_grant_names_its_place_and_no_other_token_does() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let code = browser.sign_in("alice", &authorization()).await.code();
    let first = server.exchange(&code).await.tokens();
    assert!(peek(&first.id_token).1["status"].is_null());
    let refreshed = server.refresh(&first.refresh_token).await.tokens();
    assert_eq!(
        place(&server, &refreshed.access_token),
        place(&server, &first.access_token)
    );

    let code = browser.authorize(&authorization()).await.code();
    let second = server.exchange(&code).await.tokens();
    assert_ne!(
        place(&server, &second.access_token),
        place(&server, &first.access_token),
        "each grant has its own"
    );

    let own = server
        .token(SERVICE, &[("grant_type", "client_credentials")])
        .await;
    assert!(peek(&own.tokens().access_token).1["status"].is_null());
}

#[tokio::test]
async fn a_list_is_well_formed_and_its_etag_spares_who_has_it() {
    let server = Server::start_below("/tenant", "").await;
    let whole = server.get("/statuslists/0").await;
    let (_, claims, bits) = read(&server, &whole).await;
    let now = server.clock.now().as_secs();
    assert_eq!(claims["sub"], format!("{}/statuslists/0", server.issuer));
    assert_eq!((&claims["iat"], &claims["ttl"]), (&json!(now), &json!(5)));
    let left = claims["exp"].as_i64().unwrap() - now;
    assert!((1_800..=3_600).contains(&left), "{left} s");
    let mut members: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["exp", "iat", "status_list", "sub", "ttl"]);
    assert!(bits.iter().all(|byte| *byte == 0));
    assert_eq!(whole.header("cache-control"), "public, max-age=5");
    assert_eq!(whole.header("access-control-allow-origin"), "*");

    let head = server.send(server.request(Method::HEAD, "/statuslists/0")).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("etag"), whole.header("etag"));
    assert_eq!(known(&server, &whole).await.status, 304);

    let tokens = server.tokens().await;
    server.advance(1);
    assert_eq!(
        known(&server, &whole).await.status,
        304,
        "a sign-in changes nothing"
    );
    let form = [("token", tokens.refresh_token.as_str())];
    server.call("/revoke", crate::harness::BFF, &form).await;
    server.advance(1);
    let changed = known(&server, &whole).await;
    assert_eq!(changed.status, 200);
    read(&server, &changed).await;
}

/// Asks with the tag of an earlier answer.
async fn known(server: &Server, before: &Answer) -> Answer {
    let request = server
        .request(Method::GET, "/statuslists/0")
        .header("if-none-match", before.header("etag"));
    server.send(request).await
}

#[tokio::test]
async fn what_is_no_list_is_not_found() {
    let server = Server::start().await;
    server.tokens().await;
    // The second one may be begun by the next sign-in.
    for (list, status) in [
        ("0", 200),
        ("1", 200),
        ("2", 404),
        ("00", 404),
        ("x", 404),
        ("-1", 404),
    ] {
        let answer = server.get(&format!("/statuslists/{list}")).await;
        assert_eq!(answer.status, status, "{list}");
        if status == 404 {
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert_eq!(answer.json()["status"], 404);
        }
    }
    assert_eq!(server.get("/statuslists/0?time=1700000000").await.status, 501);
    let posted = server.send(server.request(Method::POST, "/statuslists/0")).await;
    assert_eq!((posted.status, posted.header("allow")), (405, "GET, HEAD"));
}

#[tokio::test]
async fn the_metadata_leads_to_all_lists() {
    let server = Server::start().await;
    let metadata = server.get("/.well-known/oauth-authorization-server").await.json();
    let all = server.issuer.clone() + "/statuslists";
    assert_eq!(metadata["status_list_aggregation_endpoint"], all);
    let listed = server.get("/statuslists").await;
    assert_eq!(listed.header("content-type"), "application/json");
    assert_eq!(listed.json(), json!({ "status_lists": [] }));
    server.tokens().await;
    server.advance(1);
    let listed = server.get("/statuslists").await.json();
    assert_eq!(listed, json!({ "status_lists": [all + "/0"] }));
}

#[tokio::test]
async fn every_server_tells_of_an_end_within_a_second_under_one_tag() {
    let here = Server::start().await;
    let there = here.beside().await;
    let (first, second) = (here.tokens().await, there.tokens().await);
    for server in [&here, &there] {
        assert!(invalid_now(server).await.is_empty());
    }
    let form = [("token", second.refresh_token.as_str())];
    here.call("/revoke", crate::harness::BFF, &form).await;
    here.advance(1);
    let mut tags = Vec::new();
    for server in [&here, &there] {
        let its_place = place(&here, &second.access_token);
        assert_eq!(invalid_now(server).await, [its_place].into());
        tags.push(server.get("/statuslists/0").await.header("etag").to_owned());
    }
    assert_eq!(tags[0], tags[1]);

    // One that starts later finds all that others have seen happen.
    let third = here.beside().await;
    assert_eq!(invalid_now(&third).await.len(), 1);
    assert_eq!(there.refresh(&first.refresh_token).await.status, 200);
    assert_eq!(invalid(&third).await.len(), 1);
}

#[tokio::test]
async fn an_end_is_told_until_the_last_token_is_over_and_then_forgotten() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    let form = [("token", tokens.refresh_token.as_str())];
    server.call("/revoke", crate::harness::BFF, &form).await;
    assert_eq!(invalid(&server).await.len(), 1);
    // The longest life that an access token can have, what verifiers forgive, and what clocks are apart.
    server.advance(3600 + 300 + 60 - 2);
    assert_eq!(invalid_now(&server).await.len(), 1);
    assert!(invalid(&server).await.is_empty());
    assert!(invalid_now(&server.beside().await).await.is_empty());
}

#[tokio::test]
async fn an_end_that_a_clock_took_for_long_over_is_told_again_when_it_is_corrected() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    let form = [("token", tokens.refresh_token.as_str())];
    server.call("/revoke", crate::harness::BFF, &form).await;
    assert_eq!(invalid(&server).await.len(), 1);
    server.advance(5_000);
    assert!(invalid(&server).await.is_empty());
    server.clock.set_back(Duration::from_secs(5_000));
    assert_eq!(invalid_now(&server).await.len(), 1);
}

#[tokio::test]
async fn a_grant_that_runs_out_needs_no_bit() {
    let server = Server::start().await;
    server.tokens().await;
    server.advance(90 * 24 * 3600 + 1);
    assert!(invalid(&server).await.is_empty());
}

#[tokio::test]
async fn a_list_is_signed_anew_in_time_and_by_the_key_that_signs() {
    let server = Server::start().await;
    let first = server.get("/statuslists/0").await;
    let expires = |answer: &Answer| peek(&answer.body).1["exp"].as_i64().unwrap();
    let mut seen = 1;
    let mut last = expires(&first);
    for _ in 0..12 {
        server.advance(600);
        let answer = server.get("/statuslists/0").await;
        read(&server, &answer).await;
        let left = expires(&answer) - server.clock.now().as_secs();
        assert!((1_800..=3_600).contains(&left), "{left} s");
        seen += i32::from(expires(&answer) != last);
        last = expires(&answer);
    }
    assert_eq!(seen, 5, "half an hour each");

    let kid = |answer: &Answer| peek(&answer.body).0["kid"].as_str().unwrap().to_owned();
    server.operator(&["key", "rotate"]).await;
    server.advance(1);
    let rotated = server.get("/statuslists/0").await;
    read(&server, &rotated).await;
    assert_ne!(kid(&rotated), kid(&first));
    let compromised = kid(&rotated);
    server.operator(&["key", "withdraw", "--", &compromised]).await;
    server.advance(1);
    let anew = server.get("/statuslists/0").await;
    read(&server, &anew).await;
    assert_ne!(kid(&anew), compromised);
}

#[tokio::test]
async fn lists_are_signed_as_those_who_read_them_allow() {
    // Nothing else is signed so here.
    let algorithm = Algorithm::EdDsa;
    let server = Server::start_below("", "[status_list]\nsigning_alg = \"EdDSA\"\n").await;
    let keys = server.get("/jwks").await.body;
    let keys = KeySet::parse(keys.as_bytes()).unwrap();
    let uri = format!("{}/statuslists/0", server.issuer);
    let read = |list: &Answer, algorithms: &[Algorithm]| {
        let expected = ExpectedList {
            uri: &uri,
            issuer: &server.issuer,
            algorithms,
            max_bytes: 1 << 20,
            leeway: Duration::ZERO,
        };
        StatusList::verify(&list.body, &keys, &expected, server.clock.now())
    };
    let list = server.get("/statuslists/0").await;
    assert_eq!(read(&list, &[algorithm]).unwrap().status(7), Some(0));
    assert!(read(&list, &[Algorithm::Es256]).is_err());
    let tokens = server.tokens().await;
    assert_eq!(peek(&tokens.access_token).0["alg"], "ES256");
    // A second later it would say another `iat`.
    server.advance(1);
    let again = server.get("/statuslists/0").await;
    assert_eq!(again.body, list.body, "made once");
}

#[tokio::test]
async fn a_grant_from_before_there_were_lists_gets_its_place_when_it_is_refreshed() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    let database = server.open_database().await;
    let forget = sqlx::query("UPDATE family SET status_index = NULL");
    forget.execute(&database).await.unwrap();
    let refreshed = server.refresh(&tokens.refresh_token).await.tokens();
    let its_place = place(&server, &refreshed.access_token);
    let again = server.refresh(&refreshed.refresh_token).await.tokens();
    assert_eq!(place(&server, &again.access_token), its_place);
    let form = [("token", again.refresh_token.as_str())];
    server.call("/revoke", crate::harness::BFF, &form).await;
    assert_eq!(invalid(&server).await, [its_place].into());
}

#[tokio::test]
async fn without_lists_nothing_speaks_of_them() {
    let off = "[status_list]\nenabled = false\n";
    let server = Server::start_below("", off).await;
    let tokens = server.tokens().await;
    assert!(peek(&tokens.access_token).1["status"].is_null());
    for path in ["/statuslists", "/statuslists/0"] {
        assert_eq!(server.get(path).await.status, 404, "{path}");
    }
    let metadata = server.get("/.well-known/openid-configuration").await.json();
    assert_eq!(metadata["status_list_aggregation_endpoint"], Value::Null);
    // Whoever wants them later has them for the grants that there are.
    let on = "[status_list]\nttl = \"90s\"\n";
    let server = server.restarted_with(off, on).await;
    let refreshed = server.refresh(&tokens.refresh_token).await.tokens();
    let (list, _) = place(&server, &refreshed.access_token);
    let answer = server.get(&format!("/statuslists/{list}")).await;
    assert_eq!(answer.header("cache-control"), "public, max-age=90");
    assert_eq!(read(&server, &answer).await.1["ttl"], 90);
}

#[tokio::test]
async fn while_the_database_fails_no_list_is_passed_off_as_new() {
    let server = Server::start().await;
    let first = server.get("/statuslists/0").await;
    let database = server.open_database().await;
    let rename = |from: &str, to: &str| sqlx::AssertSqlSafe(format!("ALTER TABLE {from} RENAME TO {to}"));
    sqlx::query(rename("family", "gone"))
        .execute(&database)
        .await
        .unwrap();
    server.advance(1);
    let refused = known(&server, &first).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    assert_eq!(refused.header("cache-control"), "no-store");
    assert_eq!(refused.header("content-type"), "application/problem+json");
    sqlx::query(rename("gone", "family"))
        .execute(&database)
        .await
        .unwrap();
    assert_eq!(known(&server, &first).await.status, 304);
}
