//! Where requests wait before they wait for the database, so that nobody's many keep others from it.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::db::number_of;
use super::{ACQUIRE_TIMEOUT, Store, StoreError};

/// How many turns there are for users and `sid`s, which share them: two that meet in one, of a thousand, wait for each
/// other without need.
const TURNS: usize = 1024;

/// The database's own queues are fair, so whoever stands in them with a thousand statements is served a thousand times
/// before the next: of what anybody can send as often as he likes few at a time stand there, and the others wait here.
#[derive(Debug)]
pub(super) struct Lanes {
    /// For attempts at passwords: half of the readers.
    pub(super) looks: Semaphore,
    /// The same: one place in the queue of the writer.
    pub(super) writes: Semaphore,
    /// For transactions that wait for each other anyway ([`super::db::hold_sid`]).
    turns: Vec<Semaphore>,
}

impl Lanes {
    pub(super) fn new() -> Self {
        Self {
            looks: Semaphore::new(2),
            writes: Semaphore::new(1),
            turns: (0..TURNS).map(|_| Semaphore::new(1)).collect(),
        }
    }
}

pub(super) async fn enter(lane: &Semaphore) -> Result<SemaphorePermit<'_>, StoreError> {
    match tokio::time::timeout(ACQUIRE_TIMEOUT, lane.acquire()).await {
        Ok(Ok(permit)) => Ok(permit),
        // A lane is never closed: this is the deadline.
        Ok(Err(_)) | Err(_) => Err(StoreError::Crowded),
    }
}

impl Store {
    /// One at a time for each user, or each `sid` where the user is not known. To be taken before a transaction begins that
    /// is going to hold a `sid` or a consent: on PostgreSQL each that waits for these occupies a connection, and one user's
    /// requests would occupy all. Whoever has a turn takes no other one.
    pub(super) async fn turn_of(&self, user_id_or_sid: &str) -> Result<SemaphorePermit<'_>, StoreError> {
        let number = number_of(user_id_or_sid).unsigned_abs();
        let index = usize::try_from(number % TURNS as u64).unwrap_or_default();
        match self.lanes.turns.get(index) {
            Some(turn) => enter(turn).await,
            None => Err(StoreError::Crowded),
        }
    }
}
