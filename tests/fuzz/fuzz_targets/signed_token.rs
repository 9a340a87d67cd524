//! Any header and any claims, signed by the issuer: `header LF claims`. What is accepted has to keep the rules, as serde_json
//! reads it.
#![no_main]

use fuzz::{AUDIENCE, ISSUER, KEYS, NOW, VERIFIERS, sign};
use libfuzzer_sys::fuzz_target;
use resource_server::claims::Claims;
use serde_json::{Map, Value};

fuzz_target!(|bytes: &[u8]| {
    let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
        return;
    };
    let (header, claims) = (&bytes[..end], &bytes[end + 1..]);
    let token = sign(header, claims);
    for (profile, verifier) in VERIFIERS.iter().enumerate() {
        if let Ok(accepted) = verifier.verify(&token, &KEYS, NOW) {
            assert_header(profile, &object(header));
            assert_claims(profile, &accepted, &object(claims));
        }
    }
});

/// Read by another parser than ours may be; what is accepted has to be an object for both.
fn object(json: &[u8]) -> Map<String, Value> {
    serde_json::from_slice(json).expect("what was accepted is a JSON object")
}

fn assert_header(profile: usize, header: &Map<String, Value>) {
    assert!(matches!(header["alg"].as_str(), Some("EdDSA" | "Ed25519")));
    assert!(!header.contains_key("crit") && !header.contains_key("b64"));
    let typ = header
        .get("typ")
        .map(|typ| typ.as_str().expect("a text").to_ascii_lowercase());
    let typ = typ
        .as_deref()
        .map(|typ| typ.strip_prefix("application/").unwrap_or(typ));
    match profile {
        0 => {
            assert_eq!(typ, Some("at+jwt"));
            assert_eq!(header["kid"], "k");
        }
        _ => assert_ne!(typ, Some("at+jwt")),
    }
    assert!(header.get("kid").is_none_or(|kid| kid == "k"));
}

fn assert_claims(profile: usize, accepted: &Claims, claims: &Map<String, Value>) {
    assert_eq!(accepted.all(), claims, "nothing is lost or added");
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(accepted.issuer(), ISSUER);
    match &claims["aud"] {
        Value::String(audience) => assert_eq!(audience, AUDIENCE),
        Value::Array(audiences) => assert!(profile != 3 && audiences.iter().any(|one| one == AUDIENCE)),
        other => panic!("{other} is no audience"),
    }
    let exp = claims["exp"].as_f64().expect("a number");
    assert!(exp > NOW.as_secs() as f64 - 31.0, "{exp} is over");
    if let Some(nbf) = claims.get("nbf") {
        assert!(nbf.as_f64().expect("a number") < NOW.as_secs() as f64 + 31.0);
    }
    if let Some(sub) = claims.get("sub") {
        assert_eq!(accepted.subject(), sub.as_str().expect("a text"));
    }
    for name in ["client_id", "jti", "scope"] {
        assert!(
            profile != 0 || claims.get(name).is_none_or(Value::is_string),
            "{name}"
        );
    }
    assert!(accepted.jti().is_none_or(|jti| claims["jti"] == jti));
    assert!(accepted.client_id().is_none_or(|id| claims["client_id"] == id));
}
