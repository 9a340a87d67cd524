use std::fmt::{self, Debug, Display, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::VisitOutput;
use tracing_subscriber::fmt::format::{DefaultFields, DefaultVisitor, Format, Full, Writer};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::{Pieces, USUAL, is_of_log, is_plain};

/// Lines for people.
#[derive(Debug)]
pub(in super::super) struct Text<T> {
    time: T,
    /// For terminals, which show colours, and for what the crate `log` tells.
    library: Format<Full, T>,
}

impl<T: Copy> Text<T> {
    pub(in super::super) fn new(time: T) -> Self {
        let library = Format::default().with_timer(time);
        Self { time, library }
    }
}

impl<S, T> FormatEvent<S, DefaultFields> for Text<T>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    T: FormatTime,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, DefaultFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        if writer.has_ansi_escapes() || is_of_log(metadata) {
            return self.library.format_event(context, writer, event);
        }
        let mut line = String::with_capacity(USUAL);
        self.time.format_time(&mut Writer::new(&mut line))?;
        line.push_str(word(*metadata.level()));
        if let Some(scope) = context.event_scope() {
            for span in scope.from_root() {
                line.push_str(span.metadata().name());
                let extensions = span.extensions();
                let fields = extensions.get::<FormattedFields<DefaultFields>>();
                if let Some(fields) = fields.filter(|fields| !fields.is_empty()) {
                    line.push('{');
                    line.push_str(fields);
                    line.push('}');
                }
                line.push(':');
            }
            line.push(' ');
        }
        line.push_str(metadata.target());
        line.push_str(": ");
        let mut fields = Fields {
            line: &mut line,
            is_empty: true,
            result: Ok(()),
        };
        event.record(&mut fields);
        fields.result?;
        line.push('\n');
        writer.write_str(&line)
    }
}

/// In one width.
fn word(level: Level) -> &'static str {
    match level {
        Level::TRACE => " TRACE ",
        Level::DEBUG => " DEBUG ",
        Level::INFO => "  INFO ",
        Level::WARN => "  WARN ",
        Level::ERROR => " ERROR ",
    }
}

struct Fields<'a> {
    line: &'a mut String,
    is_empty: bool,
    result: fmt::Result,
}

impl Fields<'_> {
    fn by_library(&mut self, record: impl FnOnce(&mut DefaultVisitor<'_>)) {
        let length = self.line.len();
        let mut visitor = DefaultVisitor::new(Writer::new(self.line), self.is_empty);
        record(&mut visitor);
        self.result = self.result.and(visitor.finish());
        // It leaves some fields out.
        self.is_empty &= self.line.len() == length;
    }

    fn space(&mut self) {
        if !self.is_empty {
            self.line.push(' ');
        }
        self.is_empty = false;
    }

    fn name(&mut self, field: &Field) {
        self.space();
        self.line.push_str(field.name());
        self.line.push('=');
    }

    fn number(&mut self, field: &Field, value: impl Display + Debug) {
        if has_its_way(field) {
            return self.by_library(|library| library.record_debug(field, &value));
        }
        self.name(field);
        self.result = self.result.and(write!(self.line, "{value}"));
    }
}

/// The message has no name, and other names are not shown as they are.
fn has_its_way(field: &Field) -> bool {
    let name = field.name();
    name == "message" || name.starts_with("r#") || name.starts_with("log.")
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if has_its_way(field) || !is_plain(value) {
            return self.by_library(|library| library.record_str(field, value));
        }
        self.name(field);
        self.line.push('"');
        self.line.push_str(value);
        self.line.push('"');
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.by_library(|library| library.record_error(field, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() != "message" {
            return self.by_library(|library| library.record_debug(field, value));
        }
        self.space();
        let escape = |line: &mut String, piece: &str| {
            let mut visitor = DefaultVisitor::new(Writer::new(line), true);
            visitor.record_str(field, piece);
            visitor.finish()
        };
        let mut pieces = Pieces {
            line: self.line,
            escape,
        };
        self.result = self.result.and(write!(pieces, "{value:?}"));
    }
}
