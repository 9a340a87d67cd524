//! Writes what a grant brought, until the store has it.

use std::sync::Arc;
use std::time::Duration;

use super::super::lease::Lease;
use super::{Keeper, Outcome, RefreshError, told};
use crate::errors::chain;
use crate::session::registry::Renewed;
use crate::session::tokens::Renewal;
use crate::session::{OpenSession, SessionError};
use crate::telemetry;

/// How often new tokens are written again, with which first pause, before those who wait are told that the store is
/// down. The writing itself goes on for as long as the session could live: the tokens exist nowhere else, so giving up
/// would cost the session.
const WRITE_ATTEMPTS_WAITED_FOR: u32 = 5;
const WRITE_PAUSE: Duration = Duration::from_millis(100);
/// Shorter than the moment that a lapsed lease leaves to its holder (`lease.lua`): when Redis is back after a long outage, the
/// new tokens are there before anybody presents the old refresh token.
const LONGEST_WRITE_PAUSE: Duration = Duration::from_millis(300);

impl Keeper {
    /// Writes the new tokens before anything uses them.
    pub(super) async fn store(
        self: &Arc<Self>,
        session: &OpenSession,
        renewal: Renewal,
        lease: &Lease,
    ) -> Outcome {
        let mut pause = WRITE_PAUSE;
        for _ in 0..WRITE_ATTEMPTS_WAITED_FOR {
            match self.write(session, &renewal).await {
                Err(SessionError::Store(error)) => {
                    tracing::debug!(error = chain(&error), "new tokens could not be stored yet");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                other => return self.stored(other, &renewal).await,
            }
        }
        self.go_on_writing(session.clone(), renewal, lease.clone());
        let error = RefreshError::Session("new tokens could not be stored".to_owned());
        telemetry::refresh_failed(&session.key, &error, None);
        Err(error)
    }

    /// Goes on writing in a task of its own until the store takes the tokens or the session would have ended anyway.
    fn go_on_writing(self: &Arc<Self>, session: OpenSession, renewal: Renewal, lease: Lease) {
        self.unwritten().insert(session.key.clone());
        let keeper = Arc::clone(self);
        self.background.spawn(async move {
            let writing = async {
                loop {
                    tokio::time::sleep(LONGEST_WRITE_PAUSE).await;
                    let written = keeper.write(&session, &renewal).await;
                    let over = keeper.clock.now() >= session.times.ends_at;
                    if !matches!(written, Err(SessionError::Store(_))) || over {
                        let outcome = keeper.stored(written, &renewal).await;
                        tracing::info!(session.key = %session.key, stored = outcome.is_ok(), "tokens no longer wait");
                        return;
                    }
                }
            };
            lease.hold(writing).await;
            keeper.unwritten().remove(&session.key);
        });
    }

    /// Writes what a grant brought. Whoever wrote meanwhile wins, unless they still hold the refresh token that was
    /// presented: then theirs is the older one, and what was brought goes on top.
    async fn write(&self, session: &OpenSession, renewal: &Renewal) -> Result<Renewed, SessionError> {
        let mut latest = session.clone();
        loop {
            let tokens = latest.content.tokens.renewed_by(renewal, self.clock.now());
            let newer = match self.registry.renew(&latest, tokens).await? {
                Renewed::Overtaken(newer) => newer,
                other => return Ok(other),
            };
            if !newer.content.tokens.has_refresh_token_of(&session.content.tokens) {
                return Ok(Renewed::Overtaken(newer));
            }
            latest = newer;
        }
    }

    async fn stored(&self, written: Result<Renewed, SessionError>, renewal: &Renewal) -> Outcome {
        match written.map_err(|error| told(&error))? {
            Renewed::Stored(session) => {
                let expires_in = renewal.access.expires_at.since(self.clock.now()).as_secs();
                telemetry::refreshed(&session.key, expires_in);
                Ok(session)
            }
            // What came home is not revoked: providers with a grace period give both callers the same successor.
            Renewed::Overtaken(session) => Ok(session),
            Renewed::Ended => {
                if let Some(token) = &renewal.refresh_token {
                    self.provider.revoke_or_report(token).await;
                }
                Err(RefreshError::SessionEnded)
            }
        }
    }
}
