use std::fmt::Display;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{AUDIENCE, NOW};

/// An issuer's ES256 key, and the issuer it signs for.
pub(crate) struct Minter {
    pub(crate) kid: String,
    issuer: String,
    pair: EcdsaKeyPair,
}

impl Minter {
    pub(crate) fn new(kid: &str, issuer: &str) -> Self {
        Self {
            kid: kid.to_owned(),
            issuer: issuer.to_owned(),
            pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
        }
    }

    /// The public half.
    pub(crate) fn jwk(&self) -> Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        json!({
            "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y),
            "kid": self.kid, "use": "sig", "alg": "ES256",
        })
    }

    /// The public half as people paste it into files.
    pub(crate) fn pem(&self) -> String {
        let der: PublicKeyX509Der<'_> = self.pair.public_key().as_der().unwrap();
        let base64 = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> = (0..base64.len())
            .step_by(64)
            .map(|start| &base64[start..base64.len().min(start + 64)])
            .collect();
        format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            lines.join("\n")
        )
    }

    /// The header of a good token.
    pub(crate) fn header(&self) -> Value {
        json!({"typ": "at+jwt", "alg": "ES256", "kid": self.kid})
    }

    pub(crate) fn header_with(&self, name: &str, value: impl Into<Option<Value>>) -> Value {
        with(self.header(), name, value.into())
    }

    /// The claims of a good token.
    pub(crate) fn claims(&self) -> Value {
        json!({
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": "alice",
            "client_id": "spa",
            "jti": "token-1",
            "scope": "notes:read notes:write",
            "iat": NOW.as_secs() - 10,
            "exp": NOW.as_secs() + 300,
        })
    }

    pub(crate) fn claims_with(&self, name: &str, value: impl Into<Option<Value>>) -> Value {
        with(self.claims(), name, value.into())
    }

    /// A good token.
    pub(crate) fn good(&self) -> String {
        self.sign(&self.header(), &self.claims())
    }

    /// A good token but for one claim, which is replaced, or left out when it is `None`.
    pub(crate) fn claiming(&self, name: &str, value: impl Into<Option<Value>>) -> String {
        self.sign(&self.header(), &self.claims_with(name, value))
    }

    /// A good token but for one member of its header.
    pub(crate) fn headed(&self, name: &str, value: impl Into<Option<Value>>) -> String {
        self.sign(&self.header_with(name, value), &self.claims())
    }

    /// A token with this header and these claims; they may be any text.
    pub(crate) fn sign(&self, header: &impl Display, claims: &impl Display) -> String {
        self.sign_bytes(header.to_string().as_bytes(), claims.to_string().as_bytes())
    }

    pub(crate) fn sign_bytes(&self, header: &[u8], claims: &[u8]) -> String {
        self.sign_parts(&encode(header), &encode(claims))
    }

    /// A token of parts that are encoded already.
    pub(crate) fn sign_parts(&self, header: &str, claims: &str) -> String {
        let message = format!("{header}.{claims}");
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", encode(signature.as_ref()))
    }

    /// The three parts of a good token.
    pub(crate) fn parts(&self) -> [String; 3] {
        let token = self.good();
        let mut parts = token.split('.').map(str::to_owned);
        std::array::from_fn(|_| parts.next().unwrap())
    }

    /// A token that says `HS256` and is signed with this secret.
    pub(crate) fn hs256(&self, secret: &str) -> String {
        let header = self.header_with("alg", json!("HS256"));
        let header = encode(header.to_string().as_bytes());
        let message = format!("{header}.{}", encode(self.claims().to_string().as_bytes()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        format!(
            "{message}.{}",
            encode(hmac::sign(&key, message.as_bytes()).as_ref())
        )
    }
}

fn with(mut object: Value, name: &str, value: Option<Value>) -> Value {
    let members = object.as_object_mut().unwrap();
    match value {
        Some(value) => members.insert(name.to_owned(), value),
        None => members.remove(name),
    };
    object
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}
