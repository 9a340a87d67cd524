//! Starts, finds, renews and ends sessions: the store, the vault and the replica put together.

mod administration;
mod binding;
mod cap;
mod find;
mod many;
mod outside;
mod own;

use std::sync::Arc;
use std::time::Duration;

use resource_server::time::{Clock, UnixTime};
use tokio::time::Instant;

pub use self::administration::{Chosen, LivingPage};
pub use self::binding::DeviceBinding;
use self::binding::Watch;
pub use self::cap::{Cap, Room, WhenExceeded};
pub use self::find::Endable;
pub use self::many::Incomplete;
pub use self::outside::LoggedOut;
pub use self::own::{Living, LivingSessions};
use super::changes::Changes;
use super::device::Device;
use super::index::Indexer;
use super::lifetime::{Limits, Times};
use super::replica::Replica;
use super::store::{
    Change, ChangeListener, Created, Ended, LeaseHolder, LeaseOutcome, Leased, NewSession, Replaced,
    Revision, SessionStore, StoreError, Stored,
};
use super::tokens::TokenSet;
use super::vault::{OpenError, Vault};
use super::{OpenSession, SessionContent, SessionId, SessionKey, Summary};
use crate::telemetry;

/// Why a session could not be looked at or written. None of these ends a session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The store does not do its work now.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The record is there and cannot be opened by this node.
    #[error("the session's record cannot be opened")]
    Unopenable(#[from] OpenError),
    /// There is a ticket, but the store could not be asked what it names.
    #[error("a ticket could not be looked up")]
    TicketUnknown,
    /// A random key came up twice.
    #[error("a new session's key is taken")]
    KeyTaken,
}

/// Why a session ended; the words of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The user signed out.
    Logout,
    /// The same browser signed in again.
    Replaced,
    /// Nobody was there any more to take the ticket.
    Undelivered,
    /// Nobody used it for too long.
    IdleTimeout,
    /// Its absolute lifetime is over.
    AbsoluteTimeout,
    /// The provider refused the refresh token.
    RefreshRefused,
    /// The refresh token has lived as long as the provider said it would.
    RefreshTokenExpired,
    /// The provider refused the refresh token after an answer to it had been lost, so that it may have been used up.
    RefreshAnswerLost,
    /// The access token expired and there is nothing to renew it with.
    NoRefreshToken,
    /// Its user ended it from another session.
    EndedByUser,
    /// Its user signed out everywhere.
    Everywhere,
    /// Its user had more sessions than allowed.
    SessionCap,
    /// It turned up on another device.
    DeviceChanged,
    /// The provider said so (OpenID Connect Back-Channel Logout 1.0).
    BackChannelLogout,
    /// The provider had the browser say so (OpenID Connect Front-Channel Logout 1.0).
    FrontChannelLogout,
    /// An operator ended it.
    Administrator,
}

impl EndReason {
    /// The reason as a word of the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Replaced => "replaced",
            Self::Undelivered => "undelivered",
            Self::IdleTimeout => "idle_timeout",
            Self::AbsoluteTimeout => "absolute_timeout",
            Self::RefreshRefused => "refresh_refused",
            Self::RefreshTokenExpired => "refresh_token_expired",
            Self::RefreshAnswerLost => "refresh_answer_lost",
            Self::NoRefreshToken => "no_refresh_token",
            Self::EndedByUser => "ended_by_user",
            Self::Everywhere => "everywhere",
            Self::SessionCap => "session_cap",
            Self::DeviceChanged => "device_changed",
            Self::BackChannelLogout => "back_channel_logout",
            Self::FrontChannelLogout => "front_channel_logout",
            Self::Administrator => "administrator",
        }
    }
}

/// How [`SessionRegistry::renew`] turned out.
#[derive(Debug)]
#[must_use]
pub enum Renewed {
    /// The new tokens are stored; this is the session as it is now.
    Stored(OpenSession),
    /// Somebody else renewed first; this is the session with their tokens.
    Overtaken(OpenSession),
    /// The session ended meanwhile.
    Ended,
}

/// How [`SessionRegistry::end_unless_renewed`] turned out.
#[derive(Debug)]
#[must_use]
pub enum EndedUnlessRenewed {
    /// The session has ended, now or before.
    Ended,
    /// Somebody renewed it after it was read; it lives.
    Renewed(Box<OpenSession>),
}

/// All sessions of this node's store.
#[derive(Debug)]
pub struct SessionRegistry {
    store: Arc<dyn SessionStore>,
    vault: Vault,
    indexer: Indexer,
    limits: Limits,
    clock: Arc<dyn Clock>,
    changes: Arc<Changes>,
    cap: Option<Cap>,
    watch: Watch,
    replica: Arc<Replica>,
}

/// The one ear of this node: what is heard goes to the copies first, so that those who are woken do not find an old one.
#[derive(Debug)]
struct Ear {
    replica: Arc<Replica>,
    changes: Arc<Changes>,
}

impl ChangeListener for Ear {
    fn changed(&self, change: &Change) {
        self.replica.changed(change);
        self.changes.changed(change);
    }

    fn missed(&self) {
        self.replica.missed();
        self.changes.missed();
    }

    fn trusted_until(&self, instant: Instant) {
        self.replica.trusted_until(instant);
        self.changes.trusted_until(instant);
    }
}

impl SessionRegistry {
    /// Puts a store, a vault, the limits and a replica together, and listens for what other nodes do.
    #[must_use]
    pub fn new(
        store: Arc<dyn SessionStore>,
        vault: Vault,
        indexer: Indexer,
        limits: Limits,
        clock: Arc<dyn Clock>,
        replica: Replica,
    ) -> Self {
        let (changes, replica) = (Arc::new(Changes::default()), Arc::new(replica));
        store.listen(Arc::new(Ear {
            replica: Arc::clone(&replica),
            changes: Arc::clone(&changes),
        }));
        Self {
            store,
            vault,
            indexer,
            limits,
            clock,
            changes,
            replica,
            cap: None,
            watch: Watch::default(),
        }
    }

    /// Has users keep to this many sessions.
    #[must_use]
    pub fn with_cap(self, cap: Option<Cap>) -> Self {
        Self { cap, ..self }
    }

    /// Has sessions compared with the device that they began on.
    #[must_use]
    pub fn with_device_binding(self, policy: DeviceBinding) -> Self {
        Self {
            watch: Watch::new(policy),
            ..self
        }
    }

    /// What this node hears of sessions that change.
    #[must_use]
    pub const fn changes(&self) -> &Arc<Changes> {
        &self.changes
    }

    /// Stores a new session and all that leads to it.
    ///
    /// # Errors
    /// When the store is down. What was stored by then is reachable for nobody, and expires.
    pub async fn start(
        &self,
        content: &SessionContent,
        device: Device,
    ) -> Result<(SessionId, SessionKey), SessionError> {
        let (id, key) = (SessionId::generate(), SessionKey::generate());
        let times = self.limits.begin(self.clock.now());
        let summary = Summary {
            subject: content.subject.clone(),
            device,
        };
        let new = NewSession {
            key: key.clone(),
            ticket: id.record_key(),
            owner: self
                .indexer
                .owner(&content.subject, content.provider_sid.as_deref()),
            stored: Stored {
                revision: Revision::FIRST,
                times,
                sealed: self.vault.seal(&id, &key, &times, content),
                summary: self.vault.seal_summary(&key, &summary),
            },
            garbage_from: self.limits.garbage_from(&times),
        };
        match self.store.create(&new).await {
            Ok(Created::Now) => {}
            Ok(Created::KeyTaken) => return Err(SessionError::KeyTaken),
            Err(error) => {
                // It may be there all the same, if only the answer was lost. Nobody has its ticket, but it would count as
                // one of its user's sessions.
                let _ = self.store.end(&key).await;
                return Err(error.into());
            }
        }
        telemetry::session_started(&key, &new.owner.user, &summary.device);
        Ok((id, key))
    }

    /// Stores the tokens that a refresh brought home, provided that the session still is as it was read.
    ///
    /// # Errors
    /// When the store is down or the record cannot be opened.
    pub async fn renew(&self, session: &OpenSession, tokens: TokenSet) -> Result<Renewed, SessionError> {
        let content = SessionContent {
            tokens,
            ..SessionContent::clone(&session.content)
        };
        let sealed = self
            .vault
            .seal(&session.id, &session.key, &session.times, &content);
        let replaced = self.store.replace(&session.key, session.revision, &sealed).await;
        // Whatever came of it, also if nobody knows: the next request of this node asks the store.
        self.replica.forget(&session.key);
        match replaced? {
            Replaced::Now(revision) => Ok(Renewed::Stored(OpenSession {
                revision,
                lives_until: self.lives_until(&session.times, &content),
                content: Arc::new(content),
                ..session.clone()
            })),
            Replaced::LostTo(stored) => Ok(Renewed::Overtaken(self.open(
                &session.id,
                &session.key,
                &stored,
            )?)),
            Replaced::SessionEnded => Ok(Renewed::Ended),
        }
    }

    /// Asks for the right to refresh a session as it was read; see [`SessionStore::lease`].
    ///
    /// # Errors
    /// When the store is down.
    pub async fn lease(
        &self,
        session: &OpenSession,
        holder: &LeaseHolder,
        length: Duration,
    ) -> Result<Leased, SessionError> {
        let leased = self.store.lease(&session.key, session.revision, holder, length);
        Ok(leased.await?)
    }

    /// Holds a lease for longer; see [`SessionStore::renew_lease`].
    ///
    /// # Errors
    /// When the store is down.
    pub async fn renew_lease(
        &self,
        key: &SessionKey,
        holder: &LeaseHolder,
        length: Duration,
    ) -> Result<bool, SessionError> {
        Ok(self.store.renew_lease(key, holder, length).await?)
    }

    /// Gives a lease back; see [`SessionStore::release_lease`].
    ///
    /// # Errors
    /// When the store is down.
    pub async fn release_lease(
        &self,
        key: &SessionKey,
        holder: &LeaseHolder,
        outcome: &LeaseOutcome,
    ) -> Result<(), SessionError> {
        Ok(self.store.release_lease(key, holder, outcome).await?)
    }

    /// Opens what a session has become since it was read.
    ///
    /// # Errors
    /// When the record cannot be opened by this node.
    pub fn reopen(&self, session: &OpenSession, stored: &Stored) -> Result<OpenSession, SessionError> {
        self.open(&session.id, &session.key, stored)
    }

    /// Ends a session; ending it twice is not an error.
    ///
    /// # Errors
    /// When the store fails: then nobody knows whether the session has ended, and the caller has to say so.
    pub async fn end(&self, key: &SessionKey, reason: EndReason) -> Result<(), SessionError> {
        self.end_now(key, reason).await.map(drop)
    }

    /// Ends a session; whether it ended by this call. Whatever the store says, this node has no copy of it afterwards.
    async fn end_now(&self, key: &SessionKey, reason: EndReason) -> Result<bool, SessionError> {
        let ended = self.store.end(key).await;
        self.replica.forget(key);
        let by_this_call = ended? == Ended::Now;
        if by_this_call {
            report_end(key, reason);
        }
        Ok(by_this_call)
    }

    /// Ends a session because of something that was learnt with the tokens read at `session.revision`; if somebody has
    /// renewed it since, what was learnt is out of date and the session lives.
    ///
    /// # Errors
    /// When the store is down or the record cannot be opened.
    pub async fn end_unless_renewed(
        &self,
        session: &OpenSession,
        reason: EndReason,
    ) -> Result<EndedUnlessRenewed, SessionError> {
        let ended = self.store.end_at(&session.key, session.revision).await;
        self.replica.forget(&session.key);
        match ended? {
            Ended::Now => {
                report_end(&session.key, reason);
                Ok(EndedUnlessRenewed::Ended)
            }
            Ended::Before => Ok(EndedUnlessRenewed::Ended),
            Ended::LostTo(stored) => {
                let session = self.open(&session.id, &session.key, &stored)?;
                Ok(EndedUnlessRenewed::Renewed(Box::new(session)))
            }
        }
    }

    /// Ends a session that was read, however often it is renewed meanwhile, and returns it as it was at its end: it is the
    /// newest refresh token that has to be revoked.
    ///
    /// # Errors
    /// When the store fails: then nobody knows whether the session has ended, and the caller has to say so.
    pub async fn end_latest(
        &self,
        session: OpenSession,
        reason: EndReason,
    ) -> Result<OpenSession, SessionError> {
        let mut latest = session;
        while let EndedUnlessRenewed::Renewed(newer) = self.end_unless_renewed(&latest, reason).await? {
            latest = *newer;
        }
        Ok(latest)
    }

    fn open(&self, id: &SessionId, key: &SessionKey, stored: &Stored) -> Result<OpenSession, SessionError> {
        let content = self.vault.open(id, key, &stored.times, &stored.sealed)?;
        Ok(OpenSession {
            id: id.clone(),
            key: key.clone(),
            revision: stored.revision,
            lives_until: self.lives_until(&stored.times, &content),
            times: stored.times,
            content: Arc::new(content),
        })
    }

    /// When a session ends if nobody uses it any more: by its times, and never after its refresh token.
    fn lives_until(&self, times: &Times, content: &SessionContent) -> UnixTime {
        let by_token = content.tokens.refresh_expires_at.unwrap_or(UnixTime::NEVER);
        self.limits.lives_until(times).min(by_token)
    }
}

fn report_end(key: &SessionKey, reason: EndReason) {
    telemetry::session_ended(key, reason.as_str());
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod tests;
