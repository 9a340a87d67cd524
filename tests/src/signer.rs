//! A signing key of the tests' own, for tokens that no honest provider would sign.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// An ES256 key. Its name is as random as the key.
#[derive(Debug)]
pub struct Signer {
    pair: EcdsaKeyPair,
    kid: String,
}

impl Signer {
    /// A new key.
    ///
    /// # Panics
    /// When there is no randomness.
    pub fn generate() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a new key");
        let kid = BASE64_URL_SAFE_NO_PAD.encode(&pair.public_key().as_ref()[1..9]);
        Self { pair, kid }
    }

    /// The JWK set with this key only. It lives as long as the process, as what a relay answers does.
    pub fn key_set(&self) -> &'static str {
        self.key_set_beside(&[])
    }

    /// The JWK set with these keys and this one.
    pub fn key_set_beside(&self, others: &[Value]) -> &'static str {
        let point = self.pair.public_key().as_ref();
        let own = json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid,
            "x": BASE64_URL_SAFE_NO_PAD.encode(&point[1..33]),
            "y": BASE64_URL_SAFE_NO_PAD.encode(&point[33..]),
        });
        let keys = [others, &[own]].concat();
        let set = json!({"keys": keys});
        set.to_string().leak()
    }

    /// The header that fits this key.
    pub fn header(&self, typ: &str) -> Value {
        json!({"alg": "ES256", "kid": self.kid, "typ": typ})
    }

    /// A JWT in compact form.
    ///
    /// # Panics
    /// When there is no randomness.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |json: &Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes());
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature.expect("a signature"));
        format!("{signed}.{signature}")
    }
}
