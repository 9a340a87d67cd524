//! Waiting with an end.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// Longer than anything takes that is not stuck.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something that is about to happen, and says what did not.
///
/// # Panics
/// When it does not happen.
pub async fn within_patience<T>(what: &str, event: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, event).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} in vain: {what}"),
    }
}

/// Asks again until the answer is there. Only for what gives no signal: another process, or a task of a server that
/// nobody answers for.
///
/// # Panics
/// When it stays absent.
pub async fn eventually<T, F>(what: &str, ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    eventually_within(PATIENCE, what, ask).await
}

/// As [`eventually`], for what takes its time by design.
///
/// # Panics
/// When it stays absent.
pub async fn eventually_within<T, F>(patience: Duration, what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let give_up = Instant::now() + patience;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < give_up, "waited {patience:?} in vain: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
