use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex};

use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Format;

use super::*;

/// A time that stands still, so that lines can be compared.
#[derive(Debug, Clone, Copy)]
struct Noon;

impl FormatTime for Noon {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        writer.write_str("2026-11-23T12:00:00.000000Z")
    }
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Written {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// What a subscriber writes of what is told.
fn written<S: Subscriber + Send + Sync>(subscriber: impl Fn(Written) -> S, tell: &dyn Fn()) -> String {
    let written = Written::default();
    tracing::subscriber::with_default(subscriber(written.clone()), tell);
    String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
}

fn text(ansi: bool, tell: &dyn Fn()) -> String {
    let subscriber = |to| {
        let builder = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
        let builder = builder.with_ansi(ansi).with_writer(to);
        builder.event_format(Text::new(Noon)).finish()
    };
    written(subscriber, tell)
}

fn json(tell: &dyn Fn()) -> String {
    let subscriber = |to| {
        let builder = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
        let builder = builder.with_writer(to).json();
        builder.event_format(Json::new(Noon)).finish()
    };
    written(subscriber, tell)
}

/// Ours in each form, and nothing of it differs from what the library itself writes.
#[track_caller]
fn as_the_library(tell: &dyn Fn()) -> (String, String) {
    for ansi in [false, true] {
        let library = |to| {
            let builder = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
            let builder = builder.with_ansi(ansi).with_writer(to);
            builder.event_format(Format::default().with_timer(Noon)).finish()
        };
        assert_eq!(text(ansi, tell), written(library, tell));
    }
    let library = |to| {
        let builder = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
        let format = Format::default().json().flatten_event(true).with_timer(Noon);
        builder.with_writer(to).json().event_format(format).finish()
    };
    assert_eq!(json(tell), written(library, tell));
    (text(false, tell), json(tell))
}

/// As `proxy::endpoint` tells it.
fn access(route: &str) {
    let (method, status, duration_ms) = ("GET", 200_u16, 12_u64);
    let key = Some("q1w2e3r4");
    tracing::info!(
        target: "bff::access",
        method,
        route,
        status,
        duration_ms,
        session.key = key,
        "request proxied"
    );
}

#[test]
fn a_line_of_the_access_log_is_as_documented() {
    let (text, json) = as_the_library(&|| tracing::info_span!("bff.proxy").in_scope(|| access("/api")));
    assert_eq!(
        text,
        "2026-11-23T12:00:00.000000Z  INFO bff.proxy: bff::access: request proxied method=\"GET\" \
         route=\"/api\" status=200 duration_ms=12 session.key=\"q1w2e3r4\"\n"
    );
    assert_eq!(
        json,
        "{\"timestamp\":\"2026-11-23T12:00:00.000000Z\",\"level\":\"INFO\",\"message\":\"request proxied\",\
         \"method\":\"GET\",\"route\":\"/api\",\"status\":200,\"duration_ms\":12,\"session.key\":\"q1w2e3r4\",\
         \"target\":\"bff::access\",\"span\":{\"name\":\"bff.proxy\"},\"spans\":[{\"name\":\"bff.proxy\"}]}\n"
    );
}

#[test]
fn nothing_in_a_text_begins_a_line_ends_its_quotes_or_moves_the_cursor() {
    let evil = "a\"\n2026-11-23T12:00:00.000000Z  INFO bff::audit: session ended\r\u{1b}[2J\u{9b}31m\\";
    let (text, json) = as_the_library(&|| access(evil));
    for line in [&text, &json] {
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(line.ends_with('\n') && !line.contains(['\r', '\u{1b}']), "{line}");
    }
    assert!(
        !text.contains('\u{9b}') && text.contains("route=\"a\\\"\\n2026"),
        "{text}"
    );
    let event: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(event["route"], evil);
    assert_eq!(event["target"], "bff::access");
}

#[test]
fn every_character_is_written_as_the_library_does() {
    let rare = [
        '\u{2028}',
        '\u{202e}',
        '\u{feff}',
        '\u{e000}',
        '\u{1f600}',
        char::MAX,
    ];
    let all: Vec<char> = ('\0'..='\u{400}').chain(rare).collect();
    as_the_library(&|| {
        for character in &all {
            let between = format!("a{character}b");
            let text = between.as_str();
            tracing::info!(text, "{text} {between:?}");
            tracing::info!(message = text, shown = %text, debug = ?text);
        }
    });
}

#[derive(Debug, thiserror::Error)]
#[error("outer \u{1b}[31m")]
struct Outer(#[source] fmt::Error);

#[test]
fn values_of_every_kind_are_written_as_the_library_does() {
    as_the_library(&|| {
        let nothing: Option<&str> = None;
        tracing::trace!(
            a = 1_u8,
            b = -1_i64,
            c = true,
            d = 0.5,
            e = f64::NAN,
            f = 1e300,
            "numbers"
        );
        tracing::debug!(
            u = u128::MAX,
            i = i128::MIN,
            bytes = &b"\x00\xff"[..],
            nothing,
            "large"
        );
        tracing::warn!(r#type = "raw", r#as = 1, r#in = ?"x", "{} of {:?}", "some", Some("others"));
        tracing::error!(error = &Outer(fmt::Error) as &dyn Error, "a failure");
        tracing::error!(error = &fmt::Error as &dyn Error, other = %Outer(fmt::Error));
        tracing::info!(only = "a field");
        tracing::info!("quote\" \\ \u{1b}[0m");
        tracing::info!(target: "odd \" target", { "name \" \n" = 1 }, "{}", "");
        tracing::info!(log.file = "left out", "message");
        tracing::info!(log.file = 1, kept = 2);
        tracing::info!({ log.file = ?1 }, "message");
    });
}

#[test]
fn spans_are_written_as_the_library_does() {
    as_the_library(&|| {
        let outer = tracing::info_span!(
            "outer",
            text = "a \"b\"\n",
            number = 1,
            later = tracing::field::Empty
        );
        tracing::info!(parent: &outer, "only named");
        let _outer = outer.enter();
        tracing::info!("in one");
        let inner = tracing::info_span!("inner \"quoted\"");
        let _inner = inner.enter();
        outer.record("later", "now");
        tracing::info!("in two");
        tracing::info!(parent: &outer, "in one by name");
        tracing::info!(parent: None, "in none");
    });
}

#[test]
fn the_time_is_that_of_the_library() {
    let (mut ours, mut library) = (String::new(), String::new());
    let differs = |ours: &str, library: &str| ours[..15] != library[..15] || ours.len() != library.len();
    // At the turn of a minute both are asked again.
    for _ in 0..2 {
        ours.clear();
        library.clear();
        Now.format_time(&mut Writer::new(&mut ours)).unwrap();
        let system = tracing_subscriber::fmt::time::SystemTime;
        system.format_time(&mut Writer::new(&mut library)).unwrap();
        if !differs(&ours, &library) {
            return;
        }
    }
    panic!("{ours} and {library}");
}
