//! RS-17, RS-21 and RS-22: which key of a set judges a token.

use serde_json::{Value, json};

use crate::error::TokenError;
use crate::jwks::KeySet;
use crate::test_support::{AUDIENCE, ISSUER, NOW, TestKey, good_claims, jwks, key_set, verifier};
use crate::verifier::Verifier;

/// An ID token that does not name its key.
fn without_kid(key: &TestKey) -> String {
    key.sign(&json!({"alg": key.algorithm()}), &good_claims())
}

fn id_tokens() -> Verifier {
    Verifier::id_token(ISSUER, AUDIENCE).build().unwrap()
}

// RS-17
#[test]
fn an_access_token_names_its_key_even_if_there_is_one_only() {
    let key = TestKey::es256("k1");
    let token = key.sign(&key.header_with("kid", None), &good_claims());
    let mut nameless = key.jwk();
    nameless.as_object_mut().unwrap().remove("kid");
    for keys in [key_set(&[&key]), KeySet::parse(&jwks(&[nameless])).unwrap()] {
        let verdict = verifier().verify(&token, &keys, NOW);
        assert_eq!(verdict.unwrap_err(), TokenError::AmbiguousKey);
    }
}

#[test]
fn an_id_token_without_kid_is_accepted_if_one_key_only_can_have_signed_it() {
    let (p256, p384, ed) = (TestKey::es256("a"), TestKey::es384("b"), TestKey::ed25519("c"));
    let keys = key_set(&[&p256, &p384, &ed]);
    for key in [&p256, &p384, &ed] {
        assert!(
            id_tokens().verify(&without_kid(key), &keys, NOW).is_ok(),
            "{}",
            key.algorithm()
        );
    }
}

#[test]
fn a_token_without_kid_is_refused_if_several_keys_can_have_signed_it() {
    let (one, other) = (TestKey::es256("a"), TestKey::es256("b"));
    let keys = key_set(&[&one, &other]);
    assert_eq!(
        id_tokens().verify(&without_kid(&one), &keys, NOW).unwrap_err(),
        TokenError::AmbiguousKey
    );
}

#[test]
fn a_token_without_kid_asks_for_newer_keys_if_none_fits_its_algorithm() {
    let (known, other) = (TestKey::es256("a"), TestKey::ed25519("b"));
    let verdict = id_tokens().verify(&without_kid(&other), &key_set(&[&known]), NOW);
    assert_eq!(verdict.unwrap_err(), TokenError::UnknownKey);
}

#[test]
fn keys_of_different_types_may_share_a_kid() {
    let (p256, ed, rsa) = (
        TestKey::es256("same"),
        TestKey::ed25519("same"),
        TestKey::rsa("same"),
    );
    let keys = key_set(&[&p256, &ed, &rsa]);
    for key in [&p256, &ed, &rsa] {
        let token = key.access_token(&good_claims());
        assert!(
            verifier().verify(&token, &keys, NOW).is_ok(),
            "{}",
            key.algorithm()
        );
    }
}

#[test]
fn keys_of_one_type_that_share_a_kid_are_not_tried_one_after_the_other() {
    let (one, other) = (TestKey::es256("same"), TestKey::es256("same"));
    let keys = key_set(&[&one, &other]);
    for key in [&one, &other] {
        let token = key.access_token(&good_claims());
        assert_eq!(
            verifier().verify(&token, &keys, NOW).unwrap_err(),
            TokenError::AmbiguousKey
        );
    }
}

#[test]
fn a_key_without_kid_does_not_answer_to_one() {
    let key = TestKey::es256("k1");
    let mut jwk = key.jwk();
    jwk.as_object_mut().unwrap().remove("kid");
    let keys = KeySet::parse(&jwks(&[jwk])).unwrap();

    let named = verifier().verify(&key.access_token(&good_claims()), &keys, NOW);
    assert_eq!(named.unwrap_err(), TokenError::UnknownKey);
    assert!(id_tokens().verify(&without_kid(&key), &keys, NOW).is_ok());
}

#[test]
fn the_alg_of_a_key_allows_this_one_only() {
    let key = TestKey::rsa("k1");
    let mut jwk = key.jwk();
    jwk["alg"] = json!("PS256");
    let keys = KeySet::parse(&jwks(&[jwk])).unwrap();

    let rs256 = key.access_token(&good_claims());
    assert_eq!(
        verifier().verify(&rs256, &keys, NOW).unwrap_err(),
        TokenError::KeyMismatch
    );

    let encode = |part: Value| crate::test_support::encode(part.to_string().as_bytes());
    let header = key.header_with("alg", json!("PS256"));
    let ps256 = key.sign_parts(&encode(header), &encode(good_claims()), "PS256");
    assert!(verifier().verify(&ps256, &keys, NOW).is_ok());
}

// RS-21, RS-22
#[test]
fn old_and_new_keys_are_good_side_by_side() {
    let (old, new) = (TestKey::es256("2024-01"), TestKey::es256("2024-02"));
    let keys = key_set(&[&old, &new]);
    for key in [&old, &new] {
        assert!(
            verifier()
                .verify(&key.access_token(&good_claims()), &keys, NOW)
                .is_ok(),
            "{}",
            key.kid()
        );
    }
    let after = key_set(&[&new]);
    let withdrawn = verifier().verify(&old.access_token(&good_claims()), &after, NOW);
    assert_eq!(withdrawn.unwrap_err(), TokenError::UnknownKey);
}
