//! Ending many sessions: how many at a time, and when to give up.

use futures_util::future::join_all;

use super::own::AT_ONCE;
use super::{EndReason, SessionError, SessionRegistry};
use crate::session::SessionKey;

impl SessionRegistry {
    /// Ends sessions and says how many of them ended by this call. One that cannot be ended does not keep the others
    /// alive.
    ///
    /// # Errors
    /// When any of them could not be ended.
    pub(super) async fn end_all_of(
        &self,
        keys: &[SessionKey],
        reason: EndReason,
    ) -> Result<usize, Incomplete> {
        let mut tally = Tally::default();
        self.end_each(keys, reason, &mut tally).await;
        tally.into_result()
    }

    /// Ends sessions until so many of them could not be ended that the store must be down.
    pub(super) async fn end_each(&self, keys: &[SessionKey], reason: EndReason, tally: &mut Tally) {
        for some in keys.chunks(AT_ONCE) {
            let endings = some.iter().cloned();
            let endings = endings.map(|key| async move { self.end_now(&key, reason).await });
            for outcome in join_all(endings).await {
                tally.count(outcome);
            }
            if tally.is_hopeless() {
                return;
            }
        }
    }
}

/// Not all sessions that should have ended have. Doing it again ends the rest.
#[derive(Debug, thiserror::Error)]
#[error("{ended} sessions have ended, and not all that should")]
pub struct Incomplete {
    /// How many have.
    pub ended: usize,
    /// Why another has not.
    #[source]
    pub cause: SessionError,
}

/// What has come of ending many sessions so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    ended: usize,
    failed: usize,
    failure: Option<SessionError>,
}

impl Tally {
    fn count(&mut self, outcome: Result<bool, SessionError>) {
        match outcome {
            Ok(is_new) => self.ended += usize::from(is_new),
            Err(error) => self.fail(error),
        }
    }

    pub(super) fn fail(&mut self, error: SessionError) {
        self.failed += 1;
        self.failure = Some(error);
    }

    /// A record in a state that nobody knows is one failure; these many are a store that is down.
    pub(super) const fn is_hopeless(&self) -> bool {
        self.failed >= AT_ONCE
    }

    pub(super) fn into_result(self) -> Result<usize, Incomplete> {
        let ended = self.ended;
        self.failure
            .map_or(Ok(ended), |cause| Err(Incomplete { ended, cause }))
    }
}
