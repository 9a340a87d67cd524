//! What a verifier needs to be one, and what it then tells.

use std::time::Duration;

use serde_json::json;

use crate::error::TokenError;
use crate::test_support::{AUDIENCE, ISSUER, NOW, TestKey, claims_with, key_set};
use crate::verifier::{InvalidVerifier, Verifier, VerifierBuilder};

type Kind = fn(&str, &str) -> VerifierBuilder;

const KINDS: [Kind; 4] = [
    Verifier::access_token,
    Verifier::id_token,
    Verifier::logout_token,
    Verifier::client_assertion,
];

fn fault(builder: VerifierBuilder) -> Option<InvalidVerifier> {
    builder.build().err()
}

#[test]
fn what_is_missing_is_a_fault_and_accepts_nothing() {
    for kind in KINDS {
        let good = || kind(ISSUER, AUDIENCE);
        assert_eq!(fault(good()), None);
        assert_eq!(fault(kind("", AUDIENCE)), Some(InvalidVerifier::NoIssuer));
        assert_eq!(fault(kind(ISSUER, "")), Some(InvalidVerifier::NoAudience));
        assert_eq!(fault(good().algorithms(&[])), Some(InvalidVerifier::NoAlgorithm));
        for path in [&[][..], &[""], &["realm_access", ""]] {
            let fault = fault(good().roles_in(path.iter().copied()));
            assert_eq!(fault, Some(InvalidVerifier::NoRolesClaim), "{path:?}");
        }
    }
}

#[test]
fn the_leeway_is_bounded_but_for_hints() {
    let (most, more) = (Duration::from_secs(300), Duration::from_secs(301));
    for kind in KINDS {
        assert_eq!(fault(kind(ISSUER, AUDIENCE).leeway(most)), None);
    }
    assert_eq!(
        fault(Verifier::access_token(ISSUER, AUDIENCE).leeway(more)),
        Some(InvalidVerifier::Leeway)
    );
    assert_eq!(fault(Verifier::id_token(ISSUER, AUDIENCE).leeway(more)), None);
}

#[test]
fn a_verifier_tells_whose_tokens_it_takes() {
    let verifier = Verifier::access_token(ISSUER, AUDIENCE).build().unwrap();
    assert_eq!((verifier.issuer(), verifier.audience()), (ISSUER, AUDIENCE));
}

#[test]
fn roles_are_read_from_the_claim_that_was_named() {
    let key = TestKey::es256("k1");
    let token = key.access_token(&claims_with("realm_access", json!({"roles": ["admin", ""]})));
    let verify = |builder: VerifierBuilder| {
        let verifier = builder.build().unwrap();
        verifier.verify(&token, &key_set(&[&key]), NOW)
    };
    let access_token = || Verifier::access_token(ISSUER, AUDIENCE);

    let claims = verify(access_token().roles_in(["realm_access", "roles"])).unwrap();
    assert_eq!(claims.roles(), ["admin", ""]);
    assert!(claims.has_role("admin"));
    for other in ["", "Admin", "adm", "notes:read"] {
        assert!(!claims.has_role(other), "{other:?}");
    }
    for elsewhere in [access_token(), access_token().roles_in(["roles"])] {
        assert!(verify(elsewhere).unwrap().roles().is_empty());
    }
    let malformed = verify(access_token().roles_in(["realm_access"])).unwrap_err();
    assert_eq!(malformed, TokenError::MalformedClaim("of roles"));
}

#[test]
fn scopes_are_a_set_of_whole_words() {
    let key = TestKey::es256("k1");
    let verifier = Verifier::access_token(ISSUER, AUDIENCE).build().unwrap();
    let claims = |scope: &str| {
        let token = key.access_token(&claims_with("scope", json!(scope)));
        verifier.verify(&token, &key_set(&[&key]), NOW).unwrap()
    };
    let read: Vec<String> = claims(" a  b:c ").scopes().map(str::to_owned).collect();
    assert_eq!(read, ["a", "b:c"]);
    let some = claims("notes:read notes:write");
    assert!(some.has_scope("notes:read") && some.has_scope("notes:write"));
    for other in ["", " ", "notes", "notes:read notes:write", "NOTES:READ"] {
        assert!(!some.has_scope(other), "{other:?}");
    }
    assert_eq!(claims("").scopes().count(), 0);
}
