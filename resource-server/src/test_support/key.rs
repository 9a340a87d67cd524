use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use serde_json::{Value, json};

use super::encode;

/// A key pair of an issuer, made for one test. It signs with aws-lc-rs itself, not with the crate that verifies.
#[derive(Debug)]
pub struct TestKey {
    kid: String,
    pair: Pair,
}

#[derive(Debug)]
enum Pair {
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl TestKey {
    /// A key on P-256, for `ES256`.
    #[must_use]
    pub fn es256(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self {
            kid: kid.to_owned(),
            pair: Pair::P256(pair),
        }
    }

    /// A key on P-384, for `ES384`.
    #[must_use]
    pub fn es384(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        Self {
            kid: kid.to_owned(),
            pair: Pair::P384(pair),
        }
    }

    /// An Ed25519 key, for `EdDSA`.
    #[must_use]
    pub fn ed25519(kid: &str) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        Self {
            kid: kid.to_owned(),
            pair: Pair::Ed25519(pair),
        }
    }

    /// An RSA key of 2,048 bits, for `RS256` and, if asked for, the other RSA algorithms. Takes a moment.
    #[must_use]
    pub fn rsa(kid: &str) -> Self {
        let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let pair = RsaKeyPair::from_pkcs8(der.as_ref()).unwrap();
        Self {
            kid: kid.to_owned(),
            pair: Pair::Rsa(pair),
        }
    }

    /// The name that tokens signed with this key give it.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The algorithm this key signs with if nothing else is asked for.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::P256(_) => "ES256",
            Pair::P384(_) => "ES384",
            Pair::Ed25519(_) => "EdDSA",
            Pair::Rsa(_) => "RS256",
        }
    }

    /// The public half, with its `kid`.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::P256(pair) => point("P-256", pair.public_key().as_ref()),
            Pair::P384(pair) => point("P-384", pair.public_key().as_ref()),
            Pair::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())})
            }
            Pair::Rsa(pair) => {
                let components = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "n": encode(&components.n), "e": encode(&components.e)})
            }
        };
        jwk["kid"] = json!(self.kid);
        jwk
    }

    /// A token with this header and these claims, as texts, so that they may be anything.
    #[must_use]
    pub fn sign_text(&self, header: &str, claims: &str) -> String {
        self.sign_parts(
            &encode(header.as_bytes()),
            &encode(claims.as_bytes()),
            self.algorithm(),
        )
    }

    /// A token of two parts that are already encoded, signed as `algorithm` says.
    #[must_use]
    pub fn sign_parts(&self, header: &str, claims: &str, algorithm: &str) -> String {
        let message = format!("{header}.{claims}");
        let signature = self.sign_bytes(message.as_bytes(), algorithm);
        format!("{message}.{}", encode(&signature))
    }

    /// A token with this header and these claims.
    #[must_use]
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// An access token with these claims and a right header.
    #[must_use]
    pub fn access_token(&self, claims: &Value) -> String {
        self.sign(&self.header(), claims)
    }

    /// The right header of an access token.
    #[must_use]
    pub fn header(&self) -> Value {
        json!({"typ": "at+jwt", "alg": self.algorithm(), "kid": self.kid})
    }

    /// The right header but for one member, which is replaced, or left out when it is `None`.
    #[must_use]
    pub fn header_with(&self, name: &str, value: impl Into<Option<Value>>) -> Value {
        let mut header = self.header();
        match value.into() {
            Some(value) => header.as_object_mut().unwrap().insert(name.to_owned(), value),
            None => header.as_object_mut().unwrap().remove(name),
        };
        header
    }

    fn sign_bytes(&self, message: &[u8], algorithm: &str) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::P256(pair) | Pair::P384(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    "RS256" => &RSA_PKCS1_SHA256,
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    other => panic!("an RSA key does not sign with {other}"),
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).unwrap();
                signature
            }
        }
    }
}

fn point(curve: &str, public_key: &[u8]) -> Value {
    let (x, y) = public_key[1..].split_at((public_key.len() - 1) / 2);
    json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
}
