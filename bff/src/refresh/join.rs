use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::time::Instant;

use super::outcome::RefreshError;
use crate::background::Background;

/// How many failures are remembered at least before those that are over are cleared out.
const FAILURES_BEFORE_CLEARING: usize = 1_024;

pub(super) type Joined<T> = Shared<BoxFuture<'static, Result<T, RefreshError>>>;

#[derive(Debug)]
enum Attempt<T> {
    Running(Joined<T>),
    /// Nobody asks for this again before this instant.
    Failed(Instant, RefreshError),
}

#[derive(Debug)]
struct Attempts<K, T> {
    of: HashMap<K, Attempt<T>>,
    /// How many there may be before those that are over are cleared out: twice what was left the last time, so that clearing
    /// costs each of them a constant share.
    clear_at: usize,
}

/// Has whoever wants the same thing wait for one attempt to get it, which runs in a task of its own.
///
/// A failure is remembered here for as long as it is to be, so that those who come meanwhile cost nobody anything. The store
/// remembers one of the provider as a whole for the other nodes.
#[derive(Debug)]
pub(super) struct Joins<K, T> {
    attempts: Arc<Mutex<Attempts<K, T>>>,
    background: Background,
}

impl<K, T> Joins<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    pub(super) fn new(background: Background) -> Self {
        Self {
            attempts: Arc::new(Mutex::new(Attempts {
                of: HashMap::new(),
                clear_at: FAILURES_BEFORE_CLEARING,
            })),
            background,
        }
    }

    /// Joins the attempt that runs, or starts one.
    pub(super) fn join<A>(&self, key: K, attempt: impl FnOnce() -> A) -> Joined<T>
    where
        A: Future<Output = Result<T, RefreshError>> + Send + 'static,
    {
        let now = Instant::now();
        let mut attempts = held(&self.attempts);
        match attempts.of.get(&key) {
            // One that has ended without removing itself was abandoned: a new one takes its place.
            Some(Attempt::Running(joined)) if joined.peek().is_none() => return joined.clone(),
            Some(Attempt::Failed(until, error)) if now < *until => {
                return failed(error.clone().with_retry_after(*until - now));
            }
            _ => {}
        }
        attempts.clear_out(now);
        let (attempt, noted) = (attempt(), (Arc::clone(&self.attempts), key.clone()));
        let task = self.background.spawn(async move {
            let outcome = attempt.await;
            let (attempts, key) = noted;
            let remembered = outcome.as_ref().err().and_then(RefreshError::to_remember);
            let mut attempts = held(&attempts);
            if let Some((retry_after, error)) = remembered {
                let until = Instant::now() + retry_after;
                attempts.of.insert(key, Attempt::Failed(until, error));
            } else {
                attempts.of.remove(&key);
            }
            drop(attempts);
            outcome
        });
        let joined = task
            .map(|ended| ended.unwrap_or(Err(RefreshError::Abandoned)))
            .boxed()
            .shared();
        attempts.of.insert(key, Attempt::Running(joined.clone()));
        joined
    }
}

impl<K: Eq + Hash, T> Attempts<K, T> {
    fn clear_out(&mut self, now: Instant) {
        if self.of.len() < self.clear_at {
            return;
        }
        self.of.retain(|_, attempt| match attempt {
            Attempt::Running(_) => true,
            Attempt::Failed(until, _) => now < *until,
        });
        self.clear_at = FAILURES_BEFORE_CLEARING.max(2 * self.of.len());
    }
}

/// An attempt that has failed already.
pub(super) fn failed<T: Clone + Send + Sync + 'static>(error: RefreshError) -> Joined<T> {
    async move { Err(error) }.boxed().shared()
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn refused() -> RefreshError {
        RefreshError::Provider {
            cause: "it is not available".to_owned(),
            oauth_error: None,
            retry_after: MINUTE,
        }
    }

    /// Asks once, for what `error` will come of it; and how often anybody was asked so far.
    async fn asked(joins: &Joins<u8, ()>, times: &Arc<AtomicUsize>, error: RefreshError) -> RefreshError {
        let times = Arc::clone(times);
        let joined = joins.join(1, || async move {
            times.fetch_add(1, Ordering::SeqCst);
            Err(error)
        });
        joined.await.unwrap_err()
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_while_the_provider_is_left_alone_costs_nothing() {
        let joins = Joins::<u8, ()>::new(Background::current());
        let times = Arc::default();
        assert!(matches!(
            asked(&joins, &times, refused()).await,
            RefreshError::Provider { .. }
        ));
        tokio::time::advance(MINUTE / 2).await;
        for _ in 0..20 {
            match asked(&joins, &times, refused()).await {
                RefreshError::HeldOff { retry_after, .. } => assert!(retry_after <= MINUTE / 2),
                other => panic!("{other}"),
            }
        }
        assert_eq!(times.load(Ordering::SeqCst), 1);

        tokio::time::advance(MINUTE / 2).await;
        asked(&joins, &times, refused()).await;
        assert_eq!(times.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_of_the_store_is_not_remembered() {
        let joins = Joins::<u8, ()>::new(Background::current());
        let times = Arc::default();
        for _ in 0..3 {
            asked(&joins, &times, RefreshError::Session("down".to_owned())).await;
        }
        assert_eq!(times.load(Ordering::SeqCst), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_that_are_over_are_cleared_out() {
        let joins = Joins::<usize, ()>::new(Background::current());
        for key in 0..3 * FAILURES_BEFORE_CLEARING {
            if key % FAILURES_BEFORE_CLEARING == 0 {
                tokio::time::advance(MINUTE).await;
            }
            let _ = joins.join(key, || async { Err(refused()) }).await;
        }
        let left = held(&joins.attempts).of.len();
        assert!(left <= 2 * FAILURES_BEFORE_CLEARING, "{left}");
    }
}
