//! One key pair: made, taken up, signed with. It is parsed once and held: taking PKCS#8 apart costs more than a signature.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::signer::TokenType;
use super::{KeyError, SigningAlgorithm};
use crate::secret::{Digest, base64url};

/// The public half of a key, as it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    /// RFC 7638: a key that is taken up again has the same name.
    pub(crate) kid: String,
    /// Public members only (RFC 7517 §4).
    pub(crate) jwk: Value,
}

/// A private key that can sign.
pub(crate) struct SigningKey {
    algorithm: SigningAlgorithm,
    public: PublicKey,
    pair: Pair,
    /// How tokens of each kind begin that it signs.
    headers: [String; TokenType::ALL.len()],
}

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

/// A fresh private key as PKCS#8. RSA takes a good part of a second: not to be called where requests are served.
pub(crate) fn generate(algorithm: SigningAlgorithm) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let system = SystemRandom::new();
    let failed = |_| KeyError::Generation;
    Ok(Zeroizing::new(match algorithm {
        SigningAlgorithm::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &system)
            .map_err(failed)?
            .as_ref()
            .to_vec(),
        SigningAlgorithm::EdDsa => Ed25519KeyPair::generate_pkcs8(&system)
            .map_err(failed)?
            .as_ref()
            .to_vec(),
        SigningAlgorithm::Rs256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
            let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
            der.as_ref().to_vec()
        }
    }))
}

impl SigningKey {
    /// Takes up a PKCS#8 key; `None` when it is not one of this algorithm.
    pub(crate) fn from_pkcs8(algorithm: SigningAlgorithm, pkcs8: &[u8]) -> Option<Self> {
        let (pair, public) = match algorithm {
            SigningAlgorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?;
                let public = PublicKey::of_p256(pair.public_key().as_ref())?;
                (Pair::Es256(pair), public)
            }
            SigningAlgorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8(pkcs8).ok()?;
                let public = PublicKey::of_ed25519(pair.public_key().as_ref());
                (Pair::EdDsa(pair), public)
            }
            SigningAlgorithm::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(pkcs8).ok()?;
                let public = PublicKey::of_rsa(pair.public_key().as_ref())?;
                (Pair::Rs256(pair), public)
            }
        };
        let headers = TokenType::ALL.map(|token_type| header(algorithm, &public.kid, token_type));
        Some(Self {
            algorithm,
            public,
            pair,
            headers,
        })
    }

    pub(crate) fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    pub(crate) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The header of a token, as it stands in it.
    pub(super) fn header(&self, token_type: TokenType) -> &str {
        &self.headers[token_type.place()]
    }

    /// The signature as RFC 7515 wants it; `None` only if the library fails.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match &self.pair {
            Pair::Es256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message).ok()?;
                Some(signature.as_ref().to_vec())
            }
            Pair::EdDsa(pair) => Some(pair.try_sign(message).ok()?.as_ref().to_vec()),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let random = SystemRandom::new();
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .ok()?;
                Some(signature)
            }
        }
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.public.kid)
            .finish_non_exhaustive()
    }
}

impl PublicKey {
    /// Takes up what was published before; `None` when it has no name.
    pub(crate) fn from_jwk(jwk: Value) -> Option<Self> {
        let kid = jwk.get("kid")?.as_str()?.to_owned();
        Some(Self { kid, jwk })
    }

    /// SEC 1 §2.3.3: an uncompressed point is 4, x, y.
    fn of_p256(point: &[u8]) -> Option<Self> {
        let (x, y) = point.strip_prefix(&[4])?.split_at_checked(32)?;
        let (x, y) = (base64url(x), base64url(y));
        let kid = thumbprint(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#));
        let jwk =
            json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid, "x": x, "y": y });
        Some(Self { kid, jwk })
    }

    fn of_ed25519(point: &[u8]) -> Self {
        let x = base64url(point);
        let kid = thumbprint(&format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": x });
        Self { kid, jwk }
    }

    /// `RSAPublicKey` of RFC 8017 §A.1.1: a sequence of the modulus and the exponent.
    fn of_rsa(der: &[u8]) -> Option<Self> {
        let (sequence, []) = der_element(0x30, der)? else {
            return None;
        };
        let (modulus, rest) = der_element(0x02, sequence)?;
        let (exponent, []) = der_element(0x02, rest)? else {
            return None;
        };
        // A number whose first bit is set has a zero before it in DER, and none in a JWK (RFC 7518 §2).
        let number = |bytes: &[u8]| base64url(bytes.strip_prefix(&[0]).unwrap_or(bytes));
        let (n, e) = (number(modulus), number(exponent));
        let kid = thumbprint(&format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#));
        let jwk = json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": n, "e": e });
        Some(Self { kid, jwk })
    }
}

/// RFC 7515 §4. None of the three has a character that JSON would escape: a `kid` is a thumbprint.
fn header(algorithm: SigningAlgorithm, kid: &str, token_type: TokenType) -> String {
    let (algorithm, token_type) = (algorithm.as_str(), token_type.as_str());
    base64url(format!(r#"{{"alg":"{algorithm}","kid":"{kid}","typ":"{token_type}"}}"#).as_bytes())
}

/// The content of the element at the front, if it has this tag, and what comes after it.
fn der_element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, der) = der.strip_prefix(&[tag])?.split_first()?;
    let (length, der) = match first {
        0..=0x7f => (usize::from(first), der),
        // Longer than 127 bytes: so many bytes of length follow.
        0x81..=0x84 => {
            let (length, der) = der.split_at_checked(usize::from(first & 0x7f))?;
            let length = length.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
            (length, der)
        }
        _ => return None,
    };
    der.split_at_checked(length)
}

/// RFC 7638 §3: over the required members in alphabetical order, without white space.
fn thumbprint(canonical: &str) -> String {
    base64url(Digest::of(canonical.as_bytes()).as_bytes())
}

#[cfg(test)]
mod tests {
    use resource_server::jwks::KeySet;

    use super::*;

    #[test]
    fn what_is_made_is_taken_up_again_and_published_without_anything_private() {
        for (algorithm, members) in [
            (SigningAlgorithm::Es256, "alg crv kid kty use x y"),
            (SigningAlgorithm::EdDsa, "alg crv kid kty use x"),
            (SigningAlgorithm::Rs256, "alg e kid kty n use"),
        ] {
            let pkcs8 = generate(algorithm).unwrap();
            let key = SigningKey::from_pkcs8(algorithm, &pkcs8).unwrap();
            let again = SigningKey::from_pkcs8(algorithm, &pkcs8).unwrap();
            assert_eq!(key.public(), again.public());
            assert_ne!(
                key.public().kid,
                SigningKey::from_pkcs8(algorithm, &generate(algorithm).unwrap())
                    .unwrap()
                    .public()
                    .kid
            );
            let mut found: Vec<_> = key.public().jwk.as_object().unwrap().keys().cloned().collect();
            found.sort_unstable();
            assert_eq!(found.join(" "), members);
            let set = json!({ "keys": [key.public().jwk] }).to_string();
            assert_eq!(KeySet::parse(set.as_bytes()).unwrap().len(), 1, "{algorithm}");
            for other in SigningAlgorithm::ALL {
                assert_eq!(
                    SigningKey::from_pkcs8(other, &pkcs8).is_some(),
                    other == algorithm
                );
            }
        }
        assert!(SigningKey::from_pkcs8(SigningAlgorithm::Es256, b"").is_none());
    }

    #[test]
    fn the_thumbprint_of_rfc_7638() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCi\
                 FV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgn\
                 Yb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqb\
                 w0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let canonical = format!(r#"{{"e":"AQAB","kty":"RSA","n":"{n}"}}"#);
        assert_eq!(
            thumbprint(&canonical),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
    }

    #[test]
    fn der_is_read_no_further_than_it_goes() {
        assert_eq!(
            der_element(2, &[2, 1, 7, 9]),
            Some(([7].as_slice(), [9].as_slice()))
        );
        for damaged in [
            &[][..],
            &[2],
            &[3, 1, 7],
            &[2, 2, 7],
            &[2, 0x80, 7],
            &[2, 0x82, 1],
        ] {
            assert_eq!(der_element(2, damaged), None, "{damaged:?}");
        }
    }
}
