//! What this node hears of sessions that change, and who waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::SessionKey;
use super::store::{Change, ChangeListener};

/// Tells those who wait for a session that something happened to it, on whichever node.
#[derive(Debug)]
pub struct Changes {
    waiting: Mutex<HashMap<SessionKey, Arc<Notify>>>,
    trusted_until: Mutex<Instant>,
}

impl Default for Changes {
    /// Nothing is heard until the store says so.
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            trusted_until: Mutex::new(Instant::now()),
        }
    }
}

impl Changes {
    /// Begins to listen for changes of a session: whatever happens from now on wakes [`Waiting::change`], also if that is
    /// called later.
    #[must_use]
    pub fn wait_for(self: &Arc<Self>, key: &SessionKey) -> Waiting {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let notify = Arc::clone(waiting.entry(key.clone()).or_default());
        drop(waiting);
        Waiting {
            notified: Box::pin(Arc::clone(&notify).notified_owned()),
            notify: Some(notify),
            key: key.clone(),
            changes: Arc::clone(self),
        }
    }

    /// Until when what was told is all that happened.
    #[must_use]
    pub fn told_until(&self) -> Instant {
        *self.trusted_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChangeListener for Changes {
    fn changed(&self, change: &Change) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(notify) = waiting.get(change.session()) {
            notify.notify_waiters();
        }
    }

    /// Everybody looks again.
    fn missed(&self) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for notify in waiting.values() {
            notify.notify_waiters();
        }
    }

    fn trusted_until(&self, instant: Instant) {
        *self.trusted_until.lock().unwrap_or_else(PoisonError::into_inner) = instant;
    }
}

/// Somebody who waits for one session.
#[derive(Debug)]
pub struct Waiting {
    notified: std::pin::Pin<Box<tokio::sync::futures::OwnedNotified>>,
    notify: Option<Arc<Notify>>,
    key: SessionKey,
    changes: Arc<Changes>,
}

impl Waiting {
    /// Waits for the first change since [`Changes::wait_for`].
    pub async fn change(&mut self) {
        self.notified.as_mut().await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = self
            .changes
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        drop(self.notify.take());
        // The map's own and the one within the future that is dropped right after this.
        if waiting
            .get(&self.key)
            .is_some_and(|held| Arc::strong_count(held) <= 2)
        {
            waiting.remove(&self.key);
        }
    }
}
