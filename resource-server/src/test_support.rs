//! Keys, tokens and issuers for tests of an API that takes access tokens.
//!
//! Nothing here is fit for production: keys are made on the spot, and whatever goes wrong is a panic.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of a test may fail like the test itself"
)]

#[cfg(feature = "status-list")]
mod grants;
#[cfg(feature = "actix")]
mod http_issuer;
mod issuer;
mod key;
#[cfg(feature = "status-list")]
mod status_list;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

#[cfg(feature = "actix")]
pub use http_issuer::FakeIssuer;
pub use issuer::{Mint, TestIssuer};
pub use key::TestKey;
#[cfg(feature = "status-list")]
pub use status_list::{TestStatusList, zlib};

use crate::jwks::KeySet;
use crate::time::UnixTime;
use crate::verifier::Verifier;

/// The issuer of [`good_claims`].
pub const ISSUER: &str = "https://issuer.example";
/// The audience of [`good_claims`].
pub const AUDIENCE: &str = "https://notes.example";
/// An instant at which [`good_claims`] are good.
pub const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

/// Accepts access tokens with [`good_claims`].
#[must_use]
pub fn verifier() -> Verifier {
    Verifier::access_token(ISSUER, AUDIENCE).build().unwrap()
}

/// The claims of a good access token.
#[must_use]
pub fn good_claims() -> Value {
    json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "client_id": "spa",
        "jti": "token-1",
        "scope": "notes:read notes:write",
        "iat": NOW.as_secs() - 10,
        "exp": NOW.as_secs() + 300,
    })
}

/// The claims of a good access token but for one, which is replaced, or left out when it is `None`.
#[must_use]
pub fn claims_with(name: &str, value: impl Into<Option<Value>>) -> Value {
    let mut claims = good_claims();
    let members = claims.as_object_mut().unwrap();
    match value.into() {
        Some(value) => members.insert(name.to_owned(), value),
        None => members.remove(name),
    };
    claims
}

/// base64url without padding, as JWTs have it.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The JWK set of these public keys.
#[must_use]
pub fn jwks(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

/// The public halves of these keys, ready for a verifier.
#[must_use]
pub fn key_set(keys: &[&TestKey]) -> KeySet {
    let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
    KeySet::parse(&jwks(&keys)).unwrap()
}
