//! Who writes the lines: those of the access log gather for a moment, any other is written at once.

use std::io::{self, Stderr, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// The target of the lines of which there is one for each request.
const ACCESS: &str = "bff::access";

/// How much is written in one piece: what a pipe takes whole (`PIPE_BUF`), so that no other process that writes to the
/// same one tears a line.
const PIECE: usize = 4096;

/// How long a line of the access log may wait for others.
const PAUSE: Duration = Duration::from_millis(100);

/// Writes lines in the order in which they come.
///
/// A line that is not of the access log, or is a warning, is with the operating system when its event is over, and so
/// is all that waited before it. What cannot be written is lost: there is nobody left to tell.
#[derive(Debug)]
pub(super) struct Lines<W>(Arc<Shared<W>>);

impl<W> Clone for Lines<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct Shared<W> {
    waiting: Mutex<Waiting<W>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Waiting<W> {
    lines: Vec<u8>,
    out: W,
    /// Nobody comes any more to write what waits.
    ended: bool,
}

/// Has the lines that wait written, in time, as long as it lives. When it is dropped they are written, and none waits
/// from then on.
#[derive(Debug)]
#[must_use = "the last lines of the access log are written when this is dropped"]
pub struct Flusher<W: Write = Stderr> {
    lines: Lines<W>,
    thread: Option<JoinHandle<()>>,
}

/// Who writes to this, and who sees that nothing waits for long.
pub(super) fn lines<W: Write + Send + 'static>(out: W) -> (Lines<W>, Flusher<W>) {
    let waiting = Waiting {
        lines: Vec::with_capacity(2 * PIECE),
        out,
        ended: false,
    };
    let lines = Lines(Arc::new(Shared {
        waiting: Mutex::new(waiting),
        changed: Condvar::new(),
    }));
    let own = lines.clone();
    let thread = thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || own.write_in_time());
    if thread.is_err() {
        lines.lock().end();
    }
    let thread = thread.ok();
    (lines.clone(), Flusher { lines, thread })
}

impl<W: Write> Lines<W> {
    /// A panic while a line was written leaves the lines whole.
    fn lock(&self) -> MutexGuard<'_, Waiting<W>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: &[u8], may_wait: bool) {
        let first = {
            let mut waiting = self.lock();
            let first = waiting.lines.is_empty();
            waiting.add(line);
            if !may_wait || waiting.ended {
                waiting.write();
            }
            first && !waiting.lines.is_empty()
        };
        if first {
            self.0.changed.notify_one();
        }
    }

    /// Sleeps while nothing waits.
    fn write_in_time(&self) {
        let mut waiting = self.lock();
        loop {
            let changed = &self.0.changed;
            waiting = changed
                .wait_while(waiting, |waiting| waiting.lines.is_empty() && !waiting.ended)
                .unwrap_or_else(PoisonError::into_inner);
            (waiting, _) = changed
                .wait_timeout_while(waiting, PAUSE, |waiting| !waiting.ended)
                .unwrap_or_else(PoisonError::into_inner);
            if waiting.ended {
                return;
            }
            waiting.write();
        }
    }
}

impl<W: Write> Waiting<W> {
    fn add(&mut self, line: &[u8]) {
        if self.lines.len() + line.len() > PIECE {
            self.write();
        }
        self.lines.extend_from_slice(line);
    }

    fn write(&mut self) {
        if !self.lines.is_empty() {
            // Taken out first: what panics half-way is not written again.
            let mut lines = std::mem::take(&mut self.lines);
            drop(self.out.write_all(&lines).and_then(|()| self.out.flush()));
            lines.clear();
            self.lines = lines;
        }
    }

    fn end(&mut self) {
        self.ended = true;
        self.write();
    }
}

impl<W: Write> Drop for Flusher<W> {
    fn drop(&mut self) {
        self.lines.lock().end();
        self.lines.0.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Writes the one line of an event.
#[derive(Debug)]
pub(super) struct Line<'w, W> {
    lines: &'w Lines<W>,
    may_wait: bool,
}

impl<W: Write> Write for Line<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.lines.add(line, self.may_wait);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w, W: Write + 'w> MakeWriter<'w> for Lines<W> {
    type Writer = Line<'w, W>;

    fn make_writer(&'w self) -> Line<'w, W> {
        Line {
            lines: self,
            may_wait: false,
        }
    }

    fn make_writer_for(&'w self, of: &Metadata<'_>) -> Line<'w, W> {
        Line {
            lines: self,
            may_wait: of.target() == ACCESS && *of.level() >= Level::INFO,
        }
    }
}

#[cfg(test)]
mod tests;
