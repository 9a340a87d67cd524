//! What a logout token of the provider does (OpenID Connect Back-Channel Logout 1.0 §2.7).
//!
//! A token is marked as used *after* its sessions have ended: a first try that failed half-way can be repeated with the
//! same token, and "used" means "done", so that a repetition is answered 200 without ending what began since.

pub mod endpoint;

use std::sync::Arc;

use crate::background::Background;
use crate::provider::{LogoutToken, LogoutTokenError, LogoutTokens};
use crate::session::registry::EndReason;
use crate::session::store::{Claimed, SessionStore, StoreError};
use crate::session::{SessionError, SessionRegistry};

/// Why a back-channel logout was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum BackChannelError {
    /// The token is not taken, or cannot be judged now.
    #[error(transparent)]
    Token(#[from] LogoutTokenError),
    /// Sessions could not be looked for or ended now.
    #[error("not every session could be ended")]
    Session(#[from] SessionError),
    /// What is remembered of earlier tokens cannot be read or written now.
    #[error("logout tokens cannot be remembered")]
    Store(#[from] StoreError),
    /// The task that ended the sessions did not come to its end.
    #[error("a logout ended without an outcome")]
    Abandoned,
}

/// Ends sessions at the provider's word.
#[derive(Debug, Clone)]
pub struct BackChannel {
    pub(crate) tokens: LogoutTokens,
    pub(crate) registry: Arc<SessionRegistry>,
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) background: Background,
}

impl BackChannel {
    /// Judges a token and ends its sessions. When this returns well, none of them is left in the store.
    ///
    /// The work is done in a task of its own: a provider that hangs up must not leave half of it.
    pub(super) async fn log_out(&self, token: &str) -> Result<(), BackChannelError> {
        let token = self.tokens.judge(token).await?;
        let this = self.clone();
        let ending = self.background.spawn(async move { this.end(&token).await });
        ending.await.unwrap_or(Err(BackChannelError::Abandoned))
    }

    async fn end(&self, token: &LogoutToken) -> Result<(), BackChannelError> {
        if self.store.is_claimed(&token.mark).await? {
            tracing::info!("a logout token came again; it had done its work");
            return Ok(());
        }
        let ended = self
            .registry
            .end_logged_out(&token.who, Some(token.issued_at), EndReason::BackChannelLogout)
            .await?;
        match self.store.claim(&token.mark, token.remembered_until).await? {
            // Twice at the same moment is once.
            Claimed::First | Claimed::Before => {}
        }
        tracing::info!(ended, "the provider signed somebody out");
        Ok(())
    }
}
