//! What a page of the provider does that shows us in a frame (OpenID Connect Front-Channel Logout 1.0 §3).
//!
//! In that frame a browser sends no `SameSite=Strict` cookie, and most send none at all. So it is the `sid` that counts and
//! not the browser: whoever knows it may end what began under it, and learns nothing.

pub mod endpoint;

use std::sync::Arc;

use crate::session::registry::{EndReason, LoggedOut};
use crate::session::{SessionError, SessionRegistry};
use crate::telemetry;

/// Ends sessions by the provider's frame.
#[derive(Debug, Clone)]
pub struct FrontChannel {
    pub(crate) registry: Arc<SessionRegistry>,
    /// The issuer exactly as configured.
    pub(crate) issuer: String,
    /// Who may show us in a frame: a `Content-Security-Policy`.
    pub(crate) policy: String,
}

impl FrontChannel {
    /// The endpoint for one issuer, whose pages are of this origin.
    #[must_use]
    pub fn new(registry: Arc<SessionRegistry>, issuer: &str, origin: &str) -> Self {
        Self {
            registry,
            issuer: issuer.to_owned(),
            policy: format!("default-src 'none'; frame-ancestors {origin}"),
        }
    }

    /// Ends the sessions that began under `sid`, if it is our provider's.
    pub(super) async fn log_out(&self, iss: &str, sid: &str) -> Result<(), SessionError> {
        if iss != self.issuer {
            tracing::debug!("a front-channel logout named another issuer");
            telemetry::logout_asked("front", "refused");
            return Ok(());
        }
        let ended = self.end(sid).await;
        telemetry::logout_asked("front", if ended.is_ok() { "done" } else { "unavailable" });
        match ended? {
            0 => tracing::debug!("a frame of the provider named no session"),
            ended => tracing::info!(ended, "a frame of the provider signed somebody out"),
        }
        Ok(())
    }

    async fn end(&self, sid: &str) -> Result<usize, SessionError> {
        let who = LoggedOut::Session(sid.to_owned());
        self.registry
            .end_logged_out(&who, None, EndReason::FrontChannelLogout)
            .await
    }
}
