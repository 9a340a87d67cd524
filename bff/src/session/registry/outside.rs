//! Sessions as the provider sees them, which has not their browser.

use super::{EndReason, SessionError, SessionRegistry, report_end};
use crate::session::SessionKey;
use crate::session::store::Ended;

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
}
