//! What a command shows: a table for people, one JSON object a line for programs.

use std::io::{self, Write as _};
use std::time::{Duration, UNIX_EPOCH};

use resource_server::time::UnixTime;
use serde_json::Value;

/// The last second that has a date of four digits.
const LAST_DATE: u64 = 253_402_300_799;

/// Tells the person at the terminal; one who is gone is told nothing.
pub(crate) fn say(text: impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

pub(crate) fn say_error(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "auth-server: {text}");
}

/// Rows that are written together: as a table whose columns are as wide as what is in them, or as JSON.
#[derive(Debug)]
pub(super) struct Table {
    is_json: bool,
    rows: Vec<Vec<String>>,
    objects: Vec<Value>,
}

impl Table {
    pub(super) fn new(is_json: bool, head: &[&str]) -> Self {
        Self {
            is_json,
            rows: vec![head.iter().map(|&title| title.to_owned()).collect()],
            objects: Vec::new(),
        }
    }

    pub(super) fn add<const COLUMNS: usize>(&mut self, row: [String; COLUMNS], object: Value) {
        if self.is_json {
            self.objects.push(object);
        } else {
            self.rows.push(row.map(|cell| safe(&cell)).to_vec());
        }
    }

    pub(super) fn show(self) {
        if self.is_json {
            for object in self.objects {
                say(object);
            }
            return;
        }
        for line in lines(&self.rows) {
            say(line);
        }
    }
}

fn lines(rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let line: String = cells.map(|(cell, width)| format!("{cell:<width$}  ")).collect();
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// A text without what would move the cursor of a terminal; `-` if there is none.
pub(super) fn safe(text: &str) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    let is_plain =
        |c: char| !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .map(|c| if is_plain(c) { c } else { '\u{fffd}' })
        .collect()
}

/// `2026-11-23T22:00:00Z`.
pub(super) fn date(instant: UnixTime) -> String {
    let seconds = u64::try_from(instant.as_secs()).unwrap_or(0).min(LAST_DATE);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

pub(super) fn date_if_any(instant: Option<UnixTime>) -> String {
    instant.map(date).unwrap_or_default()
}

pub(super) fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = [["NAME", "ID"], ["alice", "1"], ["b", "22"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(lines(&rows), ["NAME   ID", "alice  1", "b      22"]);
    }

    #[test]
    fn nothing_moves_the_cursor() {
        assert_eq!(safe("a\u{1b}[2J\nb\u{202e}"), "a\u{fffd}[2J\u{fffd}b\u{fffd}");
        assert_eq!(safe(""), "-");
    }

    #[test]
    fn every_instant_has_a_date() {
        assert_eq!(date(UnixTime::from_secs(1_800_000_000)), "2027-01-15T08:00:00Z");
        assert_eq!(date(UnixTime::from_secs(-1)), "1970-01-01T00:00:00Z");
        assert_eq!(date(UnixTime::NEVER), "9999-12-31T23:59:59Z");
    }
}
