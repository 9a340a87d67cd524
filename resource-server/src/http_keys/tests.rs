use std::net::TcpListener;

use serde_json::json;
use url::Url;

use super::{HttpKeys, MAX_ANSWER_BYTES, jwks_uri_of, oauth_metadata_address, openid_metadata_address};
use crate::error::FetchKeysError;
use crate::jwks::KeySet;
use crate::key_cache::FetchKeys as _;
use crate::test_support::{FakeIssuer, TestKey};

const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn keys_of(issuer: &FakeIssuer) -> HttpKeys {
    HttpKeys::of_issuer(url(issuer.url()), HttpKeys::client().unwrap())
}

fn keys_at(issuer: &FakeIssuer, path: &str) -> HttpKeys {
    HttpKeys::at(
        url(&format!("{}{path}", issuer.url())),
        HttpKeys::client().unwrap(),
    )
}

#[tokio::test]
async fn keys_at_a_given_address_need_no_discovery() {
    let issuer = FakeIssuer::publishing(&[&TestKey::es256("k1")]).await;
    let answer = keys_at(&issuer, "/jwks").fetch().await.unwrap();
    assert_eq!(KeySet::parse(&answer).unwrap().len(), 1);
    assert_eq!(issuer.requested(), ["/jwks"]);
}

#[tokio::test]
async fn the_address_of_the_keys_is_discovered_once() {
    let issuer = FakeIssuer::publishing(&[&TestKey::es256("k1")]).await;
    let keys = keys_of(&issuer);
    keys.fetch().await.unwrap();
    assert_eq!(issuer.requested(), [OAUTH, "/jwks"]);
    keys.fetch().await.unwrap();
    assert_eq!(issuer.requested(), ["/jwks"]);
}

#[tokio::test]
async fn an_address_that_stopped_working_is_discovered_anew() {
    let issuer = FakeIssuer::publishing(&[&TestKey::es256("k1")]).await;
    let keys = keys_of(&issuer);
    keys.fetch().await.unwrap();

    issuer.serve("/jwks", 410, b"");
    assert!(matches!(keys.fetch().await, Err(FetchKeysError::Status(410))));
    let moved = json!({"issuer": issuer.url(), "jwks_uri": format!("{}/moved", issuer.url())});
    issuer.serve(OAUTH, 200, moved.to_string().as_bytes());
    issuer.serve("/moved", 200, b"{}");
    issuer.requested();
    keys.fetch().await.unwrap();
    assert_eq!(issuer.requested(), [OAUTH, "/moved"]);
}

#[tokio::test]
async fn an_issuer_with_openid_metadata_only_is_found_too() {
    let issuer = FakeIssuer::start().await;
    issuer.serve_metadata(OPENID, issuer.url());
    issuer.publish(&[&TestKey::es256("k1")]);
    keys_of(&issuer).fetch().await.unwrap();
    assert_eq!(issuer.requested(), [OAUTH, OPENID, "/jwks"]);

    // A site that shows its start page everywhere.
    issuer.serve(OAUTH, 200, b"<!doctype html>");
    keys_of(&issuer).fetch().await.unwrap();
    assert_eq!(issuer.requested(), [OAUTH, OPENID, "/jwks"]);
}

#[tokio::test]
async fn metadata_that_name_another_issuer_are_not_believed() {
    let issuer = FakeIssuer::start().await;
    issuer.publish(&[&TestKey::es256("k1")]);
    for other in [
        "https://evil.example",
        &format!("{}//", issuer.url()),
        &format!("{}/x", issuer.url()),
    ] {
        issuer.serve_metadata(OAUTH, other);
        issuer.serve_metadata(OPENID, other);
        let error = keys_of(&issuer).fetch().await.unwrap_err();
        assert!(
            matches!(error, FetchKeysError::Metadata("it names another issuer")),
            "{error}"
        );
    }
    assert!(!issuer.requested().contains(&"/jwks".to_owned()));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let issuer = FakeIssuer::publishing(&[&TestKey::es256("k1")]).await;
    issuer.redirect("/elsewhere", "/jwks");
    let error = keys_at(&issuer, "/elsewhere").fetch().await.unwrap_err();
    assert!(matches!(error, FetchKeysError::Status(302)), "{error}");
    assert_eq!(issuer.requested(), ["/elsewhere"]);
}

#[tokio::test]
async fn an_answer_is_read_up_to_a_bound() {
    let issuer = FakeIssuer::start().await;
    issuer.serve("/fits", 200, &vec![b' '; MAX_ANSWER_BYTES]);
    issuer.serve("/large", 200, &vec![b' '; MAX_ANSWER_BYTES + 1]);
    assert_eq!(
        keys_at(&issuer, "/fits").fetch().await.unwrap().len(),
        MAX_ANSWER_BYTES
    );
    let error = keys_at(&issuer, "/large").fetch().await.unwrap_err();
    assert!(
        matches!(error, FetchKeysError::TooLarge(MAX_ANSWER_BYTES)),
        "{error}"
    );
}

#[tokio::test]
async fn an_issuer_that_is_away_is_an_error() {
    let issuer = FakeIssuer::start().await;
    let keys = keys_of(&issuer);
    issuer.stop().await;
    let error = keys.fetch().await.unwrap_err();
    assert!(matches!(error, FetchKeysError::Transport(_)), "{error}");
}

// The clock of the runtime is paused: it jumps to the deadline as soon as nothing else happens.
#[tokio::test(start_paused = true)]
async fn an_issuer_that_never_answers_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = url(&format!("http://{}", silent.local_addr().unwrap()));
    let error = HttpKeys::of_issuer(address, HttpKeys::client().unwrap())
        .fetch()
        .await
        .unwrap_err();
    assert!(matches!(error, FetchKeysError::TimedOut), "{error}");
}

#[test]
fn metadata_lie_where_the_standards_put_them() {
    for (issuer, oauth, openid) in [
        (
            "https://op.example",
            "https://op.example/.well-known/oauth-authorization-server",
            "https://op.example/.well-known/openid-configuration",
        ),
        (
            "https://op.example/realms/a",
            "https://op.example/.well-known/oauth-authorization-server/realms/a",
            "https://op.example/realms/a/.well-known/openid-configuration",
        ),
        (
            "https://op.example:8443/a/",
            "https://op.example:8443/.well-known/oauth-authorization-server/a",
            "https://op.example:8443/a/.well-known/openid-configuration",
        ),
    ] {
        assert_eq!(oauth_metadata_address(&url(issuer)).as_str(), oauth);
        assert_eq!(openid_metadata_address(&url(issuer)).as_str(), openid);
    }
}

#[test]
fn an_issuer_is_compared_byte_for_byte_but_for_the_slash_that_an_address_gains() {
    let find = |issuer: &str, named: &str| {
        let metadata = json!({"issuer": named, "jwks_uri": "https://op.example/jwks"});
        jwks_uri_of(&url(issuer), metadata.to_string().as_bytes())
    };
    assert!(find("https://op.example", "https://op.example").is_ok());
    assert!(find("https://op.example", "https://op.example/").is_ok());
    assert!(find("https://op.example/a", "https://op.example/a").is_ok());
    assert!(find("https://op.example/a/", "https://op.example/a/").is_ok());
    for (issuer, named) in [
        ("https://op.example/a", "https://op.example/a/"),
        ("https://op.example/a/", "https://op.example/a"),
        ("https://op.example", "https://OP.example"),
        ("https://op.example", "https://op.example:443"),
        ("https://op.example", "http://op.example"),
        ("https://op.example", ""),
    ] {
        assert_eq!(
            find(issuer, named),
            Err("it names another issuer"),
            "{issuer} {named}"
        );
    }
}

#[test]
fn the_keys_of_a_secure_issuer_come_over_a_secure_connection() {
    let find = |issuer: &str, jwks_uri: &str| {
        let metadata = json!({"issuer": issuer, "jwks_uri": jwks_uri});
        jwks_uri_of(&url(issuer), metadata.to_string().as_bytes())
    };
    assert!(find("https://op.example", "https://keys.example/jwks").is_ok());
    assert!(find("http://127.0.0.1:9000", "http://127.0.0.1:9000/jwks").is_ok());
    assert!(find("http://127.0.0.1:9000", "https://keys.example/jwks").is_ok());
    for jwks_uri in [
        "http://op.example/jwks",
        "file:///etc/passwd",
        "ftp://op.example/jwks",
    ] {
        assert_eq!(
            find("https://op.example", jwks_uri),
            Err("jwks_uri has to be https"),
            "{jwks_uri}"
        );
    }
    assert!(find("https://op.example", "/jwks").is_err());
    assert!(jwks_uri_of(&url("https://op.example"), b"{\"issuer\":\"https://op.example\"}").is_err());
}
