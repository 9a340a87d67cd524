//! A store in memory that tells what it is asked, can be slow or down, and brings news when a test says so: what other
//! nodes do is done to it directly.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use super::*;
use crate::session::RecordKey;
use crate::session::index::IndexKey;
use crate::session::store::{
    Claimed, LeaseHolder, LeaseOutcome, Leased, Mark, Outline, Page, Sealed, StoreError, Touched,
};

#[derive(Debug, Default)]
pub(super) struct FakeStore {
    pub(super) sessions: Mutex<HashMap<SessionKey, Stored>>,
    tickets: Mutex<HashMap<RecordKey, SessionKey>>,
    pub(super) listener: OnceLock<Arc<dyn ChangeListener>>,
    pub(super) is_down: AtomicBool,
    /// Answers are read, and then wait for a permit.
    pub(super) slow: AtomicBool,
    pub(super) permits: tokio::sync::Notify,
    pub(super) loads: AtomicUsize,
    pub(super) touches: AtomicUsize,
}

impl FakeStore {
    pub(super) fn news(&self) -> &dyn ChangeListener {
        &**self.listener.get().unwrap()
    }

    fn asked(&self) -> Result<(), StoreError> {
        if self.is_down.load(Ordering::SeqCst) {
            return Err(StoreError::Unreachable(anyhow::anyhow!("down")));
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl SessionStore for FakeStore {
    async fn create(&self, new: &NewSession) -> Result<Created, StoreError> {
        self.asked()?;
        self.sessions
            .lock()
            .unwrap()
            .insert(new.key.clone(), new.stored.clone());
        self.tickets
            .lock()
            .unwrap()
            .insert(new.ticket.clone(), new.key.clone());
        Ok(Created::Now)
    }

    async fn load(&self, key: &SessionKey) -> Result<Option<Stored>, StoreError> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        self.asked()?;
        let read = self.sessions.lock().unwrap().get(key).cloned();
        if self.slow.load(Ordering::SeqCst) {
            self.permits.notified().await;
        }
        Ok(read)
    }

    async fn outline(&self, key: &SessionKey) -> Result<Option<Outline>, StoreError> {
        let stored = self.load(key).await?;
        Ok(stored.map(|Stored { times, summary, .. }| Outline { times, summary }))
    }

    async fn replace(
        &self,
        key: &SessionKey,
        seen: Revision,
        sealed: &Sealed,
    ) -> Result<Replaced, StoreError> {
        self.asked()?;
        let mut sessions = self.sessions.lock().unwrap();
        let Some(stored) = sessions.get_mut(key) else {
            return Ok(Replaced::SessionEnded);
        };
        if stored.revision != seen {
            return Ok(Replaced::LostTo(stored.clone()));
        }
        stored.revision = seen.next();
        stored.sealed = sealed.clone();
        Ok(Replaced::Now(stored.revision))
    }

    async fn touch(&self, key: &SessionKey, at: UnixTime, _: UnixTime) -> Result<Touched, StoreError> {
        self.touches.fetch_add(1, Ordering::SeqCst);
        self.asked()?;
        let mut sessions = self.sessions.lock().unwrap();
        let Some(stored) = sessions.get_mut(key) else {
            return Ok(Touched::SessionEnded);
        };
        stored.times.last_used_at = stored.times.last_used_at.max(at);
        Ok(Touched::Now)
    }

    async fn end(&self, key: &SessionKey) -> Result<Ended, StoreError> {
        self.asked()?;
        let ended = self.sessions.lock().unwrap().remove(key);
        Ok(ended.map_or(Ended::Before, |_| Ended::Now))
    }

    async fn end_at(&self, key: &SessionKey, seen: Revision) -> Result<Ended, StoreError> {
        let stored = self.sessions.lock().unwrap().get(key).cloned();
        match stored {
            Some(stored) if stored.revision != seen => Ok(Ended::LostTo(stored)),
            _ => self.end(key).await,
        }
    }

    async fn session_of(&self, ticket: &RecordKey) -> Result<Option<SessionKey>, StoreError> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        self.asked()?;
        Ok(self.tickets.lock().unwrap().get(ticket).cloned())
    }

    async fn drop_ticket(&self, ticket: &RecordKey) -> Result<(), StoreError> {
        self.asked()?;
        self.tickets.lock().unwrap().remove(ticket);
        Ok(())
    }

    fn listen(&self, listener: Arc<dyn ChangeListener>) {
        self.listener.set(listener).unwrap();
    }

    async fn sessions_of(&self, _: &IndexKey) -> Result<Vec<SessionKey>, StoreError> {
        unreachable!("finding asks for no index")
    }

    async fn all_sessions(&self, _: Option<&str>) -> Result<Page, StoreError> {
        unreachable!("finding walks over nothing")
    }

    async fn lease(
        &self,
        _: &SessionKey,
        _: Revision,
        _: &LeaseHolder,
        _: std::time::Duration,
    ) -> Result<Leased, StoreError> {
        unreachable!("finding needs no lease")
    }

    async fn renew_lease(
        &self,
        _: &SessionKey,
        _: &LeaseHolder,
        _: std::time::Duration,
    ) -> Result<bool, StoreError> {
        unreachable!("finding needs no lease")
    }

    async fn release_lease(
        &self,
        _: &SessionKey,
        _: &LeaseHolder,
        _: &LeaseOutcome,
    ) -> Result<(), StoreError> {
        unreachable!("finding needs no lease")
    }

    async fn claim(&self, _: &Mark, _: UnixTime) -> Result<Claimed, StoreError> {
        unreachable!("finding claims nothing")
    }

    async fn is_claimed(&self, _: &Mark) -> Result<bool, StoreError> {
        unreachable!("finding claims nothing")
    }

    async fn note_logout(&self, _: &IndexKey, _: UnixTime, _: UnixTime) -> Result<(), StoreError> {
        unreachable!("finding notes nothing")
    }

    async fn noted_logout(&self, _: &IndexKey) -> Result<Option<UnixTime>, StoreError> {
        unreachable!("finding asks for no note")
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.asked()
    }

    async fn close(&self) {}
}
