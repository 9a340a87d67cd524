//! Keeps every log event of the process, so that no secret can pass into one unnoticed.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

/// What is kept: everything our crates say, and what the libraries say below their byte-level chatter; but not what the
/// harness's own HTML parser tells of the pages it reads, nor what a person types into a browser that it drives.
const FILTER: &str = "debug,bff=trace,auth_server=trace,resource_server=trace,html5ever=off,selectors=off,\
    thirtyfour=off";

static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    // Span fields are part of what an operator sees: they are written when the span opens.
    let layer = fmt::layer()
        .with_ansi(false)
        .with_span_events(FmtSpan::NEW)
        .with_writer(log.clone());
    tracing_subscriber::registry()
        .with(EnvFilter::new(FILTER))
        .with(layer)
        .init();
    log
});

#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// Writes the log of this process to a file, with its panics, for a harness that is another process.
///
/// # Errors
/// When the file cannot be made.
pub fn write_to(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().append(true).create(true).open(path)?;
    let layer = fmt::layer()
        .with_ansi(false)
        .with_span_events(FmtSpan::NEW)
        .with_writer(Arc::new(file));
    tracing_subscriber::registry()
        .with(EnvFilter::new(FILTER))
        .with(layer)
        .init();
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(())
}

/// The warnings and errors of a log.
pub(crate) fn warnings_in(log: &str) -> String {
    let lines = log
        .lines()
        .filter(|line| line.contains(" WARN ") || line.contains(" ERROR "));
    lines.collect::<Vec<_>>().join("\n")
}

/// The log from one moment on.
///
/// Tests of one process share the log, because a server's events come from whatever thread serves; what one test must
/// not find in it is random, so it does not matter that others write there too.
#[derive(Debug)]
pub struct Excerpt {
    from: usize,
}

impl Excerpt {
    /// Begins to keep the log, if nobody did so before, and notes where it stands.
    pub fn from_now_on() -> Self {
        Self {
            from: LOG.0.lock().unwrap().len(),
        }
    }

    /// What was logged since.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&LOG.0.lock().unwrap()[self.from..]).into_owned()
    }

    /// The warnings and errors since, for whoever has to understand a story that failed.
    pub fn warnings(&self) -> String {
        warnings_in(&self.text())
    }
}
