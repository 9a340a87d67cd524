//! `/userinfo` (OIDC Core §5.3) with Bearer tokens (RFC 6750).

use serde::Serialize;

use super::claims::UserClaims;
use super::introspection::grant_handle;
use crate::grant::claims::ClaimSet;
use crate::scope::{OPENID, ScopeSet};
use crate::state::Shared;
use crate::store::{GrantState, StoreError};
use crate::user::User;

/// Why nothing is told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserInfoError {
    /// No credentials: a bare challenge (RFC 6750 §3).
    #[error("no access token was sent")]
    NoToken,
    #[error("the Authorization header is not a Bearer token")]
    Malformed,
    #[error("the access token is not genuine, is not for this endpoint, has expired or was revoked")]
    InvalidToken,
    #[error("the access token has not the scope openid")]
    InsufficientScope,
    #[error("the database failed")]
    Unavailable(#[from] StoreError),
}

/// The answer.
#[derive(Debug, Serialize)]
pub(crate) struct UserInfo<'u> {
    sub: &'u str,
    #[serde(flatten)]
    about: UserClaims<'u>,
}

/// The user that a token speaks for, and what may be told.
#[derive(Debug)]
pub(crate) struct Told {
    user: User,
    scope: ScopeSet,
    asked: ClaimSet,
}

impl Told {
    /// The JSON to send.
    pub(crate) fn info(&self) -> UserInfo<'_> {
        UserInfo {
            sub: &self.user.id,
            about: UserClaims::of(&self.user, &self.scope, &self.asked),
        }
    }
}

/// Takes the token out of the header; the scheme's name has no case (RFC 9110 §11.1).
pub(crate) fn bearer_token(authorization: Option<&[u8]>) -> Result<&str, UserInfoError> {
    let header = authorization.ok_or(UserInfoError::NoToken)?;
    let header = std::str::from_utf8(header).map_err(|_| UserInfoError::Malformed)?;
    match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        // Another scheme is no attempt at ours.
        _ if !header.to_ascii_lowercase().starts_with("bearer") => Err(UserInfoError::NoToken),
        _ => Err(UserInfoError::Malformed),
    }
}

/// Looks up what a token allows. It has to be meant for this endpoint: APIs get tokens too, and are not to read here who
/// the user is. Unlike an API, this server knows at once when the grant has ended.
pub(crate) async fn look_up(shared: &Shared, token: &str) -> Result<Told, UserInfoError> {
    let claims = shared
        .own_tokens
        .user_info_token(token, shared.now())
        .ok_or(UserInfoError::InvalidToken)?;
    if !claims.has_scope(OPENID) {
        return Err(UserInfoError::InsufficientScope);
    }
    let handle = grant_handle(&claims).ok_or(UserInfoError::InvalidToken)?;
    if shared.store.grant_state(&handle).await? == GrantState::Ended {
        return Err(UserInfoError::InvalidToken);
    }
    // The registration may have been narrowed since.
    let clients = shared.clients();
    let client = claims.client_id().and_then(|id| clients.find(id));
    let client = client.ok_or(UserInfoError::InvalidToken)?;
    let asked = shared.store.asked_claims(&handle).await?;
    let asked = asked.allowed_by(&client.scopes).user_info;
    let user = shared
        .store
        .user_by_id(claims.subject())
        .await?
        .ok_or(UserInfoError::InvalidToken)?;
    let scope = claims
        .get("scope")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    let scope = ScopeSet::parse(scope).map_err(|_| UserInfoError::InvalidToken)?;
    Ok(Told { user, scope, asked })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_has_no_case_and_other_schemes_are_no_attempt() {
        assert_eq!(bearer_token(Some(b"bearer abc")).unwrap(), "abc");
        assert!(matches!(bearer_token(None), Err(UserInfoError::NoToken)));
        assert!(matches!(
            bearer_token(Some(b"Basic YTpi")),
            Err(UserInfoError::NoToken)
        ));
        assert!(matches!(
            bearer_token(Some(b"Bearer")),
            Err(UserInfoError::Malformed)
        ));
        assert!(matches!(
            bearer_token(Some(b"\xff")),
            Err(UserInfoError::Malformed)
        ));
    }
}
