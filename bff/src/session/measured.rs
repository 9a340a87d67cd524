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
use crate::telemetry;

/// Tells of every call of the store within how long it took and whether it failed.
#[derive(Debug)]
pub struct MeasuredStore(Arc<dyn SessionStore>);

impl MeasuredStore {
    /// Measures this store.
    #[must_use]
    pub const fn new(store: Arc<dyn SessionStore>) -> Self {
        Self(store)
    }
}

async fn measured<T>(
    operation: &'static str,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let began = Instant::now();
    let outcome = call.await;
    telemetry::store_asked(operation, outcome.is_ok(), began.elapsed());
    outcome
}

#[async_trait]
impl SessionStore for MeasuredStore {
    async fn create(&self, new: &NewSession) -> Result<Created, StoreError> {
        measured("create", self.0.create(new)).await
    }

    async fn load(&self, key: &SessionKey) -> Result<Option<Stored>, StoreError> {
        measured("load", self.0.load(key)).await
    }

    async fn outline(&self, key: &SessionKey) -> Result<Option<Outline>, StoreError> {
        measured("outline", self.0.outline(key)).await
    }

    async fn replace(
        &self,
        key: &SessionKey,
        seen: Revision,
        sealed: &Sealed,
    ) -> Result<Replaced, StoreError> {
        measured("replace", self.0.replace(key, seen, sealed)).await
    }

    async fn touch(
        &self,
        key: &SessionKey,
        last_used_at: UnixTime,
        garbage_from: UnixTime,
    ) -> Result<Touched, StoreError> {
        measured("touch", self.0.touch(key, last_used_at, garbage_from)).await
    }

    async fn end(&self, key: &SessionKey) -> Result<Ended, StoreError> {
        measured("end", self.0.end(key)).await
    }

    async fn end_at(&self, key: &SessionKey, seen: Revision) -> Result<Ended, StoreError> {
        measured("end_at", self.0.end_at(key, seen)).await
    }

    async fn sessions_of(&self, index: &IndexKey) -> Result<Vec<SessionKey>, StoreError> {
        measured("sessions_of", self.0.sessions_of(index)).await
    }

    async fn all_sessions(&self, from: Option<&str>) -> Result<Page, StoreError> {
        measured("all_sessions", self.0.all_sessions(from)).await
    }

    async fn lease(
        &self,
        key: &SessionKey,
        seen: Revision,
        holder: &LeaseHolder,
        length: Duration,
    ) -> Result<Leased, StoreError> {
        measured("lease", self.0.lease(key, seen, holder, length)).await
    }

    async fn renew_lease(
        &self,
        key: &SessionKey,
        holder: &LeaseHolder,
        length: Duration,
    ) -> Result<bool, StoreError> {
        measured("renew_lease", self.0.renew_lease(key, holder, length)).await
    }

    async fn release_lease(
        &self,
        key: &SessionKey,
        holder: &LeaseHolder,
        outcome: &LeaseOutcome,
    ) -> Result<(), StoreError> {
        measured("release_lease", self.0.release_lease(key, holder, outcome)).await
    }

    fn listen(&self, listener: Arc<dyn ChangeListener>) {
        self.0.listen(listener);
    }

    async fn session_of(&self, ticket: &RecordKey) -> Result<Option<SessionKey>, StoreError> {
        measured("session_of", self.0.session_of(ticket)).await
    }

    async fn drop_ticket(&self, ticket: &RecordKey) -> Result<(), StoreError> {
        measured("drop_ticket", self.0.drop_ticket(ticket)).await
    }

    async fn claim(&self, mark: &Mark, until: UnixTime) -> Result<Claimed, StoreError> {
        measured("claim", self.0.claim(mark, until)).await
    }

    async fn is_claimed(&self, mark: &Mark) -> Result<bool, StoreError> {
        measured("is_claimed", self.0.is_claimed(mark)).await
    }

    async fn note_logout(&self, index: &IndexKey, at: UnixTime, until: UnixTime) -> Result<(), StoreError> {
        measured("note_logout", self.0.note_logout(index, at, until)).await
    }

    async fn noted_logout(&self, index: &IndexKey) -> Result<Option<UnixTime>, StoreError> {
        measured("noted_logout", self.0.noted_logout(index)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        measured("check", self.0.check()).await
    }

    async fn close(&self) {
        self.0.close().await;
    }
}
