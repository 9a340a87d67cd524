//! what a client's assertion has to look like; the caller judges how far ahead `exp` is, and replays.

use serde_json::{Value, json};

use crate::claims::Claims;
use crate::error::TokenError;
use crate::test_support::{NOW, TestKey, key_set};
use crate::verifier::Verifier;

const SERVER: &str = "https://op.example";

fn judge(header: &Value, claims: &Value) -> Result<Claims, TokenError> {
    let key = TestKey::es256("k1");
    let token = key.sign(header, claims);
    let verifier = Verifier::client_assertion("bff", SERVER).build().unwrap();
    verifier.verify(&token, &key_set(&[&key]), NOW)
}

fn header(typ: Option<&str>) -> Value {
    let mut header = json!({ "alg": "ES256", "kid": "k1" });
    if let Some(typ) = typ {
        header["typ"] = json!(typ);
    }
    header
}

fn claims_with(name: &str, value: impl Into<Option<Value>>) -> Value {
    let mut claims = json!({
        "iss": "bff", "sub": "bff", "aud": SERVER, "jti": "j1", "exp": NOW.as_secs() + 60,
    });
    let members = claims.as_object_mut().unwrap();
    match value.into() {
        Some(value) => members.insert(name.to_owned(), value),
        None => members.remove(name),
    };
    claims
}

#[test]
fn an_assertion_needs_neither_a_type_nor_iat() {
    for typ in [None, Some("JWT"), Some("client-authentication+jwt")] {
        let claims = judge(&header(typ), &claims_with("iat", None)).unwrap();
        assert_eq!((claims.subject(), claims.jti()), ("bff", Some("j1")));
    }
    for typ in ["at+jwt", "logout+jwt", "dpop+jwt", "oauth-authz-req+jwt"] {
        let refused = judge(&header(Some(typ)), &claims_with("iat", None));
        assert_eq!(refused.unwrap_err(), TokenError::Type, "{typ}");
    }
}

#[test]
fn the_one_audience_is_the_server_and_a_text() {
    for audience in [
        json!([SERVER]),
        json!([SERVER, "https://other.example"]),
        json!("https://op.example/token"),
        json!("https://op.example/"),
        json!("https://other.example"),
    ] {
        let refused = judge(&header(None), &claims_with("aud", audience.clone()));
        assert_eq!(refused.unwrap_err(), TokenError::Audience, "{audience}");
    }
}

#[test]
fn a_client_speaks_for_itself_and_says_until_when_and_which_time() {
    for (claim, value, error) in [
        ("iss", Some(json!("other")), TokenError::MalformedClaim("sub")),
        ("sub", Some(json!("other")), TokenError::MalformedClaim("sub")),
        ("sub", None, TokenError::MissingClaim("sub")),
        ("exp", None, TokenError::MissingClaim("exp")),
        ("jti", None, TokenError::MissingClaim("jti")),
        ("jti", Some(json!("")), TokenError::MalformedClaim("jti")),
        ("jti", Some(json!(7)), TokenError::MalformedClaim("jti")),
        ("exp", Some(json!(NOW.as_secs() - 10)), TokenError::Expired),
    ] {
        let refused = judge(&header(None), &claims_with(claim, value));
        assert_eq!(refused.unwrap_err(), error, "{claim}");
    }
    let mut another = claims_with("iss", json!("other"));
    another["sub"] = json!("other");
    assert_eq!(judge(&header(None), &another).unwrap_err(), TokenError::Issuer);
}
