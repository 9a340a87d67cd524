//! Streams of HTTP/2 whose client takes nothing of its answer.
//!
//! Over HTTP/1.1 such a client leaves its socket full, which its connection notices. Over HTTP/2 the socket goes on, and a
//! client that grants no window keeps an answer, the upstream behind it and its buffers for as long as it likes: hyper
//! waits for room and does not ask for more of the body. So each stream has a watch of its own, and only it is reset.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

tokio::task_local! {
    static OF_THIS_STREAM: Rc<Stall>;
}

/// Since when what a stream has to say is not taken.
#[derive(Debug, Default)]
pub(super) struct Stall(Cell<Option<Instant>>);

impl Stall {
    /// That of the stream which runs this.
    pub(super) fn of_this_stream() -> Rc<Self> {
        OF_THIS_STREAM.try_with(Rc::clone).unwrap_or_default()
    }

    /// There is something to be taken.
    pub(super) fn offer(&self) {
        self.0.set(Some(Instant::now()));
    }

    /// It was taken, and the next piece asked for.
    pub(super) fn note_taken(&self) {
        self.0.set(None);
    }

    /// Waits until something was not taken for this long; it may notice as much later.
    async fn lasts(&self, patience: Duration) {
        loop {
            match self.0.get().map(|since| since + patience) {
                Some(due) if due <= Instant::now() => return,
                Some(due) => sleep_until(due).await,
                None => sleep(patience).await,
            }
        }
    }
}

/// Runs a stream until its end, or until its client has taken nothing for this long. Says whether it came to its end.
pub(super) async fn watched(stream: impl Future, patience: Duration) -> bool {
    let stall = Rc::new(Stall::default());
    let stream = OF_THIS_STREAM.scope(Rc::clone(&stall), stream);
    tokio::select! {
        _ = stream => true,
        () = stall.lasts(patience) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const SHORT: Duration = Duration::from_millis(5);

    #[tokio::test]
    async fn a_stream_whose_answer_is_not_taken_ends() {
        let stalled = async {
            Stall::of_this_stream().offer();
            pending::<()>().await;
        };
        assert!(!watched(stalled, SHORT).await);
    }

    #[tokio::test]
    async fn a_stream_that_waits_for_its_upstream_goes_on() {
        let waiting = async {
            let stall = Stall::of_this_stream();
            stall.offer();
            stall.note_taken();
            // Many times as long as it would be given.
            sleep(20 * SHORT).await;
        };
        assert!(watched(waiting, SHORT).await);
    }
}
