//! Whether a session still lives, asked for as long as something goes on in its name: a WebSocket, a stream of events, a
//! long download.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::OpenSession;
use super::registry::SessionRegistry;

/// How often time itself is looked at: the session's end, and whether news still come.
const TICK: Duration = Duration::from_secs(1);

/// Why nothing more may be done in the name of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// It has ended, wherever and however.
    Ended,
    /// Nobody could say for too long whether it lives.
    Unvouched,
}

/// That a session was used since this was last looked at.
#[derive(Debug, Clone, Default)]
pub struct Uses(Arc<AtomicBool>);

impl Uses {
    /// It is used now.
    pub fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn are_new(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl SessionRegistry {
    /// Waits until a session is over; uses that are noted meanwhile are written down, as those of requests are.
    ///
    /// Its end is heard, or seen on the clock. While news come and the clock says nothing, no store is asked. A store
    /// that does not answer is no end: for `grace`, what was known last holds.
    pub async fn over(&self, session: OpenSession, uses: &Uses, grace: Duration) -> Over {
        let mut latest = session;
        let mut unvouched_since = None;
        loop {
            // Before the look, so that what happens during it is heard.
            let mut waiting = self.changes().wait_for(&latest.key);
            let is_used = uses.take();
            match self.find(&latest.id, &latest.key, is_used).await {
                Ok(None) => return Over::Ended,
                Ok(Some(found)) => {
                    latest = found;
                    unvouched_since = None;
                }
                // However often it was used elsewhere, it does not outlive this.
                Err(_) if self.now() >= latest.times.ends_at => return Over::Ended,
                Err(_) => {
                    if is_used {
                        uses.note();
                    }
                    let since = *unvouched_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= grace {
                        return Over::Unvouched;
                    }
                }
            }
            loop {
                tokio::select! {
                    () = waiting.change() => break,
                    () = sleep(TICK) => {}
                }
                let is_told = Instant::now() < self.changes().told_until();
                let holds = is_told && unvouched_since.is_none() && self.now() < latest.lives_until;
                if uses.are_new() || !holds {
                    break;
                }
            }
        }
    }
}
