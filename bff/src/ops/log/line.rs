//! How a line of the log looks: as `tracing-subscriber` writes it, with a third of its work.
//!
//! The library formats through some hundred small steps, most of them for colours that are off. Here what holds nothing
//! to escape is copied; whatever else there is goes to the library, which alone knows how to make it harmless.

mod json;
mod text;

use std::fmt::{self, Write};
use std::time::SystemTime;

use tracing::Metadata;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

pub(super) use self::json::Json;
pub(super) use self::text::Text;

/// Room for a usual line.
const USUAL: usize = 320;

/// The time of day, to the microsecond.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now;

impl FormatTime for Now {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        #[expect(
            clippy::disallowed_methods,
            reason = "a log tells when it was written; nothing is decided by it"
        )]
        let now = SystemTime::now();
        // A clock before 1970 is no reason to panic.
        let now = humantime::format_rfc3339_micros(now.max(SystemTime::UNIX_EPOCH));
        write!(writer, "{now}")
    }
}

/// Whether an event came by the crate `log`: its target and level are hidden in fields, where the library finds them.
fn is_of_log(metadata: &Metadata<'_>) -> bool {
    metadata.target() == "log"
}

/// Whether a text means the same in quotes and without, in both formats.
fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\')
}

/// Copies pieces of text that are plain, and hands on the others.
struct Pieces<'a, E> {
    line: &'a mut String,
    escape: E,
}

impl<E: FnMut(&mut String, &str) -> fmt::Result> Write for Pieces<'_, E> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if is_plain(piece) {
            self.line.push_str(piece);
            return Ok(());
        }
        (self.escape)(self.line, piece)
    }
}

#[cfg(test)]
mod tests;
