//! What tokens and `/userinfo` say.

use serde::{Serialize, Serializer};

use crate::grant::claims::{ClaimSet, UserClaim};
use crate::key::SigningAlgorithm;
use crate::scope::ScopeSet;
use crate::secret::base64url;
use crate::user::User;

/// The claim by which an access token names what it was made from (see `FamilyId::handle`).
pub(crate) const GRANT_CLAIM: &str = "grant_id";

/// The `acr` of a sign-in with a password (OIDC Core §2), in the words of SAML's authentication contexts: typed by the
/// person, and sent over TLS. Nothing here says more of how sure it is who that was.
pub(crate) const ACR_OF_PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
/// The `amr` of it (RFC 8176 §2).
pub(crate) const AMR_OF_PASSWORD: [&str; 1] = ["pwd"];

/// An access token (RFC 9068 §2.2).
#[derive(Debug, Serialize)]
pub(crate) struct AccessTokenClaims<'t> {
    pub(crate) iss: &'t str,
    pub(crate) sub: &'t str,
    #[serde(serialize_with = "one_or_several")]
    pub(crate) aud: &'t [&'t str],
    pub(crate) client_id: &'t str,
    /// RFC 6749 §3.3 knows no empty scope.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) scope: String,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
    pub(crate) jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) grant_id: Option<String>,
    /// Who acts for the user (RFC 8693 §4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) act: Option<&'t serde_json::Value>,
    /// Whether its grant still stands: where to read that (draft-ietf-oauth-status-list §6). Absent: nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<StatusClaim>,
}

/// `status` (draft-ietf-oauth-status-list §6.1, §6.2).
#[derive(Debug, Serialize)]
pub(crate) struct StatusClaim {
    status_list: StatusListReference,
}

#[derive(Debug, Serialize)]
struct StatusListReference {
    idx: u64,
    uri: String,
}

impl StatusClaim {
    pub(crate) fn new(idx: u64, uri: String) -> Self {
        Self {
            status_list: StatusListReference { idx, uri },
        }
    }
}

/// An ID token (OIDC Core §2).
#[derive(Debug, Serialize)]
pub(crate) struct IdTokenClaims<'t> {
    pub(crate) iss: &'t str,
    pub(crate) sub: &'t str,
    pub(crate) aud: &'t str,
    pub(crate) exp: i64,
    pub(crate) iat: i64,
    pub(crate) auth_time: i64,
    pub(crate) acr: &'static str,
    pub(crate) amr: [&'static str; 1],
    pub(crate) sid: &'t str,
    pub(crate) at_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nonce: Option<&'t str>,
    #[serde(flatten)]
    pub(crate) about: UserClaims<'t>,
}

/// The claims about a user that the scopes bring (OIDC Core §5.4) or that were asked for by name (§5.5), except `sub`.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct UserClaims<'u> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'u str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<&'u str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'u str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
}

impl<'u> UserClaims<'u> {
    pub(crate) fn of(user: &'u User, scope: &ScopeSet, asked: &ClaimSet) -> Self {
        let is_told = |claim: UserClaim| scope.contains(claim.scope()) || asked.contains(claim);
        let email = user.email.as_deref();
        Self {
            name: user.full_name.as_deref().filter(|_| is_told(UserClaim::Name)),
            preferred_username: is_told(UserClaim::PreferredUsername).then(|| user.name.as_str()),
            email: email.filter(|_| is_told(UserClaim::Email)),
            // An operator typed it; nobody has shown that mail to it arrives.
            email_verified: email.filter(|_| is_told(UserClaim::EmailVerified)).map(|_| false),
        }
    }
}

/// RFC 7519 §4.1.3: a single audience is a text; many verifiers read nothing else.
fn one_or_several<S: Serializer>(audience: &[&str], serializer: S) -> Result<S::Ok, S::Error> {
    match audience {
        [one] => serializer.serialize_str(one),
        several => several.serialize(serializer),
    }
}

/// OIDC Core §3.1.3.6: the left half of the digest that the ID token's signature uses.
pub(crate) fn at_hash(access_token: &str, algorithm: SigningAlgorithm) -> String {
    base64url(&algorithm.left_half(access_token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::UserName;

    fn user() -> User {
        User {
            id: "u1".to_owned(),
            name: UserName::parse("alice").unwrap(),
            email: Some("alice@example.com".to_owned()),
            full_name: None,
        }
    }

    #[test]
    fn scopes_decide_what_is_told() {
        let user = user();
        let told = |scope| {
            serde_json::to_value(UserClaims::of(
                &user,
                &ScopeSet::parse(scope).unwrap(),
                &ClaimSet::default(),
            ))
            .unwrap()
        };
        assert_eq!(told("openid"), serde_json::json!({}));
        assert_eq!(
            told("openid profile"),
            serde_json::json!({"preferred_username": "alice"})
        );
        assert_eq!(
            told("openid email"),
            serde_json::json!({"email": "alice@example.com", "email_verified": false})
        );
    }

    #[test]
    fn a_claim_asked_for_by_name_is_told_alone() {
        let user = user();
        let told = |claim| {
            let asked = [claim].into_iter().collect();
            serde_json::to_value(UserClaims::of(&user, &ScopeSet::default(), &asked)).unwrap()
        };
        assert_eq!(
            told(UserClaim::Email),
            serde_json::json!({"email": "alice@example.com"})
        );
        assert_eq!(
            told(UserClaim::EmailVerified),
            serde_json::json!({"email_verified": false})
        );
        assert_eq!(told(UserClaim::Name), serde_json::json!({}), "she has none");
    }

    #[test]
    fn the_example_of_oidc_core_appendix_a_3() {
        let access_token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::Rs256] {
            assert_eq!(at_hash(access_token, algorithm), "77QmUPtjPfzWtF2AnpK9RQ");
        }
        // Ed25519 uses SHA-512, whose half is longer.
        let long = at_hash(access_token, SigningAlgorithm::EdDsa);
        assert_eq!(long.len(), 43);
    }
}
