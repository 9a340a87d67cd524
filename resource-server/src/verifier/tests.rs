mod builder;
mod claims;
mod client_assertion;
mod header;
mod id_token;
mod keys;
mod logout_token;
mod properties;
mod structure;
mod vectors;

use crate::claims::Claims;
use crate::error::TokenError;
use crate::test_support::{NOW, TestKey, good_claims, key_set, verifier};
use crate::time::UnixTime;

/// Judges a token of the key that the service knows.
fn judge(key: &TestKey, token: &str) -> Result<Claims, TokenError> {
    verifier().verify(token, &key_set(&[key]), NOW)
}

// RS-2
#[test]
fn a_good_access_token_is_accepted_and_its_claims_can_be_read() {
    let key = TestKey::es256("k1");
    let claims = judge(&key, &key.access_token(&good_claims())).unwrap();

    assert_eq!(claims.issuer(), "https://issuer.example");
    assert_eq!(claims.subject(), "alice");
    assert!(claims.audience().eq(["https://notes.example"]));
    assert_eq!(claims.expires_at().as_secs(), NOW.as_secs() + 300);
    assert_eq!(
        claims.issued_at().map(UnixTime::as_secs),
        Some(NOW.as_secs() - 10)
    );
    assert_eq!(claims.not_before(), None);
    assert_eq!(claims.client_id(), Some("spa"));
    assert_eq!(claims.jti(), Some("token-1"));
    assert_eq!(
        claims.get("scope").and_then(|scope| scope.as_str()),
        Some("notes:read notes:write")
    );
    assert_eq!(claims.all().len(), 8);
}
