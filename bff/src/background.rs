//! Work that outlives the request which began it.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Runs what must not be cancelled with the request that began it: refreshes, revocations, connections.
///
/// Tasks run on the program's own runtime, not on that of a worker, and [`Background::finish`] waits for them.
#[derive(Debug, Clone)]
pub struct Background {
    runtime: Handle,
    tracker: TaskTracker,
    stopping: CancellationToken,
}

impl Background {
    /// Runs tasks on the runtime of the caller.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn current() -> Self {
        Self {
            runtime: Handle::current(),
            tracker: TaskTracker::new(),
            stopping: CancellationToken::new(),
        }
    }

    /// Starts a task. Dropping the handle does not cancel it.
    pub fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.tracker.spawn_on(task, &self.runtime)
    }

    /// Runs something that has no end of its own, until [`Background::finish`].
    pub fn until_stopped(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stopping = self.stopping.clone();
        self.spawn(async move {
            let _ = stopping.run_until_cancelled(task).await;
        });
    }

    /// Waits until every task has ended, at most for `patience`; says whether they all did.
    pub async fn finish(&self, patience: Duration) -> bool {
        self.tracker.close();
        self.stopping.cancel();
        tokio::time::timeout(patience, self.tracker.wait()).await.is_ok()
    }
}
