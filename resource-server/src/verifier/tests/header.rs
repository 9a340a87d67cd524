//! RS-10 to RS-18 and RS-20: what a header may say.

use serde_json::{Value, json};

use super::judge;
use crate::error::TokenError;
use crate::test_support::{AUDIENCE, ISSUER, NOW, TestKey, encode, good_claims, key_set};
use crate::verifier::{Algorithm, Verifier};

fn allowing(algorithms: &[Algorithm]) -> Verifier {
    let verifier = Verifier::access_token(ISSUER, AUDIENCE);
    verifier.algorithms(algorithms).build().unwrap()
}

// RS-10, CVE-2015-9235
#[test]
fn an_unsigned_token_is_refused_however_none_is_spelled() {
    let key = TestKey::es256("k1");
    for alg in ["none", "None", "NONE", "nOnE", "none ", ""] {
        let header = key.header_with("alg", json!(alg));
        let token = key.sign(&header, &good_claims());
        assert_eq!(judge(&key, &token).unwrap_err(), TokenError::Algorithm, "{alg:?}");

        let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
        assert_eq!(
            judge(&key, &unsigned).unwrap_err(),
            TokenError::Structure,
            "{alg:?}"
        );
    }
}

// RS-11, RS-12, CVE-2016-5431
#[test]
fn a_symmetric_signature_is_refused_whatever_its_key() {
    let key = TestKey::es256("k1");
    let public = key.jwk().to_string();
    for alg in ["HS256", "HS384", "HS512"] {
        for secret in [public.as_str(), "", "secret", "null", "undefined", "0"] {
            let header = encode(key.header_with("alg", json!(alg)).to_string().as_bytes());
            let message = format!("{header}.{}", encode(good_claims().to_string().as_bytes()));
            let hmac = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
            let signature = aws_lc_rs::hmac::sign(&hmac, message.as_bytes());
            let token = format!("{message}.{}", encode(signature.as_ref()));
            assert_eq!(
                judge(&key, &token).unwrap_err(),
                TokenError::Algorithm,
                "{alg} {secret:?}"
            );
        }
    }
}

// RS-13
#[test]
fn an_algorithm_has_to_fit_the_key_it_names() {
    let key = TestKey::es256("k1");
    for alg in [
        "ES384", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA", "Ed25519",
    ] {
        let token = key.sign(&key.header_with("alg", json!(alg)), &good_claims());
        assert_eq!(judge(&key, &token).unwrap_err(), TokenError::KeyMismatch, "{alg}");
    }
    for alg in ["ES256K", "ES512", "es256", "RS1", "Ed448", "dir"] {
        let token = key.sign(&key.header_with("alg", json!(alg)), &good_claims());
        assert_eq!(judge(&key, &token).unwrap_err(), TokenError::Algorithm, "{alg}");
    }
}

#[test]
fn an_algorithm_that_is_not_a_text_is_refused() {
    let key = TestKey::es256("k1");
    for alg in [
        None,
        Some(Value::Null),
        Some(json!(256)),
        Some(json!(["ES256"])),
        Some(json!({"ES256": true})),
    ] {
        let token = key.sign(&key.header_with("alg", alg.clone()), &good_claims());
        assert_eq!(judge(&key, &token).unwrap_err(), TokenError::Header, "{alg:?}");
    }
}

#[test]
fn every_algorithm_of_the_list_works_with_its_key() {
    let rsa = TestKey::rsa("rsa");
    for algorithm in Algorithm::ALL {
        let other = match algorithm {
            Algorithm::Es256 => Some(TestKey::es256("k1")),
            Algorithm::Es384 => Some(TestKey::es384("k1")),
            Algorithm::EdDsa => Some(TestKey::ed25519("k1")),
            _ => None,
        };
        let key = other.as_ref().unwrap_or(&rsa);
        let header = key.header_with("alg", json!(algorithm.as_str()));
        let parts = (
            encode(header.to_string().as_bytes()),
            encode(good_claims().to_string().as_bytes()),
        );
        let token = key.sign_parts(&parts.0, &parts.1, algorithm.as_str());

        assert!(judge(key, &token).is_ok(), "{algorithm}");
        let only_this = allowing(&[algorithm]);
        assert!(
            only_this.verify(&token, &key_set(&[key]), NOW).is_ok(),
            "{algorithm}"
        );
        let all_others: Vec<Algorithm> = Algorithm::ALL
            .into_iter()
            .filter(|other| *other != algorithm)
            .collect();
        let refused = allowing(&all_others).verify(&token, &key_set(&[key]), NOW);
        assert_eq!(refused.unwrap_err(), TokenError::Algorithm, "{algorithm}");
    }
}

#[test]
fn the_newer_name_of_eddsa_is_understood() {
    let key = TestKey::ed25519("k1");
    let token = key.sign(&key.header_with("alg", json!("Ed25519")), &good_claims());
    assert!(judge(&key, &token).is_ok());
}

// RS-14
#[test]
fn a_foreign_key_under_a_known_kid_is_refused() {
    let (known, foreign) = (TestKey::es256("k1"), TestKey::es256("k1"));
    let token = foreign.access_token(&good_claims());
    assert_eq!(judge(&known, &token).unwrap_err(), TokenError::Signature);
}

// RS-15, CVE-2018-0114. Nothing here could fetch: the verifier has no way to the network.
#[test]
fn a_token_does_not_bring_its_own_key() {
    let (known, foreign) = (TestKey::es256("k1"), TestKey::es256("evil"));
    for (name, value) in [
        ("jwk", foreign.jwk()),
        ("jku", json!("http://127.0.0.1:1/jwks")),
        ("x5u", json!("http://127.0.0.1:1/cert")),
        ("x5c", json!(["AAAA"])),
    ] {
        let own = foreign.sign(&foreign.header_with(name, value.clone()), &good_claims());
        assert_eq!(judge(&known, &own).unwrap_err(), TokenError::UnknownKey, "{name}");

        let mut header = foreign.header_with(name, value.clone());
        header["kid"] = json!("k1");
        let known_kid = foreign.sign(&header, &good_claims());
        assert_eq!(
            judge(&known, &known_kid).unwrap_err(),
            TokenError::Signature,
            "{name}"
        );

        let ignored = known.sign(&known.header_with(name, value), &good_claims());
        assert!(judge(&known, &ignored).is_ok(), "{name}");
    }
}

// RS-16
#[test]
fn a_kid_is_a_name_and_nothing_else() {
    let key = TestKey::es256("k1");
    let long = "a".repeat(8_000);
    for kid in [
        "../../../../dev/null",
        "/dev/null",
        "x' UNION SELECT 'a' -- ",
        "http://127.0.0.1/",
        "\0",
        "|id",
        "{{7*7}}",
        "",
        "K1",
        "k1 ",
        long.as_str(),
    ] {
        let token = key.sign(&key.header_with("kid", json!(kid)), &good_claims());
        assert_eq!(
            judge(&key, &token).unwrap_err(),
            TokenError::UnknownKey,
            "{kid:?}"
        );
    }
    for kid in [Value::Null, json!(1), json!(["k1"]), json!({"kid": "k1"})] {
        let token = key.sign(&key.header_with("kid", kid.clone()), &good_claims());
        assert_eq!(judge(&key, &token).unwrap_err(), TokenError::Header, "{kid}");
    }
}

// RS-18
#[test]
fn a_demanded_extension_is_refused() {
    let key = TestKey::es256("k1");
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!(["b64"])),
        ("crit", json!(["urn:example"])),
        ("crit", json!([])),
        ("crit", Value::Null),
        ("crit", json!("exp")),
        ("b64", json!(false)),
        ("b64", json!(true)),
    ] {
        let token = key.sign(&key.header_with(name, value.clone()), &good_claims());
        assert_eq!(
            judge(&key, &token).unwrap_err(),
            TokenError::CriticalExtension,
            "{name} = {value}"
        );
    }
}

// RS-18
#[test]
fn an_unencoded_payload_is_refused() {
    let key = TestKey::es256("k1");
    let mut header = key.header_with("b64", json!(false));
    header["crit"] = json!(["b64"]);
    let header = encode(header.to_string().as_bytes());
    let token = key.sign_parts(&header, &good_claims().to_string().replace('.', "-"), "ES256");
    assert_eq!(judge(&key, &token).unwrap_err(), TokenError::CriticalExtension);
}

// RS-20
#[test]
fn the_type_of_an_access_token_is_at_jwt() {
    let key = TestKey::es256("k1");
    for typ in ["at+jwt", "application/at+jwt", "AT+JWT", "Application/AT+jwt"] {
        let token = key.sign(&key.header_with("typ", json!(typ)), &good_claims());
        assert!(judge(&key, &token).is_ok(), "{typ:?}");
    }
    for typ in [
        None,
        Some(Value::Null),
        Some(json!("JWT")),
        Some(json!("jwt")),
        Some(json!("logout+jwt")),
        Some(json!("dpop+jwt")),
        Some(json!("at+jwt ")),
        Some(json!("application/application/at+jwt")),
        Some(json!("text/at+jwt")),
        Some(json!("")),
        Some(json!(["at+jwt"])),
        Some(json!(1)),
    ] {
        let token = key.sign(&key.header_with("typ", typ.clone()), &good_claims());
        assert_eq!(judge(&key, &token).unwrap_err(), TokenError::Type, "{typ:?}");
    }
}
