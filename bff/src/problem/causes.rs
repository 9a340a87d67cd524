//! Which failure of which part becomes which problem.

use super::{ApiError, Known};
use crate::login::CallbackError;
use crate::provider::ProviderError;
use crate::refresh::RefreshError;
use crate::session::SessionError;
use crate::session::registry::Incomplete;
use crate::session::store::StoreError;

impl From<SessionError> for ApiError {
    fn from(error: SessionError) -> Self {
        match error {
            // A record that this node cannot open may open on another one: that is no reason to sign anybody out.
            SessionError::Store(StoreError::Unreadable(_)) | SessionError::Unopenable(_) => {
                Self::StoreUnavailable(error.into(), Known::ByThis)
            }
            SessionError::Store(StoreError::Unreachable(_)) | SessionError::TicketUnknown => {
                Self::StoreUnavailable(error.into(), Known::Already)
            }
            SessionError::KeyTaken => Self::Internal(error.into()),
        }
    }
}

impl From<Incomplete> for ApiError {
    fn from(incomplete: Incomplete) -> Self {
        let ended = incomplete.ended;
        Self::EndIncomplete(incomplete.into(), ended)
    }
}

impl From<ProviderError> for ApiError {
    fn from(error: ProviderError) -> Self {
        let seconds = error.retry_after().as_secs();
        let known = match error {
            ProviderError::JustFailed | ProviderError::NotDiscovered(_) | ProviderError::HeldOff { .. } => {
                Known::Already
            }
            ProviderError::Unreachable(_)
            | ProviderError::AnswerLost { .. }
            | ProviderError::TooLarge
            | ProviderError::Status { .. }
            | ProviderError::Metadata(_)
            | ProviderError::TokenAnswer { .. }
            | ProviderError::Keys(_)
            | ProviderError::Unproven(_) => Known::ByThis,
        };
        Self::ProviderUnavailable(error.into(), known, seconds)
    }
}

impl From<&RefreshError> for ApiError {
    fn from(error: &RefreshError) -> Self {
        match error {
            RefreshError::SessionEnded => Self::SessionRequired,
            // The trail has each call of the provider, and the store tells of its own outages.
            RefreshError::Provider {
                retry_after, cause, ..
            }
            | RefreshError::HeldOff { retry_after, cause }
            | RefreshError::Target {
                retry_after, cause, ..
            } => {
                let seconds = retry_after.as_millis().div_ceil(1_000);
                let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
                Self::ProviderUnavailable(anyhow::anyhow!("{cause}"), Known::Already, seconds)
            }
            RefreshError::Session(cause) => {
                Self::StoreUnavailable(anyhow::anyhow!("{cause}"), Known::Already)
            }
            RefreshError::Abandoned => {
                Self::Internal(anyhow::anyhow!("the refresh task ended without an answer"))
            }
        }
    }
}

impl From<CallbackError> for ApiError {
    fn from(error: CallbackError) -> Self {
        match error {
            CallbackError::NoTransaction | CallbackError::LoggedOutMeanwhile => Self::LoginExpired,
            CallbackError::Denied => Self::LoginDenied,
            CallbackError::Invalid(cause) => Self::LoginFailed(cause),
            CallbackError::Provider(error) => error.into(),
            CallbackError::TooManySessions => Self::SessionLimit,
            CallbackError::Busy => Self::Busy,
            CallbackError::Session(error) => error.into(),
        }
    }
}
