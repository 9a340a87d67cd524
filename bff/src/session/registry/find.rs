//! How a request's session is found: in this node's memory, or else in the store.

use std::time::Duration;

use resource_server::time::UnixTime;

use super::{EndReason, EndedUnlessRenewed, SessionError, SessionRegistry};
use crate::errors::chain;
use crate::session::lifetime::{Standing, Times};
use crate::session::replica::Kept;
use crate::session::store::{StoreError, Touched};
use crate::session::ticket::Presented;
use crate::session::{OpenSession, RecordKey, SessionId, SessionKey};
use crate::telemetry;

/// When a use that could not be written down is tried again.
const TOUCH_AGAIN: Duration = Duration::from_secs(5);

/// A session that is about to end.
#[derive(Debug)]
pub enum Endable {
    /// Its tokens are at hand, to be revoked.
    Open(Box<OpenSession>),
    /// This node cannot open it. That must not keep its browser from signing out or in again.
    Sealed(SessionKey),
}

impl Endable {
    /// Its name.
    #[must_use]
    pub const fn key(&self) -> &SessionKey {
        match self {
            Self::Open(session) => &session.key,
            Self::Sealed(key) => key,
        }
    }
}

/// What came of writing a use down.
enum Use {
    Written,
    /// The store is down. That fails no request: the session was read, it lives, and its idle end stays where it was.
    Unwritten,
    SessionEnded,
}

impl SessionRegistry {
    /// Finds the live session of a request by what its browser presented, unless it belongs to another device.
    ///
    /// # Errors
    /// As [`SessionRegistry::find`]; an unanswered question is never "signed out".
    pub async fn find_presented(
        &self,
        presented: &Presented,
        slide: bool,
    ) -> Result<Option<OpenSession>, SessionError> {
        match presented {
            Presented::Nothing => Ok(None),
            Presented::Ticket(id, key, agent) => {
                if !self.is_on_its_device(key, agent.as_str()).await? {
                    return Ok(None);
                }
                self.find(id, key, slide).await
            }
            Presented::Outage => Err(SessionError::TicketUnknown),
        }
    }

    /// Finds the session of a browser that is about to lose it.
    ///
    /// # Errors
    /// When the store is down.
    pub async fn find_to_end(&self, presented: &Presented) -> Result<Option<Endable>, SessionError> {
        match (self.find_presented(presented, false).await, presented.key()) {
            (Ok(found), _) => Ok(found.map(|session| Endable::Open(Box::new(session)))),
            (Err(SessionError::Unopenable(error)), Some(key)) => {
                tracing::warn!(session.key = %key, error = chain(&error), "a session ends whose tokens cannot be revoked");
                Ok(Some(Endable::Sealed(key.clone())))
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Finds the live session that a ticket names, and writes the use down when `slide` is set and it is due. What is
    /// found may be older than what the store holds, by the time that news takes to this node; whoever writes names the
    /// revision that was found, and learns of it.
    ///
    /// # Errors
    /// When the store is down or the record cannot be opened by this node; both say nothing against the session.
    pub async fn find(
        &self,
        id: &SessionId,
        key: &SessionKey,
        slide: bool,
    ) -> Result<Option<OpenSession>, SessionError> {
        let now = self.clock.now();
        if let Some(kept) = self.replica.get(id, key)
            && let session = kept.session(|times, content| self.lives_until(times, content))
            && now < session.lives_until
        {
            telemetry::replica_asked(true);
            // Only a use that is due is awaited: once in a while, and by one request.
            if slide && kept.claim_touch(&self.limits, now) {
                return Ok(self.touch_kept(session, &kept, now).await);
            }
            return Ok(Some(session));
        }
        telemetry::replica_asked(false);
        self.find_stored(id, key, slide).await
    }

    async fn find_stored(
        &self,
        id: &SessionId,
        key: &SessionKey,
        slide: bool,
    ) -> Result<Option<OpenSession>, SessionError> {
        let reading = self.replica.reading(key);
        let Some(stored) = self.store.load(key).await? else {
            return Ok(None);
        };
        let now = self.clock.now();
        match self.limits.judge(&stored.times, now) {
            Standing::LivesUntil(_) => {}
            Standing::IdleTooLong => return self.end_by_time(key, EndReason::IdleTimeout).await,
            Standing::TooOld => return self.end_by_time(key, EndReason::AbsoluteTimeout).await,
        }
        let mut session = self.open(id, key, &stored)?;
        if now >= session.lives_until {
            return match self
                .end_unless_renewed(&session, EndReason::RefreshTokenExpired)
                .await?
            {
                EndedUnlessRenewed::Ended => Ok(None),
                // By whoever refreshed it in its last second; what that brought is judged when it is used.
                EndedUnlessRenewed::Renewed(session) => Ok(Some(*session)),
            };
        }
        if slide && self.limits.touch_is_due(&stored.times, now) {
            match self.touch(key, &stored.times, now).await {
                Use::Written => session = self.used_at(session, now),
                Use::Unwritten => {}
                Use::SessionEnded => return Ok(None),
            }
        }
        self.replica.keep(reading, &session, &self.limits);
        Ok(Some(session))
    }

    /// Writes down a use of a session that was found in memory, and what the store says of it.
    async fn touch_kept(&self, session: OpenSession, kept: &Kept, now: UnixTime) -> Option<OpenSession> {
        match self.touch(&session.key, &session.times, now).await {
            Use::Written => {
                kept.touched(now);
                Some(self.used_at(session, now))
            }
            Use::Unwritten => {
                kept.touch_again_from(now + TOUCH_AGAIN);
                Some(session)
            }
            Use::SessionEnded => {
                self.replica.forget(&session.key);
                None
            }
        }
    }

    async fn touch(&self, key: &SessionKey, times: &Times, now: UnixTime) -> Use {
        let touched = Times {
            last_used_at: now,
            ..*times
        };
        let garbage_from = self.limits.garbage_from(&touched);
        match self.store.touch(key, now, garbage_from).await {
            Ok(Touched::Now) => Use::Written,
            Ok(Touched::SessionEnded) => Use::SessionEnded,
            Err(error) => {
                tracing::debug!(
                    error = chain(&error),
                    "a use of a session could not be written down"
                );
                Use::Unwritten
            }
        }
    }

    pub(in crate::session) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    fn used_at(&self, mut session: OpenSession, now: UnixTime) -> OpenSession {
        session.times.last_used_at = now;
        session.lives_until = self.lives_until(&session.times, &session.content);
        session
    }

    async fn end_by_time(
        &self,
        key: &SessionKey,
        reason: EndReason,
    ) -> Result<Option<OpenSession>, SessionError> {
        self.end(key, reason).await?;
        Ok(None)
    }

    /// Which session a ticket names.
    ///
    /// # Errors
    /// When it has to be asked of a store that is down.
    pub(in crate::session) async fn session_of(
        &self,
        ticket: &RecordKey,
    ) -> Result<Option<SessionKey>, StoreError> {
        if let Some(key) = self.replica.session_of(ticket) {
            return Ok(Some(key));
        }
        let key = self.store.session_of(ticket).await?;
        if let Some(key) = &key {
            self.replica.keep_ticket(ticket, key);
        }
        Ok(key)
    }

    /// Forgets the ticket of a session that has ended.
    ///
    /// # Errors
    /// When the store is down.
    pub(in crate::session) async fn drop_ticket(&self, ticket: &RecordKey) -> Result<(), StoreError> {
        self.replica.drop_ticket(ticket);
        self.store.drop_ticket(ticket).await
    }
}
