//! The program's log: one line an event, as text for people or JSON for machines. Never a token, a cookie, a code, a
//! query string or an e-mail address.

mod line;
mod writer;

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use self::line::{Json, Now, Text};
pub use self::writer::Flusher;
use crate::config::{LogConfig, LogFormat};

/// The target of the audit trail, which a filter leaves alone unless it names it.
const AUDIT: &str = "bff::audit";

/// Installs the subscriber of this process; a second call changes nothing. What it returns has to live as long as the
/// program.
pub fn install(config: &LogConfig) -> Flusher {
    let filter = with_audit(&config.filter);
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let (lines, flusher) = writer::lines(std::io::stderr());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(lines);
    let installed = match config.format {
        LogFormat::Text => builder.event_format(Text::new(Now)).try_init(),
        LogFormat::Json => builder.json().event_format(Json::new(Now)).try_init(),
    };
    drop(installed);
    flusher
}

/// Whoever wants fewer lines seldom wants no trail.
fn with_audit(filter: &str) -> String {
    let names_it = filter
        .split(',')
        .any(|directive| directive.trim().starts_with(AUDIT));
    if names_it {
        return filter.to_owned();
    }
    format!("{filter},{AUDIT}=info")
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Which of an audit event and another one pass a filter.
    fn passes(filter: &str) -> (bool, bool) {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(with_audit(filter)))
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "bff::audit", "of the trail");
            tracing::info!(target: "bff::other", "of something else");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        (text.contains("of the trail"), text.contains("of something else"))
    }

    #[test]
    fn the_audit_trail_stays_unless_the_filter_names_it() {
        assert_eq!(passes("info"), (true, true));
        assert_eq!(passes("warn"), (true, false));
        assert_eq!(passes("off"), (true, false));
        assert_eq!(passes("bff=error"), (true, false));
        assert_eq!(passes("info,bff::audit=off"), (false, true));
        assert_eq!(passes("bff::audit=error,info"), (false, true));
    }
}
