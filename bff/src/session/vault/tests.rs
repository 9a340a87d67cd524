use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use resource_server::time::UnixTime;
use serde_json::json;

use super::*;
use crate::session::lifetime::Limits;
use crate::session::tokens::{AccessToken, IssuedToken, RefreshToken, Target, TokenSet};

const SECRETS: [&str; 5] = [
    "the-access-token",
    "the-files-token",
    "the-refresh-token",
    "alice@example.com",
    "alice-sub",
];

fn ring(name: &str) -> String {
    KeyRing::generate(&KeyName::parse(name).unwrap()).to_string()
}

fn vault(text: &str) -> Vault {
    Vault::new(Arc::new(KeyRing::parse(text).unwrap()))
}

fn times() -> Times {
    let limits = Limits {
        idle: Duration::from_secs(600),
        absolute: Duration::from_secs(3_600),
    };
    limits.begin(UnixTime::from_secs(1_000))
}

fn issued(token: &str) -> IssuedToken {
    IssuedToken {
        token: AccessToken::new(token.to_owned()),
        obtained_at: UnixTime::from_secs(1_000),
        refresh_from: UnixTime::from_secs(1_200),
        expires_at: UnixTime::from_secs(1_300),
        scope: Some("openid".to_owned()),
    }
}

fn files() -> Target {
    Target {
        audience: Some("https://files.example".to_owned()),
        scope: Some("files:read".to_owned()),
    }
}

fn content() -> SessionContent {
    SessionContent {
        subject: "alice-sub".to_owned(),
        provider_sid: Some("provider-sid".to_owned()),
        claims: json!({"email": "alice@example.com"}).as_object().unwrap().clone(),
        tokens: TokenSet {
            access: issued("the-access-token"),
            others: BTreeMap::from([(files(), issued("the-files-token"))]),
            refresh_token: Some(RefreshToken::new("the-refresh-token".to_owned())),
            refresh_expires_at: None,
            id_token: None,
        },
    }
}

#[test]
fn what_was_sealed_opens_for_the_same_browser_and_session() {
    let vault = vault(&ring("k1"));
    let (id, key) = (SessionId::generate(), SessionKey::generate());
    let sealed = vault.seal(&id, &key, &times(), &content());

    let opened = vault.open(&id, &key, &times(), &sealed).unwrap();

    assert_eq!(opened.subject, "alice-sub");
    assert_eq!(opened.tokens.access.token.expose(), "the-access-token");
    assert_eq!(opened.tokens.refresh_token.unwrap().expose(), "the-refresh-token");
    assert_eq!(opened.tokens.access.expires_at, UnixTime::from_secs(1_300));
    let other = opened.tokens.others.get(&files()).expect("the other token");
    assert_eq!(other.token.expose(), "the-files-token");
}

#[test]
fn the_key_ring_alone_opens_nothing() {
    let vault = vault(&ring("k1"));
    let key = SessionKey::generate();
    let sealed = vault.seal(&SessionId::generate(), &key, &times(), &content());

    let opened = vault.open(&SessionId::generate(), &key, &times(), &sealed);

    assert_eq!(opened.unwrap_err(), OpenError::Forged);
}

#[test]
fn the_cookie_alone_opens_nothing() {
    let (id, key) = (SessionId::generate(), SessionKey::generate());
    let sealed = vault(&ring("k1")).seal(&id, &key, &times(), &content());

    let opened = vault(&ring("k1")).open(&id, &key, &times(), &sealed);

    assert_eq!(opened.unwrap_err(), OpenError::Forged);
}

#[test]
fn sealed_bytes_hold_no_secret_in_the_clear() {
    let vault = vault(&ring("k1"));
    let id = SessionId::generate();
    let sealed = vault.seal(&id, &SessionKey::generate(), &times(), &content());

    let bytes = String::from_utf8_lossy(&sealed.0).into_owned();
    for secret in SECRETS
        .iter()
        .map(|&secret| secret.to_owned())
        .chain([id.to_cookie_value()])
    {
        assert!(!bytes.contains(&secret), "{secret} is readable");
    }
}

#[test]
fn a_record_moved_to_another_session_or_given_a_longer_life_does_not_open() {
    let vault = vault(&ring("k1"));
    let (id, key) = (SessionId::generate(), SessionKey::generate());
    let sealed = vault.seal(&id, &key, &times(), &content());

    assert_eq!(
        vault
            .open(&id, &SessionKey::generate(), &times(), &sealed)
            .unwrap_err(),
        OpenError::Forged
    );
    let longer = Times {
        ends_at: UnixTime::from_secs(9_999_999),
        ..times()
    };
    assert_eq!(
        vault.open(&id, &key, &longer, &sealed).unwrap_err(),
        OpenError::Forged
    );
}

#[test]
fn every_changed_byte_and_every_cut_is_noticed() {
    let vault = vault(&ring("k1"));
    let (id, key) = (SessionId::generate(), SessionKey::generate());
    let sealed = vault.seal(&id, &key, &times(), &content());

    for index in 0..sealed.0.len() {
        let mut changed = sealed.clone();
        changed.0[index] ^= 1;
        assert!(vault.open(&id, &key, &times(), &changed).is_err(), "byte {index}");
        let cut = Sealed(sealed.0[..index].to_vec());
        assert!(vault.open(&id, &key, &times(), &cut).is_err(), "cut at {index}");
    }
}

#[test]
fn older_keys_open_and_the_active_one_seals() {
    let old = ring("k1");
    let (id, key) = (SessionId::generate(), SessionKey::generate());
    let sealed = vault(&old).seal(&id, &key, &times(), &content());
    let rotated = vault(&format!("k2 {}\n{old}", random::text()));

    assert!(rotated.open(&id, &key, &times(), &sealed).is_ok());
    let resealed = rotated.seal(&id, &key, &times(), &content());
    assert_eq!(
        vault(&old).open(&id, &key, &times(), &resealed).unwrap_err(),
        OpenError::UnknownKey(KeyName::parse("k2").unwrap())
    );
}

#[test]
fn a_vault_takes_over_a_rotated_ring_and_no_other() {
    let old = ring("k1");
    let vault = vault(&old);
    let copy = vault.clone();
    let (id, key) = (SessionId::generate(), SessionKey::generate());
    let before = vault.seal(&id, &key, &times(), &content());
    let parse = |text: &str| Arc::new(KeyRing::parse(text).unwrap());

    assert_eq!(vault.take_over(parse(&ring("k1"))), Err(CookieKeyChanged));
    assert!(copy.open(&id, &key, &times(), &before).is_ok());

    let rotated = format!("k2 {}\n{old}", random::text());
    vault.take_over(parse(&rotated)).unwrap();
    let after = copy.seal(&id, &key, &times(), &content());
    assert!(copy.open(&id, &key, &times(), &before).is_ok());
    assert!(copy.open(&id, &key, &times(), &after).is_ok());

    let without_old: String = rotated
        .lines()
        .filter(|line| !line.starts_with("k1 "))
        .fold(String::new(), |text, line| text + line + "\n");
    vault.take_over(parse(&without_old)).unwrap();
    assert_eq!(
        copy.open(&id, &key, &times(), &before).unwrap_err(),
        OpenError::UnknownKey(KeyName::parse("k1").unwrap())
    );
    assert!(copy.open(&id, &key, &times(), &after).is_ok());
}

#[test]
fn a_summary_opens_without_the_browser_and_only_for_its_session() {
    let vault = vault(&ring("k1"));
    let key = SessionKey::generate();
    let summary = Summary {
        subject: "alice-sub".to_owned(),
        device: crate::session::device::Device::default(),
    };
    let sealed = vault.seal_summary(&key, &summary);

    assert_eq!(vault.open_summary(&key, &sealed).unwrap(), summary);
    assert!(!String::from_utf8_lossy(&sealed.0).contains("alice-sub"));
    assert_eq!(
        vault.open_summary(&SessionKey::generate(), &sealed).unwrap_err(),
        OpenError::Forged
    );
}

#[test]
fn a_newer_format_is_told_apart_from_a_forgery() {
    let vault = vault(&ring("k1"));
    let (id, key) = (SessionId::generate(), SessionKey::generate());
    let mut sealed = vault.seal(&id, &key, &times(), &content());
    sealed.0[0] = 9;

    assert_eq!(
        vault.open(&id, &key, &times(), &sealed).unwrap_err(),
        OpenError::UnknownVersion(9)
    );
}

#[test]
fn a_login_cookie_opens_only_under_its_own_name() {
    let vault = vault(&ring("k1"));
    let sealed = vault.seal_login("a", b"state".to_vec());

    assert_eq!(vault.open_login("a", &sealed).unwrap().as_slice(), b"state");
    assert_eq!(vault.open_login("b", &sealed).unwrap_err(), OpenError::Forged);
}

/// A session as the program before this one sealed it: without a version, without other access tokens.
const SEALED_BEFORE: &str = "\
    AQJrMTgprRmlzS70N6o8a2dXj7Fx+IlB4Cejz0oKNtR2QAn/Xbgf7B+wktLu+nlQBbpjwPnp66cEcb/QBg1OL//mtAR0ukWKwlyObjeErtsDO9u/\
    zO8RkQbYRy9VzITTN64uBTN0qkj3K7bqB8MlrhABmbJ7O/IPubb5ODXEh9BTF1qXFs4euR8PvB07YSHz4KqRsXaqFv5THeA6w9UHloP9y89iwtGL\
    fAHwtrLDAPkyyYBtWI90qtAGWESHrbfm+VNNKuR+kqUdZOdGrfc8tL2Eqqw81Yyyi04dgB/pdSM5C5HN0oWSudkLtuUztLA4joOaprSnsCHc0lRx\
    yYfdv2Fgh/IJkg==";

#[test]
fn a_session_that_the_program_before_sealed_opens() {
    let ring = "cookie LkUlFSAkZ8h_q5H3G-GAXObWof7z1dSX5nyMe-8L8f8\n\
                k1 4FQvMw7zAmhM-qSjQ7dooGax43itRFTe-Feyu4o4J8w\n";
    let id = SessionId::parse("q_jrA5FPBo2rsiYDs_fqTXzabkSLHA9rYAG-uXeyV6Y").unwrap();
    let key = SessionKey::parse("kBYEI6Qom7YT-EosCQ7U7A").unwrap();
    let sealed = Sealed(BASE64_STANDARD.decode(SEALED_BEFORE).unwrap());

    let opened = vault(ring).open(&id, &key, &times(), &sealed).unwrap();

    assert_eq!(opened.provider_sid.as_deref(), Some("provider-sid"));
    let tokens = opened.tokens;
    assert_eq!(tokens.access.token.expose(), "the-access-token");
    assert_eq!(tokens.access.expires_at, UnixTime::from_secs(1_300));
    assert_eq!(tokens.access.scope.as_deref(), Some("openid"));
    assert_eq!(tokens.id_token.unwrap().expose(), "the-id-token");
    assert_eq!(tokens.refresh_token.unwrap().expose(), "the-refresh-token");
    assert!(tokens.others.is_empty());
}

#[test]
fn a_content_of_a_later_version_is_left_alone() {
    let vault = vault(&ring("k1"));
    let (id, key) = (SessionId::generate(), SessionKey::generate());
    let later = br#"{"version":3,"tokens":"elsewhere"}"#.to_vec();
    let context = session_context(&key, &times());
    let sealed = Sealed(vault.seal_bytes(id.as_key_material(), SESSION_PURPOSE, &context, later));

    let refused = vault.open(&id, &key, &times(), &sealed);

    assert_eq!(refused.unwrap_err(), OpenError::UnknownVersion(3));
}
