//! Any bytes as a JWK set. Keys that are private, symmetric or of unknown types are never taken.
#![no_main]

use fuzz::{NOW, VERIFIERS, sign};
use libfuzzer_sys::fuzz_target;
use resource_server::jwks::KeySet;
use serde_json::Value;

const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

fuzz_target!(|bytes: &[u8]| {
    let Ok(keys) = KeySet::parse(bytes) else {
        return;
    };
    let set: Value = serde_json::from_slice(bytes).expect("what was accepted is JSON");
    let usable = set["keys"]
        .as_array()
        .expect("with an array")
        .iter()
        .filter(|jwk| may_be_usable(jwk));
    assert!(!keys.is_empty());
    assert!(keys.len() <= usable.count(), "{keys:?}");
    // No set makes the judging fail in another way than by an error.
    let token = sign(br#"{"alg":"EdDSA","typ":"at+jwt","kid":"k"}"#, b"{}");
    for verifier in VERIFIERS.iter() {
        assert!(verifier.verify(&token, &keys, NOW).is_err());
    }
});

fn may_be_usable(jwk: &Value) -> bool {
    let is_public = PRIVATE.iter().all(|member| jwk.get(member).is_none());
    let is_of_a_type = ["RSA", "EC", "OKP"].iter().any(|kty| jwk["kty"] == *kty);
    is_public && is_of_a_type && jwk.get("use").is_none_or(|usage| usage == "sig")
}
