//! ID tokens: the part of OpenID Connect Core §3.1.3.7 that needs no knowledge of the login.

use std::time::Duration;

use serde_json::{Value, json};

use crate::claims::Claims;
use crate::error::TokenError;
use crate::test_support::{ISSUER, NOW, TestKey, key_set};
use crate::verifier::{Verifier, VerifierBuilder};

fn good_claims() -> Value {
    json!({
        "iss": ISSUER,
        "aud": "the-client",
        "sub": "alice",
        "nonce": "n",
        "iat": NOW.as_secs(),
        "exp": NOW.as_secs() + 300,
    })
}

fn judge(header: &Value, claims: &Value, key: &TestKey) -> Result<Claims, TokenError> {
    let verifier = Verifier::id_token(ISSUER, "the-client").build().unwrap();
    verifier.verify(&key.sign(header, claims), &key_set(&[key]), NOW)
}

#[test]
fn a_good_id_token_is_accepted() {
    let key = TestKey::es256("k1");
    for typ in [
        None,
        Some(json!("JWT")),
        Some(json!("jwt")),
        Some(json!("application/jwt")),
    ] {
        let claims = judge(&key.header_with("typ", typ.clone()), &good_claims(), &key).unwrap();
        assert_eq!(claims.subject(), "alice", "{typ:?}");
        assert_eq!(claims.get("nonce"), Some(&json!("n")));
        assert_eq!((claims.client_id(), claims.jti()), (None, None));
    }
}

#[test]
fn no_other_kind_of_token_passes_for_an_id_token() {
    let key = TestKey::es256("k1");
    for typ in [
        json!("at+jwt"),
        json!("logout+jwt"),
        json!("secevent+jwt"),
        Value::Null,
        json!(""),
        json!(["JWT"]),
    ] {
        let verdict = judge(&key.header_with("typ", typ.clone()), &good_claims(), &key);
        assert_eq!(verdict.unwrap_err(), TokenError::Type, "{typ}");
    }
}

#[test]
fn its_claims_have_to_be_there() {
    let key = TestKey::es256("k1");
    for name in ["iss", "aud", "sub", "iat", "exp"] {
        let mut claims = good_claims();
        claims.as_object_mut().unwrap().remove(name);
        let verdict = judge(&key.header_with("typ", None), &claims, &key);
        assert_eq!(verdict.unwrap_err(), TokenError::MissingClaim(name));
    }
}

#[test]
fn it_is_meant_for_this_client() {
    let key = TestKey::es256("k1");
    let mut claims = good_claims();
    claims["aud"] = json!(["another-client"]);
    assert_eq!(
        judge(&key.header_with("typ", None), &claims, &key).unwrap_err(),
        TokenError::Audience
    );
}

#[test]
fn what_could_be_read_wrongly_has_to_be_of_the_right_type() {
    let key = TestKey::es256("k1");
    for name in ["client_id", "jti"] {
        let mut claims = good_claims();
        claims[name] = json!(["x"]);
        let verdict = judge(&key.header_with("typ", None), &claims, &key);
        assert_eq!(verdict.unwrap_err(), TokenError::MalformedClaim(name));
    }
}

#[test]
fn its_leeway_is_half_a_minute_if_nothing_else_is_said() {
    let key = TestKey::es256("k1");
    let token = key.sign(&key.header_with("typ", None), &good_claims());
    let verdict_after = |seconds: u64, verifier: VerifierBuilder| {
        verifier
            .build()
            .unwrap()
            .verify(
                &token,
                &key_set(&[&key]),
                NOW + Duration::from_secs(300 + seconds),
            )
            .map(|_| ())
    };
    let id_token = || Verifier::id_token(ISSUER, "the-client");

    assert_eq!(verdict_after(29, id_token()), Ok(()));
    assert_eq!(verdict_after(30, id_token()), Err(TokenError::Expired));
    assert_eq!(
        verdict_after(1, id_token().leeway(Duration::ZERO)),
        Err(TokenError::Expired)
    );
}
