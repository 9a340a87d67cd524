//! When tokens have to be renewed and how, and what a failure means.

use std::time::Duration;

use resource_server::time::UnixTime;

use crate::errors::chain;
use crate::provider::{Audiences, OAuthError, OAuthErrorCode, ProviderError, TokenAnswerError};
use crate::session::SessionError;
use crate::session::tokens::{AccessToken, RefreshToken, Target, TokenSet};

/// What has to happen before a request of this session may go to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The access token serves.
    Nothing,
    /// It still serves, and a new one should be fetched beside the request.
    RefreshBeside,
    /// There is none, or a dead one: the request waits for a new one.
    RefreshFirst,
    /// The session has nothing alive any more and nothing to renew it with.
    End,
    /// There is no such token and nothing to get it with, while the session still has others.
    Unobtainable,
}

/// Which access token is asked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What it has to be for.
    pub target: Target,
    /// The one that an upstream has refused: it does not count.
    refused: Option<AccessToken>,
}

impl Wanted {
    /// Any that lives.
    #[must_use]
    pub fn for_target(target: &Target) -> Self {
        Self {
            target: target.clone(),
            refused: None,
        }
    }

    /// Another one than this.
    #[must_use]
    pub fn instead_of(target: &Target, refused: &AccessToken) -> Self {
        Self {
            target: target.clone(),
            refused: Some(refused.clone()),
        }
    }
}

impl Need {
    /// Judges a token set.
    #[must_use]
    pub fn of(tokens: &TokenSet, wanted: &Wanted, audiences: Audiences, now: UnixTime) -> Self {
        // RFC 7519 §4.1.4: at the very second of `exp` the token is already dead.
        let login_serves = now < tokens.access.expires_at;
        let exchangeable = login_serves && audiences == Audiences::Exchange && !wanted.target.is_login();
        let is_renewable = tokens.refresh_token.is_some() || exchangeable;
        let serving = tokens.get(&wanted.target).filter(|held| {
            let is_refused = wanted
                .refused
                .as_ref()
                .is_some_and(|refused| refused.is(&held.token));
            now < held.expires_at && !is_refused
        });
        match serving {
            Some(held) if is_renewable && now >= held.refresh_from => Self::RefreshBeside,
            Some(_) => Self::Nothing,
            None if is_renewable => Self::RefreshFirst,
            None if login_serves => Self::Unobtainable,
            None => Self::End,
        }
    }
}

/// The call that gets an access token.
#[derive(Debug)]
pub(super) enum Grant {
    /// The refresh token is presented, for a token of this target.
    Refresh(Target, RefreshToken),
    /// The login's access token is exchanged.
    Exchange(AccessToken),
}

impl Grant {
    /// The next call on the way to a token for `target`, if there is one. An exchange needs a login's token that lives.
    pub(super) fn of(
        tokens: &TokenSet,
        target: &Target,
        audiences: Audiences,
        now: UnixTime,
    ) -> Option<Self> {
        let exchanges = audiences == Audiences::Exchange && !target.is_login();
        if exchanges && now < tokens.access.expires_at {
            return Some(Self::Exchange(tokens.access.token.clone()));
        }
        let refreshed = if exchanges {
            Target::default()
        } else {
            target.clone()
        };
        Some(Self::Refresh(refreshed, tokens.refresh_token.clone()?))
    }

    /// Whether it gets the token that is wanted and not only what another call needs.
    pub(super) fn gives(&self, target: &Target) -> bool {
        match self {
            Self::Refresh(refreshed, _) => refreshed == target,
            Self::Exchange(_) => true,
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
        /// The provider's own word for it.
        oauth_error: Option<OAuthError>,
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// Nobody asked the provider, since somebody has just done so in vain, or is still at it. The session lives.
    #[error("the provider is left alone for now: {cause}")]
    HeldOff {
        /// What happened then, for the log.
        cause: String,
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// There is no access token for this audience and scope. The session and its other tokens are as they were.
    #[error("the provider gave no access token for this route: {cause}")]
    Target {
        /// What happened, for the log.
        cause: String,
        /// The provider's own word for it.
        oauth_error: Option<OAuthError>,
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

impl RefreshError {
    /// The provider's own word for what went wrong.
    pub(super) fn oauth_error(&self) -> Option<&str> {
        match self {
            Self::Provider { oauth_error, .. } | Self::Target { oauth_error, .. } => {
                oauth_error.as_ref().map(OAuthError::as_str)
            }
            Self::SessionEnded | Self::HeldOff { .. } | Self::Session(_) | Self::Abandoned => None,
        }
    }

    /// The same for those who come while it is remembered, and for how long that is. A failure of the provider concerns
    /// whoever would ask it again; one of the store is over when the store says so.
    pub(super) fn to_remember(&self) -> Option<(Duration, Self)> {
        match self {
            Self::Provider {
                cause, retry_after, ..
            }
            | Self::HeldOff { cause, retry_after } => {
                let (cause, retry_after) = (cause.clone(), *retry_after);
                Some((retry_after, Self::HeldOff { cause, retry_after }))
            }
            Self::Target { retry_after, .. } => Some((*retry_after, self.clone())),
            Self::SessionEnded | Self::Session(_) | Self::Abandoned => None,
        }
    }

    /// The same with another time to wait.
    pub(super) fn with_retry_after(mut self, remaining: Duration) -> Self {
        if let Self::HeldOff { retry_after, .. } | Self::Target { retry_after, .. } = &mut self {
            *retry_after = remaining;
        }
        self
    }

    /// The outcome as a word of the metrics.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::SessionEnded => "session_ended",
            Self::Provider { .. } => "provider_failed",
            Self::HeldOff { .. } => "held_off",
            Self::Target { .. } => "target_failed",
            Self::Session(_) => "store_failed",
            Self::Abandoned => "abandoned",
        }
    }
}

pub(super) fn told(error: &SessionError) -> RefreshError {
    RefreshError::Session(chain(error))
}

/// What a failed refresh says about the refresh token that was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is dead, and the session with it.
    GrantRefused,
    /// It is as it was; this audience or scope is not to be had with it.
    TargetRefused,
    /// It is as it was: the provider did not hear of it, or said that it did not do its work.
    NotTaken,
    /// Nobody knows whether it was used up.
    Lost {
        /// Whether the connection broke, so that presenting it again soon may bring the answer. Where the provider was
        /// silent for the whole deadline, somebody has been waiting for long enough.
        again_at_once: bool,
    },
}

/// Judges a failed refresh by what kind of failure it was, never by a text.
pub(super) fn verdict(error: &ProviderError, target: &Target) -> Verdict {
    match error {
        ProviderError::TokenAnswer { answer, .. } => match answer {
            TokenAnswerError::Refused(OAuthErrorCode::InvalidGrant, _) => Verdict::GrantRefused,
            TokenAnswerError::Refused(OAuthErrorCode::Target, _) if !target.is_login() => {
                Verdict::TargetRefused
            }
            TokenAnswerError::Refused(..) | TokenAnswerError::Unavailable => Verdict::NotTaken,
            TokenAnswerError::Malformed | TokenAnswerError::BrokenGateway => {
                Verdict::Lost { again_at_once: false }
            }
        },
        ProviderError::AnswerLost { timed_out, .. } => Verdict::Lost {
            again_at_once: !timed_out,
        },
        ProviderError::TooLarge | ProviderError::Unproven(_) => Verdict::Lost { again_at_once: false },
        ProviderError::Unreachable(_)
        | ProviderError::JustFailed
        | ProviderError::NotDiscovered(_)
        | ProviderError::HeldOff { .. }
        | ProviderError::Status { .. }
        | ProviderError::Metadata(_)
        | ProviderError::Keys(_) => Verdict::NotTaken,
    }
}

#[cfg(test)]
mod tests;
