//! Who refreshes a session, in the whole cluster: the one that holds its lease.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::outcome::{RefreshError, told};
use crate::errors::chain;
use crate::session::changes::{Changes, Waiting};
use crate::session::store::{LeaseHolder, LeaseOutcome, Leased};
use crate::session::{OpenSession, SessionKey, SessionRegistry};
use crate::telemetry;

/// How often somebody who waits looks again while the store does not tell of changes.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// When somebody who waited in vain may try again.
const RETRY_AFTER_WAITING: Duration = Duration::from_secs(1);

/// Gives turns.
#[derive(Debug)]
pub(super) struct Leases {
    registry: Arc<SessionRegistry>,
    length: Duration,
}

/// What came of asking for a turn.
pub(super) enum Turn {
    /// The caller may present the session's refresh token.
    Ours(Lease),
    /// The session is not what the caller read any more.
    MovedOn(Box<OpenSession>),
    /// It has ended.
    Ended,
}

impl Leases {
    pub(super) const fn new(registry: Arc<SessionRegistry>, length: Duration) -> Self {
        Self { registry, length }
    }

    /// Until when it is worth waiting for others. A holder that vanished costs one length; whoever takes over needs less
    /// than another one.
    pub(super) fn give_up_at(&self) -> Instant {
        Instant::now() + 2 * self.length
    }

    /// Waits for the caller's turn, or for what makes it unnecessary.
    pub(super) async fn turn(&self, session: &OpenSession, give_up: Instant) -> Result<Turn, RefreshError> {
        let holder = LeaseHolder::generate();
        let began = Instant::now();
        let mut has_waited = false;
        loop {
            // Before asking, so that nothing can happen between the answer and the waiting.
            let mut waiting = self.registry.changes().wait_for(&session.key);
            let leased = self.registry.lease(session, &holder, self.length).await;
            let is_held = matches!(leased, Ok(Leased::Held { .. }));
            if has_waited && !is_held {
                telemetry::lease_waited(began.elapsed());
            }
            has_waited |= is_held;
            match leased.map_err(|error| told(&error))? {
                Leased::Yours { unanswered } => {
                    return Ok(Turn::Ours(Lease {
                        registry: Arc::clone(&self.registry),
                        key: session.key.clone(),
                        holder,
                        length: self.length,
                        unanswered,
                    }));
                }
                Leased::Held { remaining } => {
                    let now = Instant::now();
                    if now >= give_up {
                        let cause = "somebody else has been refreshing this session for too long";
                        tracing::warn!(session.key = %session.key, "{cause}");
                        return Err(RefreshError::HeldOff {
                            cause: cause.to_owned(),
                            retry_after: RETRY_AFTER_WAITING,
                        });
                    }
                    let until = (now + remaining).min(give_up);
                    wait(self.registry.changes(), &mut waiting, until).await;
                }
                Leased::Failed { retry_after, cause } => {
                    return Err(RefreshError::HeldOff { cause, retry_after });
                }
                Leased::LostTo(stored) => {
                    let newer = self.registry.reopen(session, &stored);
                    return newer
                        .map(|newer| Turn::MovedOn(Box::new(newer)))
                        .map_err(|error| told(&error));
                }
                Leased::SessionEnded => return Ok(Turn::Ended),
            }
        }
    }
}

/// Waits until the session changes, or until `until`. Where changes are not told, or not any more, the caller has to look
/// by itself, now and then.
async fn wait(changes: &Changes, waiting: &mut Waiting, until: Instant) {
    loop {
        let look = changes.told_until().max(Instant::now() + LOOK_AGAIN).min(until);
        if timeout_at(look, waiting.change()).await.is_ok() || look == until {
            return;
        }
        if changes.told_until() <= Instant::now() {
            return;
        }
    }
}

/// The right to refresh one session.
#[derive(Debug, Clone)]
pub(super) struct Lease {
    registry: Arc<SessionRegistry>,
    key: SessionKey,
    holder: LeaseHolder,
    length: Duration,
    unanswered: u32,
}

impl Lease {
    /// How often the refresh token was sent before without an answer that was stored.
    pub(super) const fn unanswered(&self) -> u32 {
        self.unanswered
    }

    /// Keeps the lease while some work goes on. A lease that is lost all the same does not stop the work: whether it still
    /// counts is decided by the revision that its write names.
    pub(super) async fn hold<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            done = work => done,
            never = self.renew() => match never {},
        }
    }

    async fn renew(&self) -> std::convert::Infallible {
        loop {
            sleep(self.length / 3).await;
            match self
                .registry
                .renew_lease(&self.key, &self.holder, self.length)
                .await
            {
                Ok(true) => {}
                Ok(false) => {
                    tracing::warn!("the lease of a refresh went to somebody else");
                    return std::future::pending().await;
                }
                Err(error) => tracing::debug!(error = chain(&error), "a lease could not be renewed yet"),
            }
        }
    }

    /// Gives the lease back without new tokens.
    pub(super) async fn release(&self, outcome: &LeaseOutcome) {
        let released = self
            .registry
            .release_lease(&self.key, &self.holder, outcome)
            .await;
        if let Err(error) = released {
            tracing::debug!(
                error = chain(&error),
                "a lease could not be given back; it runs out"
            );
        }
    }
}
