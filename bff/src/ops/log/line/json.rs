use std::fmt::{self, Debug, Write};

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{self, Format, JsonFields, Writer};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::{Pieces, USUAL, is_of_log};

/// Lines for machines: one object each, the event's fields among its own.
#[derive(Debug)]
pub(in super::super) struct Json<T> {
    time: T,
    /// For what the crate `log` tells.
    library: Format<format::Json, T>,
}

impl<T: Copy> Json<T> {
    pub(in super::super) fn new(time: T) -> Self {
        let library = Format::default().json().flatten_event(true).with_timer(time);
        Self { time, library }
    }
}

impl<S, T> FormatEvent<S, JsonFields> for Json<T>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    T: FormatTime,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        if is_of_log(metadata) {
            return self.library.format_event(context, writer, event);
        }
        let mut line = String::with_capacity(USUAL);
        line.push_str("{\"timestamp\":\"");
        self.time.format_time(&mut Writer::new(&mut line))?;
        line.push_str("\",\"level\":\"");
        line.push_str(metadata.level().as_str());
        line.push('"');
        let mut fields = Fields {
            line: &mut line,
            result: Ok(()),
        };
        event.record(&mut fields);
        fields.result?;
        line.push_str(",\"target\":");
        quote(&mut line, metadata.target())?;
        let current = context.lookup_current();
        let parent = event.parent().and_then(|id| context.span(id));
        if let Some(span) = parent.as_ref().or(current.as_ref()) {
            line.push_str(",\"span\":");
            describe(&mut line, span)?;
            line.push_str(",\"spans\":[");
            if let Some(current) = current {
                list(&mut line, &current)?;
            }
            line.push(']');
        }
        line.push_str("}\n");
        writer.write_str(&line)
    }
}

/// A span and those around it, the outermost first.
fn list<R: for<'a> LookupSpan<'a>>(line: &mut String, span: &SpanRef<'_, R>) -> fmt::Result {
    for (place, span) in span.scope().from_root().enumerate() {
        if place > 0 {
            line.push(',');
        }
        describe(line, &span)?;
    }
    Ok(())
}

/// The library has the span's fields as an object already.
fn describe<R: for<'a> LookupSpan<'a>>(line: &mut String, span: &SpanRef<'_, R>) -> fmt::Result {
    let extensions = span.extensions();
    let fields = extensions.get::<FormattedFields<JsonFields>>();
    let fields = fields.and_then(|fields| fields.strip_prefix('{')?.strip_suffix('}'));
    line.push('{');
    if let Some(fields) = fields.filter(|fields| !fields.is_empty()) {
        line.push_str(fields);
        line.push(',');
    }
    line.push_str("\"name\":");
    quote(line, span.metadata().name())?;
    line.push('}');
    Ok(())
}

fn quote(line: &mut String, text: &str) -> fmt::Result {
    line.push('"');
    Pieces { line, escape }.write_str(text)?;
    line.push('"');
    Ok(())
}

/// The text as it is between quotes.
fn escape(line: &mut String, text: &str) -> fmt::Result {
    let quoted = serde_json::to_string(text).map_err(|_| fmt::Error)?;
    line.push_str(&quoted[1..quoted.len() - 1]);
    Ok(())
}

struct Fields<'a> {
    line: &'a mut String,
    result: fmt::Result,
}

impl Fields<'_> {
    fn add(&mut self, field: &Field, value: impl FnOnce(&mut String) -> fmt::Result) {
        self.line.push(',');
        self.result = self.result.and_then(|()| {
            quote(self.line, field.name())?;
            self.line.push(':');
            value(self.line)
        });
    }

    fn add_json(&mut self, field: &Field, value: impl Serialize) {
        self.add(field, |line| {
            let value = serde_json::to_string(&value).map_err(|_| fmt::Error)?;
            line.push_str(&value);
            Ok(())
        });
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, |line| quote(line, value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, |line| write!(line, "{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, |line| write!(line, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add_json(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add_json(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, |line| {
            line.push('"');
            write!(Pieces { line, escape }, "{value:?}")?;
            line.push('"');
            Ok(())
        });
    }
}
