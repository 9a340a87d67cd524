//! What the fuzz targets share: an issuer whose key is the same in each run, so that a corpus stays good.

use std::sync::LazyLock;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use resource_server::jwks::KeySet;
use resource_server::time::UnixTime;
use resource_server::verifier::Verifier;
use serde_json::json;

/// Who issues the tokens.
pub const ISSUER: &str = "https://i.example";
/// Whom they are for, in all profiles.
pub const AUDIENCE: &str = "https://a.example";
/// When they are judged.
pub const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

/// The issuer's key pair.
pub static PAIR: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("32 bytes are a seed"));

/// The issuer's key set.
pub static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    let x = URL_SAFE_NO_PAD.encode(PAIR.public_key().as_ref());
    let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": x}]});
    KeySet::parse(set.to_string().as_bytes()).expect("a key set")
});

/// One verifier of each kind of token.
pub static VERIFIERS: LazyLock<[Verifier; 4]> = LazyLock::new(|| {
    [
        Verifier::access_token(ISSUER, AUDIENCE),
        Verifier::id_token(ISSUER, AUDIENCE),
        Verifier::logout_token(ISSUER, AUDIENCE),
        Verifier::client_assertion(ISSUER, AUDIENCE),
    ]
    .map(|builder| builder.build().expect("a verifier"))
});

/// A token of these bytes, signed by the issuer.
pub fn sign(header: &[u8], claims: &[u8]) -> String {
    let (header, claims) = (URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let message = format!("{header}.{claims}");
    let signature = PAIR.sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}
