use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use resource_server::time::{Clock, UnixTime};

use super::outcome::RefreshError;
use crate::background::Background;

/// How many failures are remembered before those that are over are cleared out.
const FAILURES_BEFORE_CLEARING: usize = 1_024;

pub(super) type Joined<T> = Shared<BoxFuture<'static, Result<T, RefreshError>>>;

#[derive(Debug)]
enum Attempt<T> {
    Running(Joined<T>),
    /// Nobody asks for this again before this instant.
    Failed(UnixTime, RefreshError),
}

/// Has whoever wants the same thing wait for one attempt to get it, which runs in a task of its own.
///
/// A failure that concerns only what was asked for ([`RefreshError::Target`]) is remembered here. One of the provider as a
/// whole is remembered by the store, for all nodes.
#[derive(Debug)]
pub(super) struct Joins<K, T> {
    attempts: Arc<Mutex<HashMap<K, Attempt<T>>>>,
    clock: Arc<dyn Clock>,
    background: Background,
}

impl<K, T> Joins<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    pub(super) fn new(clock: Arc<dyn Clock>, background: Background) -> Self {
        Self {
            attempts: Arc::default(),
            clock,
            background,
        }
    }

    /// Joins the attempt that runs, or starts one.
    pub(super) fn join<A>(&self, key: K, attempt: impl FnOnce() -> A) -> Joined<T>
    where
        A: Future<Output = Result<T, RefreshError>> + Send + 'static,
    {
        let now = self.clock.now();
        let mut attempts = held(&self.attempts);
        match attempts.get(&key) {
            // One that has ended without removing itself was abandoned: a new one takes its place.
            Some(Attempt::Running(joined)) if joined.peek().is_none() => return joined.clone(),
            Some(Attempt::Failed(until, error)) if now < *until => return failed(error.clone()),
            _ => {}
        }
        if attempts.len() >= FAILURES_BEFORE_CLEARING {
            attempts.retain(|_, attempt| !matches!(attempt, Attempt::Failed(until, _) if *until <= now));
        }
        let (attempt, noted) = (attempt(), (Arc::clone(&self.attempts), key.clone()));
        let clock = Arc::clone(&self.clock);
        let task = self.background.spawn(async move {
            let outcome = attempt.await;
            let (attempts, key) = noted;
            let mut attempts = held(&attempts);
            match &outcome {
                Err(error @ RefreshError::Target { retry_after, .. }) => {
                    attempts.insert(key, Attempt::Failed(clock.now() + *retry_after, error.clone()));
                }
                _ => drop(attempts.remove(&key)),
            }
            drop(attempts);
            outcome
        });
        let joined = task
            .map(|ended| ended.unwrap_or(Err(RefreshError::Abandoned)))
            .boxed()
            .shared();
        attempts.insert(key, Attempt::Running(joined.clone()));
        joined
    }
}

/// An attempt that has failed already.
pub(super) fn failed<T: Clone + Send + Sync + 'static>(error: RefreshError) -> Joined<T> {
    async move { Err(error) }.boxed().shared()
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
