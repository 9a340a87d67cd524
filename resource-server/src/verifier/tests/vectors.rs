//! Keys, signatures and tokens of others: `tests/vectors/README.md`.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::algorithm::Algorithm;
use crate::error::TokenError;
use crate::jwks::KeySet;
use crate::test_support::{AUDIENCE, ISSUER, NOW};
use crate::verifier::Verifier;

fn read<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let json = std::fs::read(folder.join(name)).unwrap();
    serde_json::from_slice(&json).unwrap()
}

/// The key set of one key, or what is one already.
fn key_set(key: &Value) -> Option<KeySet> {
    let document = match key.get("keys") {
        Some(_) => key.clone(),
        None => json!({ "keys": [key] }),
    };
    KeySet::parse(document.to_string().as_bytes()).ok()
}

/// What is said about the signature of a token whose payload holds no claims of ours.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It is good: the complaint is about the claims, which are read only then.
    Verified,
    Refused(TokenError),
    /// The set has no key that is used here.
    NoKey,
}

fn judge(keys: &Value, token: &str) -> Verdict {
    let Some(keys) = key_set(keys) else {
        return Verdict::NoKey;
    };
    // Of the kinds of token this one leaves the header most freedom.
    match Verifier::id_token(ISSUER, AUDIENCE)
        .build()
        .unwrap()
        .verify(token, &keys, NOW)
    {
        Ok(_)
        | Err(
            TokenError::Payload
            | TokenError::MissingClaim(_)
            | TokenError::MalformedClaim(_)
            | TokenError::Issuer
            | TokenError::Audience
            | TokenError::Expired,
        ) => Verdict::Verified,
        Err(error) => Verdict::Refused(error),
    }
}

#[derive(Deserialize)]
struct Example {
    source: String,
    jwk: Value,
    token: String,
    outcome: String,
}

#[test]
fn the_examples_of_the_rfcs_are_verified_or_not_spoken() {
    let examples: Vec<Example> = read("rfc.json");
    let mut outcomes = BTreeMap::new();
    for Example {
        source,
        jwk,
        token,
        outcome,
    } in examples
    {
        let verdict = judge(&jwk, &token);
        match outcome.as_str() {
            "verified" => assert_eq!(verdict, Verdict::Verified, "{source}"),
            "not spoken" => assert_eq!(verdict, Verdict::NoKey, "{source}"),
            "not compact" => {
                // Whatever the key.
                assert!(
                    matches!(verdict, Verdict::NoKey | Verdict::Refused(TokenError::Structure)),
                    "{source}: {verdict:?}"
                );
            }
            other => panic!("{source}: {other}"),
        }
        *outcomes.entry(outcome).or_insert(0) += 1;
    }
    assert_eq!(outcomes["verified"], 5);
    assert_eq!(outcomes["not spoken"], 4);
}

#[test]
fn no_bit_of_an_rfcs_signature_may_change() {
    let examples: Vec<Example> = read("rfc.json");
    for Example {
        source, jwk, token, ..
    } in examples.iter().filter(|example| example.outcome == "verified")
    {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        for bit in 0..signature.len() * 8 {
            let mut changed = signature.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(changed));
            let verdict = judge(jwk, &token);
            assert_eq!(
                verdict,
                Verdict::Refused(TokenError::Signature),
                "{source}, bit {bit}"
            );
        }
    }
}

#[derive(Deserialize)]
struct Vectors<T> {
    algorithm: Option<String>,
    groups: Vec<Group<T>>,
}

#[derive(Deserialize)]
struct Group<T> {
    key: Value,
    tests: Vec<T>,
}

/// Number, comment, message, signature, result.
type SignatureTest = (u32, String, String, String, String);

/// Number, comment, token, result.
type TokenTest = (u32, String, String, String);

/// Whether our keys take this for a signature of these bytes, which are no token.
fn is_signature(keys: &KeySet, algorithm: Algorithm, message: &[u8], signature: &str) -> bool {
    let signature = URL_SAFE_NO_PAD.decode(signature).ok();
    let key = keys.select(None, algorithm).unwrap();
    signature.is_some_and(|signature| key.verify_sig(message, &signature).is_ok())
}

/// How many signatures of a file are valid and accepted, valid and refused, invalid and refused. That an invalid one is
/// accepted fails.
fn count(name: &str) -> [usize; 3] {
    let vectors: Vectors<SignatureTest> = read(&format!("wycheproof/{name}.json"));
    let algorithm: Algorithm = vectors.algorithm.unwrap().parse().unwrap();
    let mut counts = [0; 3];
    for group in vectors.groups {
        let keys = key_set(&group.key);
        for (number, comment, message, signature, result) in group.tests {
            let message = URL_SAFE_NO_PAD.decode(message).unwrap();
            let accepted = keys
                .as_ref()
                .is_some_and(|keys| is_signature(keys, algorithm, &message, &signature));
            match (result.as_str(), accepted) {
                ("valid", true) => counts[0] += 1,
                ("valid", false) => counts[1] += 1,
                // Signatures that some accept for old times' sake: of these, too, none.
                ("invalid" | "acceptable", false) => counts[2] += 1,
                _ => panic!("{name} {number} ({comment}): {result}, but accepted"),
            }
        }
    }
    counts
}

#[test]
fn wycheproofs_ecdsa_signatures_are_told_apart() {
    assert_eq!(count("ecdsa_secp256r1_sha256_p1363"), [173, 0, 89]);
    assert_eq!(count("ecdsa_secp384r1_sha384_p1363"), [193, 0, 87]);
}

#[test]
fn wycheproofs_ed25519_signatures_are_told_apart() {
    assert_eq!(count("ed25519"), [88, 0, 63]);
}

#[test]
fn wycheproofs_rsa_pkcs1_signatures_are_told_apart() {
    assert_eq!(count("rsa_signature_2048_sha256"), [9, 0, 250]);
    assert_eq!(count("rsa_signature_2048_sha384"), [7, 0, 251]);
    assert_eq!(count("rsa_signature_2048_sha512"), [8, 0, 251]);
    assert_eq!(count("rsa_signature_3072_sha256"), [8, 0, 251]);
    assert_eq!(count("rsa_signature_4096_sha256"), [7, 0, 251]);
}

#[test]
fn wycheproofs_rsa_pss_signatures_are_told_apart() {
    assert_eq!(count("rsa_pss_2048_sha256_mgf1_32"), [63, 0, 45]);
    assert_eq!(count("rsa_pss_3072_sha256_mgf1_32"), [63, 0, 45]);
    assert_eq!(count("rsa_pss_2048_sha384_mgf1_48"), [95, 0, 46]);
    assert_eq!(count("rsa_pss_4096_sha512_mgf1_64"), [132, 0, 47]);
}

#[test]
fn good_signatures_of_other_parameters_are_refused() {
    for (name, tests) in [
        ("misfit_ecdsa_secp256r1_sha256", 45),
        ("misfit_ecdsa_secp256r1_sha512_p1363", 42),
        ("misfit_rsa_signature_2048_sha224", 4),
        ("misfit_rsa_pss_2048_sha256_mgf1_0", 4),
        ("misfit_rsa_pss_2048_sha256_mgf1sha1_20", 4),
        ("misfit_rsa_pss_4096_sha512_mgf1_32", 4),
    ] {
        assert_eq!(count(name), [0, tests, 0], "{name}");
    }
}

/// How many tokens of a file are judged as the file says, and the valid ones that are refused all the same, by verdict. That an
/// invalid one is accepted fails.
fn judge_all(name: &str) -> (usize, Vec<(Verdict, Vec<u32>)>) {
    let vectors: Vectors<TokenTest> = read(&format!("wycheproof/{name}.json"));
    let (mut agreed, mut refused) = (0, Vec::<(Verdict, Vec<u32>)>::new());
    for group in vectors.groups {
        for (number, comment, token, result) in group.tests {
            let verdict = judge(&group.key, &token);
            let is_valid = result == "valid";
            if (verdict == Verdict::Verified) == is_valid {
                agreed += 1;
                continue;
            }
            assert!(is_valid, "{name} {number} ({comment}) is accepted");
            match refused.iter_mut().find(|(other, _)| *other == verdict) {
                Some((_, numbers)) => numbers.push(number),
                None => refused.push((verdict, vec![number])),
            }
        }
    }
    (agreed, refused)
}

#[test]
fn wycheproofs_tokens_are_told_apart() {
    let refused = vec![
        // HMAC and ES512.
        (
            Verdict::NoKey,
            vec![1, 347, 348, 351, 352, 357, 358, 359, 372, 373, 376, 377],
        ),
        // An empty payload: a JWS, but no JWT.
        (
            Verdict::Refused(TokenError::Structure),
            vec![259, 264, 268, 272, 320, 325],
        ),
        // The key says PS256, the token PS384.
        (Verdict::Refused(TokenError::KeyMismatch), vec![346, 350]),
    ];
    assert_eq!(judge_all("json_web_signature"), (381, refused));
}

#[test]
fn wycheproofs_key_sets_are_told_apart() {
    // HMAC.
    let refused = vec![(Verdict::NoKey, vec![2, 13, 14, 15])];
    assert_eq!(judge_all("json_web_key"), (22, refused));
}
