//! Logout tokens: OpenID Connect Back-Channel Logout 1.0 §2.4 and §2.6.

use serde_json::{Value, json};

use crate::claims::Claims;
use crate::error::TokenError;
use crate::test_support::{ISSUER, NOW, TestKey, key_set};
use crate::verifier::Verifier;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn good_claims() -> Value {
    json!({
        "iss": ISSUER,
        "aud": "the-client",
        "sub": "alice",
        "sid": "s1",
        "jti": "j1",
        "iat": NOW.as_secs(),
        "exp": NOW.as_secs() + 120,
        "events": {EVENT: {}},
    })
}

fn with(name: &str, value: Option<Value>) -> Value {
    let mut claims = good_claims();
    let members = claims.as_object_mut().unwrap();
    match value {
        Some(value) => members.insert(name.to_owned(), value),
        None => members.remove(name),
    };
    claims
}

fn judge_typed(typ: Option<Value>, claims: &Value) -> Result<Claims, TokenError> {
    let key = TestKey::es256("k1");
    let token = key.sign(&key.header_with("typ", typ), claims);
    let verifier = Verifier::logout_token(ISSUER, "the-client").build().unwrap();
    verifier.verify(&token, &key_set(&[&key]), NOW)
}

fn judge(claims: &Value) -> Result<Claims, TokenError> {
    judge_typed(Some(json!("logout+jwt")), claims)
}

#[test]
fn a_good_logout_token_is_accepted_typed_or_not() {
    for typ in [
        None,
        Some(json!("logout+jwt")),
        Some(json!("application/logout+JWT")),
        Some(json!("JWT")),
    ] {
        let claims = judge_typed(typ.clone(), &good_claims()).unwrap();
        assert_eq!((claims.subject(), claims.jti()), ("alice", Some("j1")), "{typ:?}");
    }
}

#[test]
fn no_other_kind_of_token_passes_for_a_logout_token() {
    for typ in [
        json!("at+jwt"),
        json!("secevent+jwt"),
        json!(""),
        json!(["logout+jwt"]),
        Value::Null,
    ] {
        let verdict = judge_typed(Some(typ.clone()), &good_claims());
        assert_eq!(verdict.unwrap_err(), TokenError::Type, "{typ}");
    }
    for name in ["nonce", "at_hash", "c_hash"] {
        for value in [json!("n"), Value::Null] {
            let verdict = judge(&with(name, Some(value)));
            assert_eq!(verdict.unwrap_err(), TokenError::Type, "{name}");
        }
    }
}

#[test]
fn it_names_a_user_or_a_session() {
    assert_eq!(judge(&with("sid", None)).unwrap().subject(), "alice");
    assert_eq!(judge(&with("sub", None)).unwrap().subject(), "");
    let mut neither = with("sub", None);
    neither.as_object_mut().unwrap().remove("sid");
    assert_eq!(
        judge(&neither).unwrap_err(),
        TokenError::MissingClaim("sub or sid")
    );
    for name in ["sub", "sid"] {
        for wrong in [json!(""), json!(7), json!(["s1"]), Value::Null] {
            let verdict = judge(&with(name, Some(wrong.clone())));
            assert_eq!(verdict.unwrap_err(), TokenError::MalformedClaim(name), "{wrong}");
        }
    }
}

#[test]
fn its_event_is_the_logout_of_the_specification() {
    for (events, error) in [
        (None, TokenError::MissingClaim("events")),
        (Some(json!({})), TokenError::Type),
        (
            Some(json!({"http://schemas.openid.net/event/backchannel-logout/": {}})),
            TokenError::Type,
        ),
        (
            Some(json!({"https://schemas.openid.net/event/backchannel-logout": {}})),
            TokenError::Type,
        ),
        (Some(json!([EVENT])), TokenError::MalformedClaim("events")),
        (Some(json!(EVENT)), TokenError::MalformedClaim("events")),
        (Some(json!({EVENT: true})), TokenError::MalformedClaim("events")),
        (Some(json!({EVENT: null})), TokenError::MalformedClaim("events")),
    ] {
        assert_eq!(
            judge(&with("events", events.clone())).unwrap_err(),
            error,
            "{events:?}"
        );
    }
}

#[test]
fn what_every_logout_token_has_is_there_and_of_the_right_type() {
    for name in ["iss", "aud", "iat", "exp", "jti"] {
        assert_eq!(
            judge(&with(name, None)).unwrap_err(),
            TokenError::MissingClaim(name)
        );
        let verdict = judge(&with(name, Some(json!(true))));
        assert_eq!(verdict.unwrap_err(), TokenError::MalformedClaim(name));
    }
    assert_eq!(
        judge(&with("iss", Some(json!(format!("{ISSUER}/"))))).unwrap_err(),
        TokenError::Issuer
    );
    assert_eq!(
        judge(&with("aud", Some(json!(["another"])))).unwrap_err(),
        TokenError::Audience
    );
    assert_eq!(
        judge(&with("exp", Some(json!(NOW.as_secs() - 30)))).unwrap_err(),
        TokenError::Expired
    );
}
