use std::time::Duration;

use super::discovery::MetadataError;
use super::token_endpoint::{OAuthError, TokenAnswerError};

/// What callers are told to wait when the provider does not say.
pub(super) const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why the provider could not be used. None of these says anything about a session, except
/// [`TokenAnswerError::Refused`] with `invalid_grant`.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// There is no connection: the provider did not hear of the request.
    #[error("the provider cannot be reached")]
    Unreachable(#[source] anyhow::Error),
    /// The provider may have heard of the request and done its work; its answer did not come, or was cut off.
    #[error("the provider's answer was lost")]
    AnswerLost {
        /// What happened.
        source: anyhow::Error,
        /// Whether it was silent until the deadline.
        timed_out: bool,
    },
    /// Somebody else's attempt, for which this caller waited, did not reach it.
    #[error("the provider could not be reached, as another request found out meanwhile")]
    JustFailed,
    /// There is no metadata, so the provider could not be asked at all. The log has been told, once for the outage.
    #[error("the provider's metadata has never been had")]
    NotDiscovered(#[source] Box<ProviderError>),
    /// The provider has asked this node to leave it alone for a while, so it was not asked.
    #[error("the provider asked to be left alone, and was not asked")]
    HeldOff {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// An answer above the size limit.
    #[error("the provider's answer is larger than any that is accepted")]
    TooLarge,
    /// An unexpected status.
    #[error("the provider answered {status} to a call of {call}")]
    Status {
        /// Which call.
        call: &'static str,
        /// The status.
        status: u16,
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// Metadata that cannot be used.
    #[error("the provider's metadata cannot be used")]
    Metadata(#[from] MetadataError),
    /// An answer of the token endpoint without tokens.
    #[error("the token endpoint gave no tokens: {answer}")]
    TokenAnswer {
        /// What it said.
        answer: TokenAnswerError,
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The signing keys cannot be had.
    #[error("the provider's keys cannot be had")]
    Keys(#[source] anyhow::Error),
    /// A token or claim that does not prove what it should.
    #[error("the provider's token does not prove who signed in")]
    Unproven(#[source] anyhow::Error),
}

impl ProviderError {
    /// The same failure of a call that came before the one that matters, which was thus never made.
    pub(super) fn beforehand(self) -> Self {
        match self {
            Self::AnswerLost { source, .. } => Self::Unreachable(source),
            other => other,
        }
    }

    /// The provider's own word for what went wrong.
    #[must_use]
    pub const fn oauth_error(&self) -> Option<&OAuthError> {
        match self {
            Self::TokenAnswer {
                answer: TokenAnswerError::Refused(_, error),
                ..
            } => Some(error),
            _ => None,
        }
    }

    /// When it is worth trying again.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Status { retry_after, .. }
            | Self::TokenAnswer { retry_after, .. }
            | Self::HeldOff { retry_after } => *retry_after,
            Self::NotDiscovered(cause) => cause.retry_after(),
            Self::Unreachable(_)
            | Self::AnswerLost { .. }
            | Self::JustFailed
            | Self::TooLarge
            | Self::Metadata(_)
            | Self::Keys(_)
            | Self::Unproven(_) => DEFAULT_RETRY_AFTER,
        }
    }
}
