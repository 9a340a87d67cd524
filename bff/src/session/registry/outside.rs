//! Sessions as somebody sees them who is not their browser: the provider, an operator.

use resource_server::time::UnixTime;

use super::{EndReason, SessionError, SessionRegistry, report_end};
use crate::errors::chain;
use crate::session::lifetime::Standing;
use crate::session::store::{Ended, Page};
use crate::session::{SessionKey, Summary};

/// What is told of a live session without its browser: never a token.
#[derive(Debug, Clone)]
pub struct Overview {
    /// Its name.
    pub key: SessionKey,
    /// Whose it is, on which device; `None` if it was sealed under a key that this node does not hold.
    pub summary: Option<Summary>,
    /// When its login was completed.
    pub created_at: UnixTime,
    /// The last use that was written down.
    pub last_used_at: UnixTime,
    /// When it ends if nobody uses it.
    pub lives_until: UnixTime,
}

impl SessionRegistry {
    /// The sessions of a user, some of which may have ended.
    ///
    /// # Errors
    /// When the store is down.
    pub async fn sessions_of_user(&self, sub: &str) -> Result<Vec<SessionKey>, SessionError> {
        Ok(self.store.sessions_of(&self.indexer.user(sub)).await?)
    }

    /// The sessions that began under a session of the provider, some of which may have ended.
    ///
    /// # Errors
    /// When the store is down.
    pub async fn sessions_of_provider_session(&self, sid: &str) -> Result<Vec<SessionKey>, SessionError> {
        let index = self.indexer.provider_session(sid);
        Ok(self.store.sessions_of(&index).await?)
    }

    /// A page of all sessions.
    ///
    /// # Errors
    /// When the store is down.
    pub async fn all_sessions(&self, from: Option<&str>) -> Result<Page, SessionError> {
        Ok(self.store.all_sessions(from).await?)
    }

    /// Ends sessions and says how many of them ended by this call. One that cannot be ended does not keep the others
    /// alive.
    ///
    /// # Errors
    /// When any of them could not be ended.
    pub async fn end_all_of(&self, keys: &[SessionKey], reason: EndReason) -> Result<usize, SessionError> {
        let (mut ended, mut failure) = (0, None);
        for key in keys {
            let outcome = self.store.end(key).await;
            self.replica.forget(key);
            match outcome {
                Ok(Ended::Now) => {
                    report_end(key, reason);
                    ended += 1;
                }
                Ok(Ended::Before | Ended::LostTo(_)) => {}
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(ended), |error| Err(error.into()))
    }

    /// What is told of a session; `None` once it is over.
    ///
    /// # Errors
    /// When the store is down.
    pub async fn overview(&self, key: &SessionKey) -> Result<Option<Overview>, SessionError> {
        let Some(stored) = self.store.load(key).await? else {
            return Ok(None);
        };
        let Standing::LivesUntil(lives_until) = self.limits.judge(&stored.times, self.clock.now()) else {
            return Ok(None);
        };
        let summary = self.vault.open_summary(key, &stored.summary);
        if let Err(error) = &summary {
            tracing::warn!(session.key = %key, error = chain(error), "a session's summary cannot be opened");
        }
        Ok(Some(Overview {
            key: key.clone(),
            summary: summary.ok(),
            created_at: stored.times.created_at,
            last_used_at: stored.times.last_used_at,
            lives_until,
        }))
    }
}
