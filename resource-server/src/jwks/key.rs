use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};

use super::roca::has_fingerprint;
use crate::algorithm::Algorithm;

const RSA_ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
];

/// Members that only private and symmetric keys have (RFC 7518 §6).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A public key that can verify signatures, checked and decoded once.
#[derive(Clone)]
pub(crate) struct Key {
    kid: Option<String>,
    algorithms: Vec<Algorithm>,
    decoding: DecodingKey,
}

impl Key {
    /// Reads a JWK (RFC 7517 §4); `None` when it cannot verify a signature that this crate accepts.
    pub(crate) fn from_jwk(jwk: &Value) -> Option<Self> {
        let jwk = jwk.as_object()?;
        if !is_for_verification(jwk) || PRIVATE_MEMBERS.iter().any(|&member| jwk.contains_key(member)) {
            return None;
        }
        let (mut algorithms, decoding) = match text(jwk, "kty")? {
            "RSA" => (RSA_ALGORITHMS.to_vec(), rsa(jwk)?),
            "EC" => elliptic_curve(jwk)?,
            "OKP" if text(jwk, "crv")? == "Ed25519" => (vec![Algorithm::EdDsa], ed25519(jwk)?),
            _ => return None,
        };
        if let Some(alg) = jwk.get("alg") {
            let alg: Algorithm = alg.as_str()?.parse().ok()?;
            algorithms.retain(|&algorithm| algorithm == alg);
        }
        let kid = match jwk.get("kid") {
            None => None,
            Some(kid) => Some(kid.as_str()?.to_owned()),
        };
        (!algorithms.is_empty()).then_some(Self {
            kid,
            algorithms,
            decoding,
        })
    }

    pub(crate) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    pub(crate) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kid, algorithms, .. } = self;
        f.debug_struct("Key")
            .field("kid", kid)
            .field("algorithms", algorithms)
            .finish_non_exhaustive()
    }
}

fn is_for_verification(jwk: &Map<String, Value>) -> bool {
    let used = jwk.get("use").is_none_or(|usage| usage == "sig");
    let operated = jwk
        .get("key_ops")
        .is_none_or(|operations| match operations.as_array() {
            Some(operations) => operations.iter().any(|operation| operation == "verify"),
            None => false,
        });
    used && operated
}

fn rsa(jwk: &Map<String, Value>) -> Option<DecodingKey> {
    let (modulus, exponent) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
    let (modulus, exponent) = (without_leading_zeros(&modulus), without_leading_zeros(&exponent));
    let bits = modulus.len() * 8 - modulus.first()?.leading_zeros() as usize;
    let odd_and_not_one = exponent.last()? & 1 == 1 && exponent != [1];
    if !(2048..=8192).contains(&bits) || !odd_and_not_one || has_fingerprint(modulus) {
        return None;
    }
    let components = RsaPublicKeyComponents {
        n: modulus,
        e: exponent,
    };
    components
        .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
        .ok()?;
    Some(DecodingKey::from_rsa_raw_components(modulus, exponent))
}

fn elliptic_curve(jwk: &Map<String, Value>) -> Option<(Vec<Algorithm>, DecodingKey)> {
    let (algorithm, curve, coordinate_bytes): (_, &'static dyn VerificationAlgorithm, _) =
        match text(jwk, "crv")? {
            "P-256" => (Algorithm::Es256, &ECDSA_P256_SHA256_FIXED, 32),
            "P-384" => (Algorithm::Es384, &ECDSA_P384_SHA384_FIXED, 48),
            _ => return None,
        };
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    // RFC 7518 §6.2.1.2: the full size of a coordinate, with its leading zeros.
    if x.len() != coordinate_bytes || y.len() != coordinate_bytes {
        return None;
    }
    // SEC 1 §2.3.3: 4 marks a point that is not compressed. Parsing refuses one that is not on the curve.
    ParsedPublicKey::new(curve, [&[4], x.as_slice(), &y].concat()).ok()?;
    let decoding = DecodingKey::from_ec_components(text(jwk, "x")?, text(jwk, "y")?).ok()?;
    Some((vec![algorithm], decoding))
}

fn ed25519(jwk: &Map<String, Value>) -> Option<DecodingKey> {
    ParsedPublicKey::new(&ED25519, bytes(jwk, "x")?).ok()?;
    DecodingKey::from_ed_components(text(jwk, "x")?).ok()
}

fn text<'j>(jwk: &'j Map<String, Value>, name: &str) -> Option<&'j str> {
    jwk.get(name)?.as_str()
}

fn bytes(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text(jwk, name)?).ok()
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    &number[zeros..]
}
