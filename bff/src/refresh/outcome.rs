//! When tokens have to be renewed, and what a refusal means.

use std::time::Duration;

use resource_server::time::UnixTime;

use crate::provider::{OAuthErrorCode, ProviderError, TokenAnswerError};
use crate::session::tokens::TokenSet;

/// What has to happen before a request of this session may go to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The access token serves.
    Nothing,
    /// It still serves, and a new one should be fetched beside the request.
    RefreshBeside,
    /// It is dead: the request waits for a new one.
    RefreshFirst,
    /// It is dead and nothing can renew it.
    End,
}

impl Need {
    /// Judges a token set.
    #[must_use]
    pub fn of(tokens: &TokenSet, now: UnixTime) -> Self {
        // RFC 7519 §4.1.4: at the very second of `exp` the token is already dead.
        let serves = now < tokens.expires_at;
        match (serves, tokens.refresh_token.is_some()) {
            (true, true) if now >= tokens.refresh_from => Self::RefreshBeside,
            (true, _) => Self::Nothing,
            (false, true) => Self::RefreshFirst,
            (false, false) => Self::End,
        }
    }
}

/// Why a session's tokens could not be renewed. Cloneable, because every request that joined is told.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RefreshError {
    /// The session has ended, before or because the provider refused its refresh token.
    #[error("the session has ended")]
    SessionEnded,
    /// The provider did not answer usefully. The session lives.
    #[error("the provider did not renew the tokens: {cause}")]
    Provider {
        /// What happened, for the log.
        cause: String,
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The session could not be read or written. The session lives.
    #[error("the session could not be read or written: {0}")]
    Session(String),
    /// The task ended without an answer, which is a bug. The session lives.
    #[error("the refresh ended without an answer")]
    Abandoned,
}

/// Whether the provider's answer is about the session (which then ends) and not about the provider, the network or our
/// client's configuration (in which case it lives).
#[must_use]
pub(super) fn ends_the_session(error: &ProviderError) -> bool {
    matches!(
        error,
        ProviderError::TokenAnswer {
            answer: TokenAnswerError::Refused(OAuthErrorCode::InvalidGrant),
            ..
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tokens::{AccessToken, RefreshToken};

    fn tokens(refreshable: bool) -> TokenSet {
        TokenSet {
            access_token: AccessToken::new("a".to_owned()),
            refresh_from: UnixTime::from_secs(270),
            expires_at: UnixTime::from_secs(300),
            refresh_token: refreshable.then(|| RefreshToken::new("r".to_owned())),
            refresh_expires_at: None,
            id_token: None,
            scope: None,
        }
    }

    fn need(refreshable: bool, at: i64) -> Need {
        Need::of(&tokens(refreshable), UnixTime::from_secs(at))
    }

    #[test]
    fn a_token_serves_alone_then_while_it_is_renewed_and_then_no_more() {
        assert_eq!(need(true, 269), Need::Nothing);
        assert_eq!(need(true, 270), Need::RefreshBeside);
        assert_eq!(need(true, 299), Need::RefreshBeside);
        assert_eq!(need(true, 300), Need::RefreshFirst);
    }

    #[test]
    fn an_unrefreshable_token_serves_until_the_second_of_its_expiry() {
        assert_eq!(need(false, 299), Need::Nothing);
        assert_eq!(need(false, 300), Need::End);
    }

    #[test]
    fn only_invalid_grant_ends_a_session() {
        let refused = |answer| ProviderError::TokenAnswer {
            answer,
            retry_after: Duration::ZERO,
        };
        assert!(ends_the_session(&refused(TokenAnswerError::Refused(
            OAuthErrorCode::InvalidGrant
        ))));
        for answer in [
            TokenAnswerError::Refused(OAuthErrorCode::ClientOrRequest),
            TokenAnswerError::Refused(OAuthErrorCode::Other),
            TokenAnswerError::Unavailable,
            TokenAnswerError::Malformed,
        ] {
            assert!(!ends_the_session(&refused(answer.clone())), "{answer:?}");
        }
        assert!(!ends_the_session(&ProviderError::TooLarge));
    }
}
