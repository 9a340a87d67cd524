//! RS-3 and RS-19: what the claims of an access token may say.

use std::time::Duration;

use serde_json::{Value, json};

use super::judge;
use crate::claims::Claims;
use crate::error::TokenError;
use crate::test_support::{AUDIENCE, ISSUER, NOW, TestKey, claims_with, good_claims, key_set, verifier};
use crate::verifier::Verifier;

/// Judges a token in which one claim is different, or is missing.
fn judge_with(name: &str, value: impl Into<Option<Value>>) -> Result<Claims, TokenError> {
    let key = TestKey::es256("k1");
    judge(&key, &key.access_token(&claims_with(name, value)))
}

fn seconds_from_now(seconds: i64) -> Value {
    json!(NOW.as_secs() + seconds)
}

/// What is neither a text nor absent.
fn not_texts() -> [Value; 6] {
    [
        Value::Null,
        json!(7),
        json!(true),
        json!([]),
        json!(["x"]),
        json!({"x": "y"}),
    ]
}

/// What is neither a date nor absent.
fn not_dates() -> [Value; 9] {
    let exp = (NOW.as_secs() + 300).to_string();
    [
        Value::Null,
        json!(exp),
        json!(true),
        json!([NOW.as_secs() + 300]),
        json!({"seconds": NOW.as_secs() + 300}),
        json!(-1),
        json!(-0.5e10),
        json!(1.0e30),
        json!(u64::MAX),
    ]
}

// RS-3, and house rule: expired means now >= exp
#[test]
fn a_token_dies_at_the_second_of_its_expiry_plus_leeway() {
    let key = TestKey::es256("k1");
    let keys = key_set(&[&key]);
    let token = key.access_token(&claims_with("exp", seconds_from_now(0)));
    let strict = Verifier::access_token(ISSUER, AUDIENCE)
        .leeway(Duration::ZERO)
        .build()
        .unwrap();

    assert!(strict.verify(&token, &keys, NOW - Duration::from_secs(1)).is_ok());
    assert_eq!(
        strict.verify(&token, &keys, NOW).unwrap_err(),
        TokenError::Expired
    );

    assert!(
        verifier()
            .verify(&token, &keys, NOW + Duration::from_secs(4))
            .is_ok()
    );
    let after = verifier().verify(&token, &keys, NOW + Duration::from_secs(5));
    assert_eq!(after.unwrap_err(), TokenError::Expired);
}

#[test]
fn exp_is_a_date_and_has_to_be_there() {
    assert_eq!(
        judge_with("exp", None).unwrap_err(),
        TokenError::MissingClaim("exp")
    );
    for value in not_dates() {
        assert_eq!(
            judge_with("exp", value.clone()).unwrap_err(),
            TokenError::MalformedClaim("exp"),
            "{value}"
        );
    }
    assert_eq!(judge_with("exp", json!(0)).unwrap_err(), TokenError::Expired);
}

#[test]
fn a_fraction_of_a_second_never_makes_a_life_longer() {
    let strict = Verifier::access_token(ISSUER, AUDIENCE)
        .leeway(Duration::ZERO)
        .build()
        .unwrap();
    let key = TestKey::es256("k1");
    let with = |name, value: f64| key.access_token(&claims_with(name, json!(value)));
    let now = 1_700_000_000.0;

    let expiring = strict.verify(&with("exp", now + 0.9), &key_set(&[&key]), NOW);
    assert_eq!(expiring.unwrap_err(), TokenError::Expired);
    let beginning = strict.verify(&with("nbf", now + 0.1), &key_set(&[&key]), NOW);
    assert_eq!(beginning.unwrap_err(), TokenError::NotYetValid);
    assert!(
        strict
            .verify(&with("exp", now + 1.5), &key_set(&[&key]), NOW)
            .is_ok()
    );
}

#[test]
fn nbf_may_be_absent_but_not_wrong() {
    assert!(judge_with("nbf", seconds_from_now(0)).is_ok());
    assert!(
        judge_with("nbf", seconds_from_now(5)).is_ok(),
        "within the leeway"
    );
    assert_eq!(
        judge_with("nbf", seconds_from_now(6)).unwrap_err(),
        TokenError::NotYetValid
    );
    for value in not_dates() {
        assert_eq!(
            judge_with("nbf", value.clone()).unwrap_err(),
            TokenError::MalformedClaim("nbf"),
            "{value}"
        );
    }
}

#[test]
fn a_token_from_the_far_future_is_refused() {
    assert!(
        judge_with("iat", seconds_from_now(65)).is_ok(),
        "a clock that is a little ahead"
    );
    assert_eq!(
        judge_with("iat", seconds_from_now(66)).unwrap_err(),
        TokenError::IssuedInTheFuture
    );
    assert_eq!(
        judge_with("iat", None).unwrap_err(),
        TokenError::MissingClaim("iat")
    );
    for value in not_dates() {
        assert_eq!(
            judge_with("iat", value.clone()).unwrap_err(),
            TokenError::MalformedClaim("iat"),
            "{value}"
        );
    }
}

#[test]
fn the_issuer_is_compared_byte_for_byte() {
    for other in [
        "https://issuer.example/",
        "https://ISSUER.example",
        "http://issuer.example",
        "issuer.example",
        "x",
    ] {
        assert_eq!(
            judge_with("iss", json!(other)).unwrap_err(),
            TokenError::Issuer,
            "{other}"
        );
    }
    assert_eq!(
        judge_with("iss", json!([ISSUER])).unwrap_err(),
        TokenError::MalformedClaim("iss")
    );
}

#[test]
fn the_audience_has_to_contain_us() {
    for other in [
        json!("https://other.example"),
        json!("https://notes.example.evil"),
        json!("https://notes.exampl"),
        json!(""),
        json!(["https://other.example", "https://notes.example/"]),
        json!([""]),
    ] {
        assert_eq!(
            judge_with("aud", other.clone()).unwrap_err(),
            TokenError::Audience,
            "{other}"
        );
    }
    let shared = judge_with("aud", json!(["https://other.example", AUDIENCE])).unwrap();
    assert!(shared.audience().eq(["https://other.example", AUDIENCE]));
}

#[test]
fn an_audience_of_another_shape_is_not_an_audience() {
    assert_eq!(
        judge_with("aud", None).unwrap_err(),
        TokenError::MissingClaim("aud")
    );
    for value in [
        Value::Null,
        json!([]),
        json!([[AUDIENCE]]),
        json!([AUDIENCE, 7]),
        json!({"aud": AUDIENCE}),
        json!(true),
    ] {
        assert_eq!(
            judge_with("aud", value.clone()).unwrap_err(),
            TokenError::MalformedClaim("aud"),
            "{value}"
        );
    }
}

// RFC 9068 §2.2
#[test]
fn the_names_of_an_access_token_are_texts_and_have_to_be_there() {
    for name in ["iss", "sub", "client_id", "jti"] {
        assert_eq!(
            judge_with(name, None).unwrap_err(),
            TokenError::MissingClaim(name)
        );
        assert_eq!(
            judge_with(name, json!("")).unwrap_err(),
            TokenError::MalformedClaim(name)
        );
        for value in not_texts() {
            assert_eq!(
                judge_with(name, value.clone()).unwrap_err(),
                TokenError::MalformedClaim(name),
                "{value}"
            );
        }
    }
}

#[test]
fn a_scope_is_a_text_if_it_is_there() {
    for value in not_texts() {
        assert_eq!(
            judge_with("scope", value.clone()).unwrap_err(),
            TokenError::MalformedClaim("scope"),
            "{value}"
        );
    }
    assert!(!judge_with("scope", None).unwrap().has_scope("notes:read"));
}

// RS-4
#[test]
fn a_scope_is_a_whole_word() {
    let has = |scopes: &str, scope: &str| judge_with("scope", json!(scopes)).unwrap().has_scope(scope);

    assert!(has("notes:read", "notes:read"));
    assert!(has("openid notes:read notes:write", "notes:write"));
    assert!(has("  openid  notes:read ", "notes:read"));
    for scopes in [
        "",
        " ",
        "notes:readonly",
        "xnotes:read",
        "notes:Read",
        "notes:read,notes:write",
        "notes",
    ] {
        assert!(!has(scopes, "notes:read"), "{scopes:?}");
    }
    assert!(!has("a  b", ""), "nothing is not a scope");
}

#[test]
fn what_else_a_token_says_is_none_of_our_business() {
    for (name, value) in [
        ("email", json!(7)),
        ("nonce", Value::Null),
        ("cnf", json!({"jkt": "x"})),
        ("azp", json!([])),
    ] {
        let claims = judge_with(name, value.clone()).unwrap();
        assert_eq!(claims.get(name), Some(&value));
    }
    let key = TestKey::es256("k1");
    assert_eq!(
        judge(&key, &key.access_token(&good_claims()))
            .unwrap()
            .get("email"),
        None
    );
}

#[test]
fn no_reason_quotes_the_token() {
    let key = TestKey::es256("secret-kid");
    for claims in [
        claims_with("iss", json!("secret-issuer")),
        claims_with("aud", json!("secret-audience")),
        claims_with("sub", json!(["secret-subject"])),
        claims_with("exp", json!("secret-date")),
    ] {
        let error = judge(&key, &key.access_token(&claims)).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}
