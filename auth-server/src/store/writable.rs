//! Whether anything can be written: a full disk and a file that has become read-only still answer every question.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Store, StoreError};

/// How long a write that went well is taken for a sign that the next one will.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// How many times a database has failed in this process, whichever statement it was: each of them is a reason to look
/// anew, and none of the statements has to know that.
static FAILURES: AtomicU64 = AtomicU64::new(0);

/// When it did so last.
static LAST_FAILURE: Mutex<Option<Instant>> = Mutex::new(None);

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        FAILURES.fetch_add(1, Ordering::Relaxed);
        *LAST_FAILURE.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Self::Query(error)
    }
}

/// Whether a database has failed in this process since then.
pub(super) fn has_failed_within(span: Duration) -> bool {
    let last = *LAST_FAILURE.lock().unwrap_or_else(PoisonError::into_inner);
    last.is_some_and(|last| last.elapsed() <= span)
}

/// The last time that a write was tried for its own sake and went well.
#[derive(Debug, Default)]
pub(super) struct LastProof(Mutex<Option<Proof>>);

#[derive(Debug, Clone, Copy)]
struct Proof {
    at: Instant,
    /// What [`FAILURES`] was before.
    failures: u64,
}

impl Store {
    /// Whether the database answers and takes what is written.
    ///
    /// It is asked often, so it writes seldom: at first, once a minute, and after a failure until it goes well again.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) async fn check_writable(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.reader).await?;
        let failures = FAILURES.load(Ordering::Relaxed);
        let last = *self.last_proof.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.failures == failures && last.at.elapsed() < GOOD_FOR) {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO last_proof (id, written) VALUES (1, 1)
             ON CONFLICT (id) DO UPDATE SET written = last_proof.written + 1",
        )
        .execute(&self.writer)
        .await?;
        let proof = Proof {
            at: Instant::now(),
            failures,
        };
        *self.last_proof.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(proof);
        Ok(())
    }
}
