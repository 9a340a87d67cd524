use std::os::unix::fs::OpenOptionsExt as _;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::process::fresh_folder;

/// A key file as the version before wrote it; the test knows its signing key.
pub(crate) struct OldKeys {
    pair: EcdsaKeyPair,
    text: String,
}

impl OldKeys {
    pub(crate) fn generate() -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        let text = json!({
            "version": 1,
            "signing_keys": [{ "alg": "ES256", "pkcs8": STANDARD.encode(pkcs8.as_ref()) }],
            "root_key": STANDARD.encode([7; 64]),
        });
        Self {
            pair: EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref()).unwrap(),
            text: text.to_string(),
        }
    }

    /// A folder with the file.
    pub(crate) fn folder(&self) -> tempfile::TempDir {
        let folder = fresh_folder();
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600);
        let mut file = file.open(folder.path().join("keys.json")).unwrap();
        std::io::Write::write_all(&mut file, self.text.as_bytes()).unwrap();
        folder
    }

    /// What the file holds.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The public key as a JWK has it.
    pub(crate) fn coordinates(&self) -> (String, String) {
        let point = self.pair.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y))
    }

    /// A JWS of any header and any claims.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = signing_input(header, claims);
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

/// Header and claims as they are signed.
pub(crate) fn signing_input(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}
