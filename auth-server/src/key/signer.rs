//! Signs tokens with ES256 and publishes the keys that verify them.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::json;

use crate::secret::{Digest, base64url};

/// The one algorithm of this server's signatures.
pub(crate) const SIGNING_ALGORITHM: &str = "ES256";

/// One private key.
pub(crate) struct SigningKey {
    kid: String,
    key: EncodingKey,
    x: String,
    y: String,
}

/// The keys: the first one signs, all are published.
pub(crate) struct Signer {
    active: SigningKey,
    others: Vec<SigningKey>,
}

/// The `typ` of a token, so that one kind never passes for another (RFC 8725 §3.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "they are called so")]
pub(crate) enum TokenType {
    /// RFC 9068.
    AccessToken,
    /// OIDC Core.
    IdToken,
    /// OpenID Connect Back-Channel Logout 1.0 §2.4.
    LogoutToken,
}

/// A token that could not be signed, which only a broken key or library explains.
#[derive(Debug, thiserror::Error)]
#[error("a token could not be signed")]
pub(crate) struct SigningError(#[source] jsonwebtoken::errors::Error);

impl SigningKey {
    /// Takes up a PKCS#8 P-256 key; `None` when it is something else.
    pub(crate) fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?;
        // SEC 1 §2.3.3: an uncompressed point is 4, x, y.
        let coordinates = pair.public_key().as_ref().strip_prefix(&[4])?;
        let (x, y) = coordinates.split_at_checked(32)?;
        let (x, y) = (base64url(x), base64url(y));
        Some(Self {
            kid: thumbprint(&x, &y),
            key: EncodingKey::from_ec_der(pkcs8),
            x,
            y,
        })
    }

    fn jwk(&self) -> serde_json::Value {
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": SIGNING_ALGORITHM,
            "kid": self.kid, "x": self.x, "y": self.y,
        })
    }
}

impl Signer {
    /// Signs with `active` and publishes the others beside it.
    pub(crate) fn new(active: SigningKey, others: Vec<SigningKey>) -> Self {
        Self { active, others }
    }

    /// Signs claims.
    pub(crate) fn sign(
        &self,
        token_type: TokenType,
        claims: &impl Serialize,
    ) -> Result<String, SigningError> {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.active.kid.clone());
        header.typ = Some(
            match token_type {
                TokenType::AccessToken => "at+jwt",
                TokenType::IdToken => "JWT",
                TokenType::LogoutToken => "logout+jwt",
            }
            .to_owned(),
        );
        jsonwebtoken::encode(&header, claims, &self.active.key).map_err(SigningError)
    }

    /// The JWK Set (RFC 7517 §5), public parts only.
    pub(crate) fn key_set(&self) -> Vec<u8> {
        let keys: Vec<_> = std::iter::once(&self.active)
            .chain(&self.others)
            .map(SigningKey::jwk)
            .collect();
        json!({ "keys": keys }).to_string().into_bytes()
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("kid", &self.active.kid)
            .finish_non_exhaustive()
    }
}

/// RFC 7638: members in alphabetical order, without white space.
fn thumbprint(x: &str, y: &str) -> String {
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    base64url(Digest::of(canonical.as_bytes()).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rand::SystemRandom;

    fn key() -> SigningKey {
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        SigningKey::from_pkcs8(pkcs8.as_ref()).unwrap()
    }

    #[test]
    fn the_key_set_has_public_members_only() {
        let signer = Signer::new(key(), vec![key()]);
        let set: serde_json::Value = serde_json::from_slice(&signer.key_set()).unwrap();
        let keys = set["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 2);
        assert_ne!(keys[0]["kid"], keys[1]["kid"]);
        for key in keys {
            let mut members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
            members.sort_unstable();
            assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
        }
    }

    #[test]
    fn what_is_not_a_p256_key_is_refused() {
        assert!(SigningKey::from_pkcs8(b"").is_none());
        assert!(SigningKey::from_pkcs8(&[0x30, 0x03, 0x02, 0x01, 0x00]).is_none());
    }
}
