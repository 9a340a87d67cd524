//! What holds for all tokens and key sets, tried with random ones.

use std::sync::LazyLock;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::judge;
use crate::error::TokenError;
use crate::jwks::KeySet;
use crate::test_support::{
    AUDIENCE, NOW, TestKey, claims_with, encode, good_claims, jwks, key_set, verifier,
};

static KEY: LazyLock<TestKey> = LazyLock::new(|| TestKey::es256("k1"));

/// Any JSON, a few levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Names that mean something in a token, among others.
fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "iss",
            "aud",
            "sub",
            "exp",
            "nbf",
            "iat",
            "jti",
            "client_id",
            "scope",
            "typ",
            "alg",
            "kid",
            "crit",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ]
}

/// Names of claims that no profile of an access token looks at.
fn any_private_name() -> impl Strategy<Value = String> {
    any::<String>().prop_filter("is judged", |name| {
        good_claims().get(name).is_none() && name != "nbf"
    })
}

proptest! {
    // A failure is told with its seed; files of them are not kept.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_refused(token in any::<String>()) {
        prop_assert!(judge(&KEY, &token).is_err());
    }

    #[test]
    fn any_three_parts_are_refused(parts in vec("[A-Za-z0-9_-]{0,80}", 3)) {
        prop_assert!(judge(&KEY, &parts.join(".")).is_err());
    }

    #[test]
    fn any_bytes_that_were_signed_are_refused_or_objects(header in vec(any::<u8>(), 0..60), claims in vec(any::<u8>(), 0..60)) {
        let token = KEY.sign_parts(&encode(&header), &encode(&claims), "ES256");
        prop_assert!(judge(&KEY, &token).is_err());
        let token = KEY.sign_parts(&encode(KEY.header().to_string().as_bytes()), &encode(&claims), "ES256");
        prop_assert!(judge(&KEY, &token).is_err());
    }

    #[test]
    fn claims_are_given_as_they_came(others in btree_map(any_private_name(), any_json(), 0..8)) {
        let mut claims = good_claims();
        claims.as_object_mut().unwrap().extend(others);
        let accepted = judge(&KEY, &KEY.access_token(&claims));
        let accepted = accepted.map_err(|error| TestCaseError::fail(format!("{error}: {claims}")))?;
        // As serde_json reads the text that was signed.
        let read: Map<String, Value> = serde_json::from_str(&claims.to_string()).unwrap();
        prop_assert_eq!(accepted.all(), &read);
        for (name, value) in &read {
            prop_assert_eq!(accepted.get(name), Some(value));
        }
    }

    #[test]
    fn one_claim_that_is_anything_is_refused_or_good(name in any_name(), value in any_json()) {
        let token = KEY.access_token(&claims_with(&name, value.clone()));
        let Ok(claims) = judge(&KEY, &token) else {
            return Ok(());
        };
        match name.as_str() {
            "iss" => prop_assert_eq!(value, "https://issuer.example"),
            "aud" => prop_assert!(claims.audience().any(|one| one == AUDIENCE)),
            "sub" | "jti" | "client_id" => prop_assert!(value.as_str().is_some_and(|text| !text.is_empty())),
            "scope" => prop_assert!(value.is_string()),
            "exp" => prop_assert!(value.as_f64().unwrap() > NOW.as_secs() as f64 - 5.0),
            "nbf" | "iat" => prop_assert!(value.as_f64().unwrap() < NOW.as_secs() as f64 + 70.0),
            _ => {
                // serde_json reads a fraction to within its last digit.
                let read: Value = serde_json::from_str(&value.to_string()).unwrap();
                prop_assert_eq!(claims.get(&name), Some(&read));
            }
        }
    }

    #[test]
    fn one_member_of_the_header_that_is_anything_is_refused_or_means_nothing(name in any_name(), value in any_json()) {
        let token = KEY.sign(&KEY.header_with(&name, value.clone()), &good_claims());
        if judge(&KEY, &token).is_ok() {
            match name.as_str() {
                "alg" => prop_assert_eq!(value, "ES256"),
                "kid" => prop_assert_eq!(value, "k1"),
                "typ" => prop_assert!(value.as_str().unwrap().to_ascii_lowercase().ends_with("at+jwt")),
                _ => prop_assert!(name != "crit" && name != "b64"),
            }
        }
    }

    #[test]
    fn a_name_that_occurs_twice_is_refused(name in any_name(), at in any::<prop::sample::Index>()) {
        let member = |name: &str| format!("{}:1,", json!(name));
        let claims = good_claims().to_string().replacen('{', &format!("{{{}{}", member(&name), member(&name)), 1);
        let token = KEY.sign_text(&KEY.header().to_string(), &claims);
        prop_assert_eq!(judge(&KEY, &token).unwrap_err(), TokenError::DuplicateMember);

        // One that is there, written with an escape.
        let claims = good_claims();
        let names: Vec<&String> = claims.as_object().unwrap().keys().collect();
        let name = names[at.index(names.len())];
        let escaped = format!("\\u{:04x}{}", u32::from(name.as_bytes()[0]), &name[1..]);
        let text = claims.to_string().replacen('{', &format!("{{\"{escaped}\":1,"), 1);
        let token = KEY.sign_text(&KEY.header().to_string(), &text);
        prop_assert_eq!(judge(&KEY, &token).unwrap_err(), TokenError::DuplicateMember);
    }

    #[test]
    fn any_bytes_are_a_key_set_or_not(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(KeySet::parse(&bytes).is_err());
    }

    #[test]
    fn any_json_is_a_key_set_or_not(keys in vec(any_json(), 0..6)) {
        prop_assert!(KeySet::parse(&jwks(&keys)).is_err());
    }

    #[test]
    fn a_key_with_a_changed_member_is_the_key_or_none(
        name in proptest::sample::select(vec!["kty", "crv", "x", "y", "use", "key_ops", "alg", "kid", "d", "k", "p"]),
        value in prop_oneof![any_json(), "[A-Za-z0-9_-]{0,50}".prop_map(Value::from)],
    ) {
        let mut jwk = KEY.jwk();
        jwk[name] = value.clone();
        let Ok(keys) = KeySet::parse(&jwks(&[jwk])) else {
            return Ok(());
        };
        prop_assert!(!["d", "k", "p"].contains(&name), "a private key was taken");
        prop_assert_eq!(keys.len(), 1);
        let verdict = verifier().verify(&KEY.access_token(&good_claims()), &keys, NOW);
        match name {
            "kid" => prop_assert_eq!(verdict.is_ok(), value == "k1"),
            // Another point of the curve is another key.
            "x" | "y" => prop_assert!(verdict.is_err()),
            _ => prop_assert!(verdict.is_ok()),
        }
    }

    #[test]
    fn of_private_and_public_keys_the_public_ones_are_taken(
        private in vec(proptest::sample::select(vec!["", "", "d", "p", "q", "dp", "dq", "qi", "oth", "k"]), 1..8),
        value in any_json(),
    ) {
        let keys: Vec<Value> = private.iter().map(|&member| {
            let mut jwk = KEY.jwk();
            if !member.is_empty() {
                jwk[member] = value.clone();
            }
            jwk
        }).collect();
        let public = private.iter().filter(|member| member.is_empty()).count();
        prop_assert_eq!(KeySet::parse(&jwks(&keys)).map_or(0, |keys| keys.len()), public);
    }
}

#[test]
fn no_bit_of_a_good_token_may_change() {
    for key in [
        TestKey::es256("k1"),
        TestKey::es384("k1"),
        TestKey::ed25519("k1"),
        TestKey::rsa("k1"),
    ] {
        let (verifier, keys) = (verifier(), key_set(&[&key]));
        let token = key.access_token(&good_claims());
        assert!(verifier.verify(&token, &keys, NOW).is_ok());
        let mut changed = token.clone().into_bytes();
        for bit in 0..changed.len() * 8 {
            changed[bit / 8] ^= 1 << (bit % 8);
            // What is no text never gets as far as here.
            if let Ok(text) = str::from_utf8(&changed) {
                assert!(
                    verifier.verify(text, &keys, NOW).is_err(),
                    "{} bit {bit}",
                    key.algorithm()
                );
            }
            changed[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
