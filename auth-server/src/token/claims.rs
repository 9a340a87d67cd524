//! What tokens and `/userinfo` say.

use serde::{Serialize, Serializer};

use crate::scope::ScopeSet;
use crate::secret::{Digest, base64url};
use crate::user::User;

/// The claim by which an access token names what it was made from (see `FamilyId::handle`).
pub(crate) const GRANT_CLAIM: &str = "grant_id";

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
    pub(crate) sid: &'t str,
    pub(crate) at_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nonce: Option<&'t str>,
    #[serde(flatten)]
    pub(crate) about: UserClaims<'t>,
}

/// The claims about a user that the scopes allow (OIDC Core §5.4), except `sub`.
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
    pub(crate) fn of(user: &'u User, scope: &ScopeSet) -> Self {
        let mut claims = Self::default();
        if scope.contains("profile") {
            claims.name = user.full_name.as_deref();
            claims.preferred_username = Some(user.name.as_str());
        }
        if scope.contains("email")
            && let Some(email) = &user.email
        {
            claims.email = Some(email);
            // An operator typed it; nobody has shown that mail to it arrives.
            claims.email_verified = Some(false);
        }
        claims
    }
}

/// RFC 7519 §4.1.3: a single audience is a text; many verifiers read nothing else.
fn one_or_several<S: Serializer>(audience: &[&str], serializer: S) -> Result<S::Ok, S::Error> {
    match audience {
        [one] => serializer.serialize_str(one),
        several => several.serialize(serializer),
    }
}

/// OIDC Core §3.1.3.6: the left half of the digest that the signature uses; SHA-256 for ES256.
pub(crate) fn at_hash(access_token: &str) -> String {
    base64url(&Digest::of(access_token.as_bytes()).as_bytes()[..16])
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
        let told =
            |scope| serde_json::to_value(UserClaims::of(&user, &ScopeSet::parse(scope).unwrap())).unwrap();
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
    fn the_example_of_oidc_core_appendix_a_3() {
        let access_token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(at_hash(access_token), "77QmUPtjPfzWtF2AnpK9RQ");
    }
}
