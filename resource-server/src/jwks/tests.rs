use serde_json::{Value, json};

use super::{JwksError, KeySet};
use crate::test_support::{NOW, TestKey, encode, good_claims, jwks, verifier};

fn usable(jwk: Value) -> bool {
    KeySet::parse(&jwks(&[jwk])).is_ok()
}

/// The key of the test with one member changed, or left out.
fn with(key: &TestKey, name: &str, value: impl Into<Option<Value>>) -> Value {
    let mut jwk = key.jwk();
    match value.into() {
        Some(value) => jwk.as_object_mut().unwrap().insert(name.to_owned(), value),
        None => jwk.as_object_mut().unwrap().remove(name),
    };
    jwk
}

#[test]
fn what_is_no_key_set_is_refused() {
    for json in [
        &b""[..],
        b"<html>",
        b"null",
        b"[]",
        b"{}",
        b"{\"keys\":{}}",
        b"{\"keys\":null}",
        b"{\"error\":\"down\"}",
        b"\xff",
    ] {
        assert_eq!(
            KeySet::parse(json).unwrap_err(),
            JwksError::NotAKeySet,
            "{}",
            json.escape_ascii()
        );
    }
}

#[test]
fn a_set_without_a_usable_key_is_refused() {
    assert_eq!(KeySet::parse(&jwks(&[])).unwrap_err(), JwksError::NoUsableKey);
    let keys = [
        json!({"kty": "oct", "k": "AAAA"}),
        json!(7),
        json!(null),
        json!({}),
    ];
    assert_eq!(KeySet::parse(&jwks(&keys)).unwrap_err(), JwksError::NoUsableKey);
}

#[test]
fn keys_that_cannot_be_used_do_not_spoil_the_others() {
    let key = TestKey::es256("good");
    let others = [
        json!({"kty": "oct", "k": "AAAA", "kid": "good"}),
        json!({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "good"}),
        json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "kid": "good"}),
        json!("nonsense"),
    ];
    let all: Vec<Value> = others.into_iter().chain([key.jwk()]).collect();
    let keys = KeySet::parse(&jwks(&all)).unwrap();

    assert_eq!(keys.len(), 1);
    assert!(!keys.is_empty());
    assert!(
        verifier()
            .verify(&key.access_token(&good_claims()), &keys, NOW)
            .is_ok()
    );
}

#[test]
fn a_key_for_something_else_is_not_used() {
    let key = TestKey::es256("k1");
    for (name, value) in [
        ("use", json!("enc")),
        ("use", json!(["sig"])),
        ("use", Value::Null),
        ("key_ops", json!(["sign"])),
        ("key_ops", json!([])),
        ("key_ops", json!("verify")),
        ("alg", json!("ES384")),
        ("alg", json!("ECDH-ES")),
        ("alg", json!("HS256")),
        ("alg", json!("none")),
        ("alg", json!(256)),
        ("kid", json!(7)),
        ("kty", json!("RSA")),
        ("kty", json!("ec")),
    ] {
        assert!(!usable(with(&key, name, value.clone())), "{name} = {value}");
    }
    assert!(!usable(with(&key, "kty", None)));
    for (name, value) in [
        ("use", json!("sig")),
        ("key_ops", json!(["verify"])),
        ("key_ops", json!(["sign", "verify"])),
        ("alg", json!("ES256")),
        ("x5c", json!(["whatever"])),
        ("kid", json!("")),
    ] {
        assert!(usable(with(&key, name, value.clone())), "{name} = {value}");
    }
}

#[test]
fn a_key_whose_private_half_is_published_proves_nothing() {
    for key in [TestKey::es256("k1"), TestKey::ed25519("k1"), TestKey::rsa("k1")] {
        assert!(!usable(with(&key, "d", json!("AAAA"))), "{}", key.algorithm());
    }
}

#[test]
fn a_point_that_is_not_on_its_curve_is_refused() {
    let (p256, p384) = (TestKey::es256("k1"), TestKey::es384("k1"));
    for (name, value) in [
        ("x", json!(encode(&[1; 32]))),
        ("x", json!(encode(&[0; 31]))),
        ("y", json!(encode(&[0; 33]))),
        ("y", json!("not base64url!")),
        ("x", json!(7)),
        ("crv", json!("P-384")),
        ("crv", json!("P-521")),
    ] {
        assert!(!usable(with(&p256, name, value.clone())), "{name} = {value}");
    }
    assert!(!usable(with(&p256, "y", None)));
    assert!(!usable(with(&p384, "crv", json!("P-256"))));
    let ed = TestKey::ed25519("k1");
    assert!(!usable(with(&ed, "crv", json!("X25519"))));
    assert!(!usable(with(&ed, "crv", json!("Ed448"))));
    assert!(!usable(with(&ed, "x", json!(encode(&[0; 31])))));
}

#[test]
fn an_rsa_key_has_2048_bits_at_least() {
    let key = TestKey::rsa("k1");
    let modulus_of = |bits: usize| {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        modulus[0] = 0xff >> (bits.div_ceil(8) * 8 - bits);
        json!(encode(&modulus))
    };
    for bits in [512, 1024, 2047, 8193] {
        assert!(!usable(with(&key, "n", modulus_of(bits))), "{bits} bits");
    }
    assert!(usable(with(&key, "n", modulus_of(2048))));
    assert!(usable(with(&key, "n", modulus_of(4096))));
}

#[test]
fn an_rsa_exponent_is_odd_and_not_one() {
    let key = TestKey::rsa("k1");
    for exponent in [&[][..], &[0], &[1], &[0, 1], &[1, 0, 0]] {
        assert!(!usable(with(&key, "e", json!(encode(exponent)))), "{exponent:?}");
    }
    assert!(usable(with(&key, "e", json!(encode(&[3])))));
}

#[test]
fn leading_zeros_of_an_rsa_modulus_are_no_part_of_it() {
    let key = TestKey::rsa("k1");
    let modulus = key.jwk()["n"].as_str().unwrap().to_owned();
    let modulus = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, modulus).unwrap();
    let padded = json!(encode(&[&[0], modulus.as_slice()].concat()));
    let keys = KeySet::parse(&jwks(&[with(&key, "n", padded)])).unwrap();

    assert!(
        verifier()
            .verify(&key.access_token(&good_claims()), &keys, NOW)
            .is_ok()
    );
}

#[test]
fn a_key_does_not_show_its_bytes_in_a_log() {
    let key = TestKey::es256("k1");
    let shown = format!("{:?}", KeySet::parse(&jwks(&[key.jwk()])).unwrap());
    assert!(shown.contains("k1"));
    assert!(!shown.contains(key.jwk()["x"].as_str().unwrap()));
}
