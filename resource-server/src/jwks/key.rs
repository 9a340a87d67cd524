use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    VerificationAlgorithm,
};
use jsonwebtoken::{DecodingKey, DecodingKeyKind};
use serde_json::{Map, Value};

use super::roca::has_fingerprint;
use crate::algorithm::Algorithm;

const RSA_ALGORITHMS: [(Algorithm, &RsaParameters); 6] = [
    (Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::Rs384, &RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::Rs512, &RSA_PKCS1_2048_8192_SHA512),
    (Algorithm::Ps256, &RSA_PSS_2048_8192_SHA256),
    (Algorithm::Ps384, &RSA_PSS_2048_8192_SHA384),
    (Algorithm::Ps512, &RSA_PSS_2048_8192_SHA512),
];

/// Members that only private and symmetric keys have (RFC 7518 §6).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// What the crypto library makes of a key once, for one algorithm each.
type Checks = Vec<(Algorithm, ParsedPublicKey)>;

/// A public key that can verify signatures, checked and made ready once.
#[derive(Clone)]
pub(crate) struct Key {
    kid: Option<String>,
    checks: Checks,
}

impl Key {
    /// Reads a JWK (RFC 7517 §4); `None` when it cannot verify a signature that this crate accepts.
    pub(crate) fn from_jwk(jwk: &Value) -> Option<Self> {
        let jwk = jwk.as_object()?;
        if !is_for_verification(jwk) || PRIVATE_MEMBERS.iter().any(|&member| jwk.contains_key(member)) {
            return None;
        }
        let mut checks = match text(jwk, "kty")? {
            "RSA" => rsa(jwk)?,
            "EC" => elliptic_curve(jwk)?,
            "OKP" if text(jwk, "crv")? == "Ed25519" => ed25519(jwk)?,
            _ => return None,
        };
        if let Some(alg) = jwk.get("alg") {
            let alg: Algorithm = alg.as_str()?.parse().ok()?;
            checks.retain(|(algorithm, _)| *algorithm == alg);
        }
        let kid = match jwk.get("kid") {
            None => None,
            Some(kid) => Some(kid.as_str()?.to_owned()),
        };
        (!checks.is_empty()).then_some(Self { kid, checks })
    }

    pub(crate) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// What checks signatures of this algorithm, if the key may be used with it.
    pub(crate) fn check(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        let mut checks = self.checks.iter();
        checks.find_map(|(own, check)| (*own == algorithm).then_some(check))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let algorithms: Vec<_> = self.checks.iter().map(|(algorithm, _)| algorithm).collect();
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("algorithms", &algorithms)
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

fn rsa(jwk: &Map<String, Value>) -> Option<Checks> {
    let decoding = DecodingKey::from_rsa_components(text(jwk, "n")?, text(jwk, "e")?).ok()?;
    let DecodingKeyKind::RsaModulusExponent { n, e } = decoding.kind() else {
        return None;
    };
    let (n, e) = (without_leading_zeros(n), without_leading_zeros(e));
    let bits = n.len() * 8 - n.first()?.leading_zeros() as usize;
    let odd_and_not_one = e.last()? & 1 == 1 && e != [1];
    if !(2048..=8192).contains(&bits) || !odd_and_not_one || has_fingerprint(n) {
        return None;
    }
    let components = RsaPublicKeyComponents { n, e };
    let check =
        |(algorithm, parameters)| Some((algorithm, components.to_parsed_public_key(parameters).ok()?));
    RSA_ALGORITHMS.into_iter().map(check).collect()
}

fn elliptic_curve(jwk: &Map<String, Value>) -> Option<Checks> {
    let (algorithm, curve, coordinate_bytes): (_, &'static dyn VerificationAlgorithm, _) =
        match text(jwk, "crv")? {
            "P-256" => (Algorithm::Es256, &ECDSA_P256_SHA256_FIXED, 32),
            "P-384" => (Algorithm::Es384, &ECDSA_P384_SHA384_FIXED, 48),
            _ => return None,
        };
    let (x, y) = (text(jwk, "x")?, text(jwk, "y")?);
    let decoding = DecodingKey::from_ec_components(x, y).ok()?;
    // SEC 1 §2.3.3: a mark and two coordinates. Parsing refuses one that is not on the curve.
    let point = decoding.try_get_as_bytes().ok()?;
    // RFC 7518 §6.2.1.2: the full size of a coordinate, with its leading zeros.
    if x.len() != y.len() || point.len() != 1 + 2 * coordinate_bytes {
        return None;
    }
    Some(vec![(algorithm, ParsedPublicKey::new(curve, point).ok()?)])
}

fn ed25519(jwk: &Map<String, Value>) -> Option<Checks> {
    let decoding = DecodingKey::from_ed_components(text(jwk, "x")?).ok()?;
    let point = decoding.try_get_as_bytes().ok()?;
    // RFC 8032 §5.1.5. The crypto library would read other encodings, too.
    if point.len() != 32 {
        return None;
    }
    Some(vec![(
        Algorithm::EdDsa,
        ParsedPublicKey::new(&ED25519, point).ok()?,
    )])
}

fn text<'j>(jwk: &'j Map<String, Value>, name: &str) -> Option<&'j str> {
    jwk.get(name)?.as_str()
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    &number[zeros..]
}
