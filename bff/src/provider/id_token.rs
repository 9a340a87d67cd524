//! The part of ID token validation that belongs to one login (OpenID Connect Core §3.1.3.7, §3.1.3.8, §12.2).
//!
//! Signature, issuer, audience and times are judged by [`resource_server::verifier::Verifier`] before.

use aws_lc_rs::digest::{Algorithm, SHA256, SHA384, SHA512, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use resource_server::time::UnixTime;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::session::tokens::{AccessToken, IdToken};

/// Who signed in, as the ID token says.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// `sub`.
    pub subject: String,
    /// `sid`, if any.
    pub provider_sid: Option<String>,
    /// `iat`: when the provider said so.
    pub issued_at: UnixTime,
    /// The claims about the user, without those of the protocol.
    pub claims: Map<String, Value>,
}

/// What the ID token has to say to belong here.
#[derive(Debug, Clone, Copy)]
pub enum ExpectedIdToken<'a> {
    /// After a login: the nonce that was sent.
    OfLogin {
        /// The nonce of the authorization request.
        nonce: &'a str,
    },
    /// After a refresh: the same user as before.
    OfRefresh {
        /// `sub` of the session.
        subject: &'a str,
    },
}

/// Why an ID token does not belong to this login or session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// `nonce` is missing or another one.
    #[error("the ID token's nonce is not the one that was sent")]
    Nonce,
    /// `azp` names another client, or is missing although there are several audiences.
    #[error("the ID token was issued to another client")]
    AuthorizedParty,
    /// `at_hash` is not the digest of the access token beside it.
    #[error("the ID token does not belong to the access token beside it")]
    AccessTokenHash,
    /// `sub` is longer than 255 characters or empty.
    #[error("the ID token's subject is empty or too long")]
    Subject,
    /// A refresh brought home a token of somebody else.
    #[error("the refreshed ID token is about another user")]
    OtherSubject,
}

/// Claims of the protocol, which say nothing about the user.
const PROTOCOL_CLAIMS: [&str; 12] = [
    "iss",
    "aud",
    "azp",
    "exp",
    "iat",
    "nbf",
    "jti",
    "nonce",
    "at_hash",
    "c_hash",
    "s_hash",
    "urn:openid:params:jwt:claim:rt_hash",
];

/// Judges verified claims against the login or session at hand.
pub(super) fn judge(
    token: &IdToken,
    claims: &Map<String, Value>,
    client_id: &str,
    expected: ExpectedIdToken<'_>,
    access_token: &AccessToken,
) -> Result<Identity, IdTokenError> {
    match expected {
        ExpectedIdToken::OfLogin { nonce } => {
            if text(claims, "nonce") != Some(nonce) {
                return Err(IdTokenError::Nonce);
            }
        }
        ExpectedIdToken::OfRefresh { subject } => {
            if text(claims, "sub") != Some(subject) {
                return Err(IdTokenError::OtherSubject);
            }
        }
    }
    if !authorized_party_is(claims, client_id) {
        return Err(IdTokenError::AuthorizedParty);
    }
    if let Some(hash) = claims.get("at_hash")
        && !hash_fits(token, hash, access_token)
    {
        return Err(IdTokenError::AccessTokenHash);
    }
    let subject = text(claims, "sub")
        .filter(|subject| (1..=255).contains(&subject.len()))
        .ok_or(IdTokenError::Subject)?;
    Ok(Identity {
        subject: subject.to_owned(),
        provider_sid: text(claims, "sid").map(str::to_owned),
        issued_at: issued_at(claims),
        claims: about_the_user(claims),
    })
}

/// The claims that the SPA may know.
pub(super) fn about_the_user(claims: &Map<String, Value>) -> Map<String, Value> {
    let ours = claims
        .iter()
        .filter(|(name, _)| !PROTOCOL_CLAIMS.contains(&name.as_str()));
    ours.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The verifier has seen to it that there is a number; one with a fraction counts as the second that it is in.
fn issued_at(claims: &Map<String, Value>) -> UnixTime {
    let iat = claims.get("iat");
    let whole = iat.and_then(Value::as_i64);
    let floor = || iat.and_then(Value::as_f64).map(|iat| iat.floor() as i64);
    UnixTime::from_secs(whole.or_else(floor).unwrap_or_default())
}

/// OpenID Connect Core §3.1.3.7, items 4 and 5. The verifier has seen to it that the client is among the audiences.
fn authorized_party_is(claims: &Map<String, Value>, client_id: &str) -> bool {
    match claims.get("azp") {
        Some(azp) => azp.as_str() == Some(client_id),
        None => claims
            .get("aud")
            .and_then(Value::as_array)
            .is_none_or(|audiences| audiences.len() == 1),
    }
}

fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c str> {
    claims.get(name).and_then(Value::as_str)
}

/// OpenID Connect Core §3.1.3.6: the left half of the digest that belongs to the token's algorithm.
fn hash_fits(token: &IdToken, hash: &Value, access_token: &AccessToken) -> bool {
    let Some(algorithm) = hash_algorithm(token) else {
        return false;
    };
    let digest = digest(algorithm, access_token.expose().as_bytes());
    let half = &digest.as_ref()[..digest.as_ref().len() / 2];
    hash.as_str() == Some(BASE64URL.encode(half).as_str())
}

fn hash_algorithm(token: &IdToken) -> Option<&'static Algorithm> {
    #[derive(Deserialize)]
    struct Header {
        alg: String,
    }
    let header = BASE64URL.decode(token.expose().split('.').next()?).ok()?;
    let Header { alg } = serde_json::from_slice(&header).ok()?;
    match alg.as_str() {
        "ES256" | "RS256" | "PS256" => Some(&SHA256),
        "ES384" | "RS384" | "PS384" => Some(&SHA384),
        "ES512" | "RS512" | "PS512" | "EdDSA" | "Ed25519" => Some(&SHA512),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const LOGIN: ExpectedIdToken<'_> = ExpectedIdToken::OfLogin { nonce: "the-nonce" };

    fn token(algorithm: &str) -> IdToken {
        let header = BASE64URL.encode(json!({"alg": algorithm}).to_string());
        IdToken::new(format!("{header}.claims.signature"))
    }

    fn claims() -> Value {
        json!({"iss": "https://op", "sub": "alice", "aud": "app", "nonce": "the-nonce", "exp": 2, "iat": 1, "sid": "s", "name": "Alice"})
    }

    fn judged(claims: &Value, expected: ExpectedIdToken<'_>) -> Result<Identity, IdTokenError> {
        let access_token = AccessToken::new("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y".to_owned());
        judge(
            &token("RS256"),
            claims.as_object().unwrap(),
            "app",
            expected,
            &access_token,
        )
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    #[test]
    fn who_signed_in_is_told_without_the_claims_of_the_protocol() {
        let identity = judged(&claims(), LOGIN).unwrap();
        assert_eq!(
            (identity.subject.as_str(), identity.provider_sid.as_deref()),
            ("alice", Some("s"))
        );
        // Whether a JSON map keeps the order of its members depends on who else is in the build.
        let mut names: Vec<_> = identity.claims.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["name", "sid", "sub"]);
    }

    /// Checklist 10.
    #[test]
    fn a_nonce_that_was_not_sent_is_refused() {
        for nonce in [json!("another"), json!(null), json!(["the-nonce"]), json!("")] {
            assert_eq!(judged(&with("nonce", nonce), LOGIN), Err(IdTokenError::Nonce));
        }
    }

    #[test]
    fn a_token_for_several_audiences_has_to_name_us_as_authorized_party() {
        let mut several = with("aud", json!(["app", "other"]));
        assert_eq!(judged(&several, LOGIN), Err(IdTokenError::AuthorizedParty));
        several["azp"] = json!("other");
        assert_eq!(judged(&several, LOGIN), Err(IdTokenError::AuthorizedParty));
        several["azp"] = json!("app");
        assert!(judged(&several, LOGIN).is_ok());
        assert_eq!(
            judged(&with("azp", json!("other")), LOGIN),
            Err(IdTokenError::AuthorizedParty)
        );
        assert!(judged(&with("aud", json!(["app"])), LOGIN).is_ok());
    }

    /// The access token and hash of OpenID Connect Core appendix A.4.
    #[test]
    fn at_hash_has_to_be_that_of_the_access_token_beside_it() {
        assert!(judged(&with("at_hash", json!("77QmUPtjPfzWtF2AnpK9RQ")), LOGIN).is_ok());
        for wrong in [json!("77QmUPtjPfzWtF2AnpK9RA"), json!(""), json!(7), json!(null)] {
            assert_eq!(
                judged(&with("at_hash", wrong), LOGIN),
                Err(IdTokenError::AccessTokenHash)
            );
        }
    }

    #[test]
    fn a_subject_is_there_and_of_bounded_length() {
        for wrong in [json!(""), json!("x".repeat(256)), json!(7)] {
            assert_eq!(judged(&with("sub", wrong), LOGIN), Err(IdTokenError::Subject));
        }
    }

    /// Checklist 55.
    #[test]
    fn a_refreshed_token_is_about_the_same_user() {
        let of = |subject| ExpectedIdToken::OfRefresh { subject };
        assert!(judged(&claims(), of("alice")).is_ok());
        assert_eq!(judged(&claims(), of("bob")), Err(IdTokenError::OtherSubject));
    }
}
