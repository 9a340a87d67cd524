//! Why the token endpoint, or a neighbour of it, gives nothing (RFC 6749 §5.2, RFC 7009 §2.2.1).

use std::borrow::Cow;

use crate::authorize::response::AuthorizationError;
use crate::client::authentication::ClientAuthenticationError;
use crate::grant::target::NoTarget;
use crate::key::signer::SigningError;
use crate::params::Ambiguous;
use crate::store::StoreError;

/// A refusal, or a failure of ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("{0}")]
    InvalidRequest(Cow<'static, str>),
    #[error("client authentication failed")]
    InvalidClient,
    #[error("the grant is invalid, expired, revoked or belongs to another client")]
    InvalidGrant,
    #[error("the client may not use this grant")]
    UnauthorizedClient,
    #[error("this grant type is not supported")]
    UnsupportedGrantType,
    #[error("the scope is unknown or goes beyond what was granted")]
    InvalidScope,
    #[error("the resource is unknown, or was not granted to this client")]
    InvalidTarget,
    #[error("access tokens are verified without asking this server and cannot be revoked")]
    UnsupportedTokenType,
    /// Of an authorization request that was pushed.
    #[error("{}", .0.description)]
    Authorization(AuthorizationError),
    #[error("too many pushed requests wait to be used")]
    TooMany,
    #[error("the request is too large")]
    TooLarge,
    #[error("the body did not arrive in time")]
    TooSlow,
    #[error("the database failed")]
    Unavailable(#[from] StoreError),
    #[error("a token could not be made")]
    Internal(#[from] SigningError),
}

impl TokenError {
    pub(crate) fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidRequest(description.into())
    }

    /// The value of `error` and the status.
    pub(crate) fn code_and_status(&self) -> (&'static str, u16) {
        match self {
            Self::InvalidRequest(_) => ("invalid_request", 400),
            Self::InvalidClient => ("invalid_client", 401),
            Self::InvalidGrant => ("invalid_grant", 400),
            Self::UnauthorizedClient => ("unauthorized_client", 400),
            Self::UnsupportedGrantType => ("unsupported_grant_type", 400),
            Self::InvalidScope => ("invalid_scope", 400),
            Self::InvalidTarget => ("invalid_target", 400),
            Self::UnsupportedTokenType => ("unsupported_token_type", 400),
            Self::Authorization(error) => (error.code.as_str(), 400),
            Self::TooMany => ("temporarily_unavailable", 429),
            Self::TooLarge => ("invalid_request", 413),
            Self::TooSlow => ("invalid_request", 408),
            Self::Unavailable(_) | Self::Internal(SigningError::NoKey(_)) => ("temporarily_unavailable", 503),
            Self::Internal(_) => ("server_error", 500),
        }
    }
}

impl From<ClientAuthenticationError> for TokenError {
    fn from(error: ClientAuthenticationError) -> Self {
        match error {
            ClientAuthenticationError::Malformed(description) => Self::invalid_request(description),
            ClientAuthenticationError::Refused => Self::InvalidClient,
        }
    }
}

impl From<NoTarget> for TokenError {
    fn from(no: NoTarget) -> Self {
        match no {
            NoTarget::NotAllowed => Self::InvalidTarget,
            NoTarget::NoScope => Self::InvalidScope,
        }
    }
}

impl From<Ambiguous> for TokenError {
    fn from(error: Ambiguous) -> Self {
        Self::invalid_request(error.to_string())
    }
}
