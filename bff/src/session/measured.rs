//! A store whose calls are timed and counted.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use resource_server::time::UnixTime;
use tokio::time::Instant;

use super::index::IndexKey;
use super::store::{
    ChangeListener, Claimed, Created, Ended, LeaseHolder, LeaseOutcome, Leased, Mark, NewSession, Outline,
    Page, Replaced, Revision, Sealed, SessionStore, StoreError, Stored, Touched,
};
use super::{RecordKey, SessionKey};
use crate::errors::chain;
use crate::outage::Outage;
use crate::telemetry;

/// For how long no call may fail before an outage is called over. In an outage of a part (one master of a cluster, a full
/// disk) other calls succeed all the while.
const STEADY: Duration = Duration::from_secs(5);

/// Tells of every call of the store within how long it took and whether it failed; and tells the log of an outage once
/// when it begins and once when it is over, so that those who meet it need not.
#[derive(Debug)]
pub struct MeasuredStore {
    store: Arc<dyn SessionStore>,
    outage: Outage,
}

impl MeasuredStore {
    /// Measures this store.
    #[must_use]
    pub fn new(store: Arc<dyn SessionStore>) -> Self {
        Self {
            store,
            outage: Outage::new(STEADY),
        }
    }

    async fn measured<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        let outcome = call.await;
        let ended = Instant::now();
        telemetry::store_asked(operation, outcome.is_ok(), ended - began);
        match &outcome {
            Err(error @ StoreError::Unreachable(_)) => {
                // Of many calls that fail each has its own words.
                if self.outage.failed(ended, "") {
                    tracing::error!(
                        operation,
                        error = chain(error),
                        "the session store does not answer"
                    );
                }
            }
            // It has answered.
            Ok(_) | Err(StoreError::Unreadable(_)) => {
                if let Some(lasted) = self.outage.worked(ended) {
                    let duration_ms = telemetry::millis(lasted);
                    tracing::info!(duration_ms, "the session store answers again");
                }
            }
        }
        outcome
    }
}

#[async_trait]
impl SessionStore for MeasuredStore {
    async fn create(&self, new: &NewSession) -> Result<Created, StoreError> {
        self.measured("create", self.store.create(new)).await
    }

    async fn load(&self, key: &SessionKey) -> Result<Option<Stored>, StoreError> {
        self.measured("load", self.store.load(key)).await
    }

    async fn outline(&self, key: &SessionKey) -> Result<Option<Outline>, StoreError> {
        self.measured("outline", self.store.outline(key)).await
    }

    async fn replace(
        &self,
        key: &SessionKey,
        seen: Revision,
        sealed: &Sealed,
    ) -> Result<Replaced, StoreError> {
        self.measured("replace", self.store.replace(key, seen, sealed))
            .await
    }

    async fn touch(
        &self,
        key: &SessionKey,
        last_used_at: UnixTime,
        garbage_from: UnixTime,
    ) -> Result<Touched, StoreError> {
        self.measured("touch", self.store.touch(key, last_used_at, garbage_from))
            .await
    }

    async fn end(&self, key: &SessionKey) -> Result<Ended, StoreError> {
        self.measured("end", self.store.end(key)).await
    }

    async fn end_at(&self, key: &SessionKey, seen: Revision) -> Result<Ended, StoreError> {
        self.measured("end_at", self.store.end_at(key, seen)).await
    }

    async fn sessions_of(&self, index: &IndexKey) -> Result<Vec<SessionKey>, StoreError> {
        self.measured("sessions_of", self.store.sessions_of(index)).await
    }

    async fn all_sessions(&self, from: Option<&str>) -> Result<Page, StoreError> {
        self.measured("all_sessions", self.store.all_sessions(from)).await
    }

    async fn lease(
        &self,
        key: &SessionKey,
        seen: Revision,
        holder: &LeaseHolder,
        length: Duration,
    ) -> Result<Leased, StoreError> {
        self.measured("lease", self.store.lease(key, seen, holder, length))
            .await
    }

    async fn renew_lease(
        &self,
        key: &SessionKey,
        holder: &LeaseHolder,
        length: Duration,
    ) -> Result<bool, StoreError> {
        self.measured("renew_lease", self.store.renew_lease(key, holder, length))
            .await
    }

    async fn release_lease(
        &self,
        key: &SessionKey,
        holder: &LeaseHolder,
        outcome: &LeaseOutcome,
    ) -> Result<(), StoreError> {
        self.measured("release_lease", self.store.release_lease(key, holder, outcome))
            .await
    }

    fn listen(&self, listener: Arc<dyn ChangeListener>) {
        self.store.listen(listener);
    }

    async fn session_of(&self, ticket: &RecordKey) -> Result<Option<SessionKey>, StoreError> {
        self.measured("session_of", self.store.session_of(ticket)).await
    }

    async fn drop_ticket(&self, ticket: &RecordKey) -> Result<(), StoreError> {
        self.measured("drop_ticket", self.store.drop_ticket(ticket)).await
    }

    async fn claim(&self, mark: &Mark, until: UnixTime) -> Result<Claimed, StoreError> {
        self.measured("claim", self.store.claim(mark, until)).await
    }

    async fn is_claimed(&self, mark: &Mark) -> Result<bool, StoreError> {
        self.measured("is_claimed", self.store.is_claimed(mark)).await
    }

    async fn note_logout(&self, index: &IndexKey, at: UnixTime, until: UnixTime) -> Result<(), StoreError> {
        self.measured("note_logout", self.store.note_logout(index, at, until))
            .await
    }

    async fn noted_logout(&self, index: &IndexKey) -> Result<Option<UnixTime>, StoreError> {
        self.measured("noted_logout", self.store.noted_logout(index))
            .await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.measured("check", self.store.check()).await
    }

    async fn close(&self) {
        self.store.close().await;
    }
}
