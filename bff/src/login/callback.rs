//! What the provider's answer at the callback means (RFC 6749 §4.1.2, RFC 9207).

use std::sync::Arc;

use resource_server::time::UnixTime;
use tokio::sync::{Semaphore, oneshot};

use super::ReturnTo;
use super::transaction::{LIFETIME, LoginTransaction, LoginTransactions};
use crate::background::Background;
use crate::errors::chain;
use crate::parameters::Parameters;
use crate::provider::{OAuthErrorCode, Provider, ProviderError, TokenAnswerError};
use crate::refresh::Keeper;
use crate::session::device::Device;
use crate::session::registry::{EndReason, Endable, Room};
use crate::session::store::{Claimed, SessionStore};
use crate::session::ticket::Presented;
use crate::session::{OpenSession, SessionContent, SessionError, SessionId, SessionKey, SessionRegistry};
use crate::telemetry::{self, LoginOutcome};

/// Why a callback gave no session.
#[derive(Debug, thiserror::Error)]
pub enum CallbackError {
    /// No attempt of this browser waits for it: never begun here, too old, or finished.
    #[error("no login of this browser waits for this callback")]
    NoTransaction,
    /// `access_denied`.
    #[error("the login was denied")]
    Denied,
    /// The answer does not fit what was asked.
    #[error("the callback is not acceptable")]
    Invalid(#[source] anyhow::Error),
    /// The provider cannot be used now.
    #[error(transparent)]
    Provider(ProviderError),
    /// The provider signed this user out while they were signing in.
    #[error("the provider signed this user out meanwhile")]
    LoggedOutMeanwhile,
    /// This user has as many sessions as allowed.
    #[error("the user has too many sessions")]
    TooManySessions,
    /// As many logins as allowed are being completed. This attempt goes on waiting for its callback.
    #[error("too many logins are being completed at once")]
    Busy,
    /// The session cannot be stored now.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// How a callback ended well, and where the browser goes on.
#[derive(Debug)]
pub(super) enum Completed {
    /// A session was started for this browser.
    SignedIn(SessionId, SessionKey, ReturnTo),
    /// `prompt=none` was asked for and the provider would have had to show something; not an error.
    NobodySignedIn(ReturnTo),
}

impl Completed {
    const fn outcome(&self) -> LoginOutcome {
        match self {
            Self::SignedIn(..) => LoginOutcome::Completed,
            Self::NobodySignedIn(_) => LoginOutcome::NobodySignedIn,
        }
    }
}

impl CallbackError {
    const fn outcome(&self) -> LoginOutcome {
        match self {
            Self::NoTransaction => LoginOutcome::NoTransaction,
            Self::Denied => LoginOutcome::Denied,
            Self::Invalid(_) => LoginOutcome::Invalid,
            Self::Provider(_) => LoginOutcome::ProviderUnavailable,
            Self::Session(_) => LoginOutcome::StoreUnavailable,
            Self::Busy => LoginOutcome::Busy,
            Self::TooManySessions => LoginOutcome::TooManySessions,
            Self::LoggedOutMeanwhile => LoginOutcome::LoggedOutMeanwhile,
        }
    }
}

/// Answers that a `prompt=none` request gets instead of a page (OpenID Connect Core §3.1.2.6).
const SILENT_REFUSALS: [&str; 4] = [
    "login_required",
    "interaction_required",
    "consent_required",
    "account_selection_required",
];

/// Completes logins.
#[derive(Debug, Clone)]
pub struct Callback {
    pub(crate) transactions: Arc<LoginTransactions>,
    pub(crate) provider: Arc<Provider>,
    pub(crate) registry: Arc<SessionRegistry>,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) background: Background,
    pub(crate) redirect_uri: String,
    /// How many logins may be completed at a time: anybody can begin one and come back with a code that is none, and the
    /// provider is asked about each.
    pub(crate) room: Arc<Semaphore>,
}

/// What a callback comes with.
pub(super) struct Arrival {
    pub(super) parameters: Parameters,
    pub(super) state: String,
    /// Our cookies.
    pub(super) cookies: String,
    /// The session that this browser has had until now.
    pub(super) presented: Presented,
    /// What this browser tells of itself.
    pub(super) device: Device,
}

impl Callback {
    /// Completes a login in a task of its own: a browser that goes away half-way would otherwise leave a spent code and
    /// tokens that nobody knows of. What nobody is there to take is ended and revoked.
    pub(super) async fn complete(self: Arc<Self>, arrival: Arrival) -> Result<Completed, CallbackError> {
        let (tell, told) = oneshot::channel();
        let (callback, background) = (Arc::clone(&self), self.background.clone());
        background.spawn(async move {
            let outcome = callback.judge(arrival).await;
            telemetry::login_ended(match &outcome {
                Ok(completed) => completed.outcome(),
                Err(error) => error.outcome(),
            });
            if let Err(Ok(Completed::SignedIn(id, key, _))) = tell.send(outcome) {
                callback.abandon(&id, &key).await;
            }
        });
        told.await
            .unwrap_or_else(|_| Err(invalid("the login ended without an outcome")))
    }

    async fn abandon(&self, id: &SessionId, key: &SessionKey) {
        match self.registry.find(id, key, false).await {
            Ok(Some(session)) => self.end(session, EndReason::Undelivered).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        }
        .unwrap_or_else(|error| {
            tracing::warn!(
                error = chain(&error),
                "a session that nobody took could not be ended"
            );
        });
    }

    /// Ends a session and revokes its refresh token.
    async fn end(&self, session: OpenSession, reason: EndReason) -> Result<(), SessionError> {
        let ended = self.registry.end_latest(session, reason).await?;
        if let Some(token) = &ended.content.tokens.refresh_token {
            self.provider.revoke_or_report(token).await;
        }
        Ok(())
    }

    /// Judges a callback and, if it is good, starts the session. The checks that need nobody come first, and the
    /// attempt is consumed before the code is spent.
    async fn judge(&self, arrival: Arrival) -> Result<Completed, CallbackError> {
        let Arrival {
            parameters,
            state,
            cookies,
            presented,
            device,
        } = arrival;
        let transaction = self
            .transactions
            .find(&state, &cookies)
            .ok_or(CallbackError::NoTransaction)?;
        let _room = self.room.try_acquire().map_err(|_| CallbackError::Busy)?;
        self.check_issuer(&parameters).await?;
        self.consume(&transaction).await?;
        if let Some(error) = parameters.one("error") {
            return refused(error, transaction.return_to);
        }
        let code = parameters
            .one("code")
            .filter(|code| !code.is_empty())
            .ok_or_else(|| invalid("there is no code"))?;
        let exchanged = self
            .provider
            .exchange_code(
                code,
                &transaction.code_verifier,
                &self.redirect_uri,
                &transaction.nonce,
            )
            .await;
        let (granted, identity) = exchanged.map_err(exchange_failed)?;
        let issued_at = identity.issued_at;
        let content = SessionContent {
            subject: identity.subject,
            provider_sid: identity.provider_sid,
            claims: identity.claims,
            tokens: self.keeper.token_set(granted),
        };
        match self.start(&content, issued_at, device, &presented).await {
            Ok((id, key)) => Ok(Completed::SignedIn(id, key, transaction.return_to)),
            Err(error) => {
                if let Some(token) = &content.tokens.refresh_token {
                    self.provider.revoke_or_report(token).await;
                }
                Err(error)
            }
        }
    }

    /// Starts the new session, then ends the one that this browser has had; in this order, because a store that fails
    /// in between, or a refusal, must not sign anybody out.
    async fn start(
        &self,
        content: &SessionContent,
        issued_at: UnixTime,
        device: Device,
        presented: &Presented,
    ) -> Result<(SessionId, SessionKey), CallbackError> {
        let earlier = self.registry.find_to_end(presented).await?;
        let (id, key) = self.registry.start(content, device).await?;
        let taken = match self.registry.is_logged_out_since(content, issued_at).await {
            Ok(false) => self.take_place(&content.subject, &key, earlier).await,
            Ok(true) => Err(CallbackError::LoggedOutMeanwhile),
            Err(error) => Err(error.into()),
        };
        let Err(error) = taken else {
            return Ok((id, key));
        };
        let reason = match error {
            CallbackError::TooManySessions => EndReason::SessionCap,
            CallbackError::LoggedOutMeanwhile => EndReason::BackChannelLogout,
            _ => EndReason::Undelivered,
        };
        self.registry.end(&key, reason).await?;
        Err(error)
    }

    /// Has the new session take its place among the others of its user, and that of the earlier one.
    async fn take_place(
        &self,
        subject: &str,
        key: &SessionKey,
        earlier: Option<Endable>,
    ) -> Result<(), CallbackError> {
        let replaced = earlier.as_ref().map(Endable::key);
        match self.registry.make_room(subject, key, replaced).await? {
            Room::Made => {}
            Room::Refused => return Err(CallbackError::TooManySessions),
        }
        match earlier {
            None => {}
            Some(Endable::Open(earlier)) => self.end(*earlier, EndReason::Replaced).await?,
            Some(Endable::Sealed(key)) => self.registry.end(&key, EndReason::Replaced).await?,
        }
        Ok(())
    }

    /// RFC 9207: an answer that names another issuer, or none although this provider always names itself, is a mix-up.
    async fn check_issuer(&self, parameters: &Parameters) -> Result<(), CallbackError> {
        let discovered = self
            .provider
            .discovered()
            .await
            .map_err(CallbackError::Provider)?;
        match parameters.one("iss") {
            Some(iss) if iss == discovered.metadata.issuer => Ok(()),
            Some(_) => Err(invalid("the answer names another issuer")),
            None if discovered.metadata.answers_with_issuer => Err(invalid("the answer names no issuer")),
            None => Ok(()),
        }
    }

    async fn consume(&self, transaction: &LoginTransaction) -> Result<(), CallbackError> {
        let until = transaction.started_at + LIFETIME + LIFETIME;
        match self.store.claim(&transaction.mark(), until).await {
            Ok(Claimed::First) => Ok(()),
            Ok(Claimed::Before) => Err(CallbackError::NoTransaction),
            Err(error) => Err(CallbackError::Session(error.into())),
        }
    }
}

fn refused(error: &str, return_to: ReturnTo) -> Result<Completed, CallbackError> {
    match error {
        "access_denied" => Err(CallbackError::Denied),
        silent if SILENT_REFUSALS.contains(&silent) => Ok(Completed::NobodySignedIn(return_to)),
        "temporarily_unavailable" | "server_error" => {
            Err(invalid("the provider reported a failure of its own"))
        }
        // The code is somebody else's text: it is not logged either.
        _ => Err(invalid("the provider answered with an error")),
    }
}

/// A code that the provider refuses, or a token that proves nothing, is this login's fault; the rest is an outage or a
/// fault of the configuration.
fn exchange_failed(error: ProviderError) -> CallbackError {
    match error {
        ProviderError::TokenAnswer {
            answer: TokenAnswerError::Refused(OAuthErrorCode::InvalidGrant, _),
            ..
        }
        | ProviderError::Unproven(_) => CallbackError::Invalid(error.into()),
        other => CallbackError::Provider(other),
    }
}

fn invalid(what: &'static str) -> CallbackError {
    CallbackError::Invalid(anyhow::anyhow!(what))
}
