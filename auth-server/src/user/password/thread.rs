//! Where passwords are hashed: beside the threads that serve requests, and behind them.

use tokio::sync::oneshot;

use super::HashingError;

/// The niceness of a hash (setpriority(2)): a tenth of what a thread of requests gets where both want the same core.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Does the work of a hash in a thread of its own, which costs a thousandth of the hash, and gives way to requests: a flood of
/// sign-ins then delays the refreshes of those who are signed in by next to nothing. What is held is given back when the work
/// is done, whether somebody still waits for it or not.
///
/// # Errors
/// [`HashingError::Interrupted`] when there is no thread to be had, or the work panics; else that of the work.
pub(super) async fn run<T: Send + 'static>(
    held: impl Send + 'static,
    work: impl FnOnce() -> Result<T, HashingError> + Send + 'static,
) -> Result<T, HashingError> {
    let (done, outcome) = oneshot::channel();
    std::thread::Builder::new()
        .name("password hash".to_owned())
        .spawn(move || {
            give_way();
            let outcome = work();
            drop(held);
            // Who asked may have gone away.
            done.send(outcome).ok();
        })
        .map_err(|_| HashingError::Interrupted)?;
    outcome.await.map_err(|_| HashingError::Interrupted)?
}

/// Elsewhere threads have no niceness of their own, and hashes compete like everything else.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS) {
        tracing::debug!(%error, "a hash could not be made to give way");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt as _;
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn a_hash_keeps_its_places_when_nobody_waits_for_it_any_more() {
        let places = Arc::new(Semaphore::new(1));
        let place = places.clone().acquire_owned().await.unwrap();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let asked = run(place, move || gate.recv().map_err(|_| HashingError::Interrupted));
        assert!(asked.now_or_never().is_none());
        assert_eq!(places.available_permits(), 0, "though it was given up");
        open.send(()).unwrap();
        places.acquire().await.unwrap().forget();
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_hash_gives_way_and_the_others_do_not() {
        let niceness = || rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap();
        let before = niceness();
        let of_hash = run((), move || Ok(niceness())).await.unwrap();
        assert_eq!(of_hash, NICENESS);
        assert_eq!(niceness(), before);
    }

    #[tokio::test]
    async fn work_that_panics_is_interrupted() {
        let outcome = run((), || -> Result<(), _> { panic!("on purpose") }).await;
        assert!(matches!(outcome, Err(HashingError::Interrupted)));
    }
}
