use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{FetchKeysError, TokenError};

/// Why a token that is good otherwise is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StatusError {
    /// It is not good any more, or its `status` cannot be right.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// It cannot be judged, because its status list cannot be had; trying again after this time may help.
    #[error("the status list of the token is not available")]
    Unavailable(Duration),
}

/// Why a document is not believed to be a status list.
///
/// The texts are fixed and quote nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStatusList {
    /// It is no good JWT: its form, type, signature, times or a claim.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// `sub` is not the address of the list.
    #[error("the list is one of another address")]
    OfAnotherUri,
    /// Larger than is read, packed or unpacked.
    #[error("the list is too large")]
    TooLarge,
    /// `lst` is not base64url of exactly one zlib stream.
    #[error("the list is not packed as it has to be")]
    Packing,
}

/// Why no newer status list could be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchListError {
    /// No answer came, or it broke off.
    #[error("the server of the status list did not answer")]
    Transport(#[source] Arc<dyn Error + Send + Sync>),
    /// No complete answer came in time.
    #[error("the server of the status list did not answer in time")]
    TimedOut,
    /// The answer was an error, or a redirect, which is not followed.
    #[error("the server of the status list answered with status {0}")]
    Status(u16),
    /// The answer cannot be believed.
    #[error("the answer is not a status list that can be used")]
    Invalid(#[from] InvalidStatusList),
    /// The list was made before one that was held, by more than clocks differ.
    #[error("the list is older than one before it")]
    Older,
    /// The list is signed with a key that is not there.
    #[error("the keys to verify the status list are not available")]
    Keys(#[source] FetchKeysError),
    /// What was to read the list ended before it had a result.
    #[error("the reading of the list was interrupted")]
    Interrupted,
}

impl From<TokenError> for FetchListError {
    fn from(error: TokenError) -> Self {
        Self::Invalid(error.into())
    }
}
