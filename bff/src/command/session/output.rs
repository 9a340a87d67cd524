//! What a command shows: a table for people, JSON lines for programs.

use std::io::Write;

use serde_json::{Value, json};

use super::http::Failure;

/// A list that is written as it comes, however long it gets.
#[derive(Debug)]
pub(super) struct List<W> {
    out: W,
    is_json: bool,
    count: u64,
}

impl<W: Write> List<W> {
    pub(super) fn begin(mut out: W, is_json: bool) -> Result<Self, Failure> {
        if !is_json {
            let line = line(["KEY", "CREATED", "LAST USED", "ENDS AT", "DEVICE", "SUB"].map(str::to_owned));
            writeln!(out, "{line}")?;
        }
        Ok(Self {
            out,
            is_json,
            count: 0,
        })
    }

    pub(super) fn add(&mut self, sessions: &[Value]) -> Result<(), Failure> {
        for session in sessions {
            self.count += 1;
            if self.is_json {
                writeln!(self.out, "{session}")?;
            } else {
                writeln!(self.out, "{}", row(session))?;
            }
        }
        self.out.flush()?;
        Ok(())
    }

    /// How many there were, where it is in nobody's way.
    pub(super) fn finish(self, aside: &mut impl Write) -> Result<(), Failure> {
        if !self.is_json {
            writeln!(aside, "{}", counted(self.count))?;
        }
        Ok(())
    }
}

/// How many sessions have ended.
pub(super) fn ended(out: &mut impl Write, is_json: bool, ended: u64) -> Result<(), Failure> {
    if is_json {
        writeln!(out, "{}", json!({"ended": ended}))?;
    } else {
        writeln!(out, "{} ended", counted(ended))?;
    }
    Ok(())
}

fn counted(count: u64) -> String {
    match count {
        1 => "1 session".to_owned(),
        count => format!("{count} sessions"),
    }
}

fn row(session: &Value) -> String {
    let text = |name: &str| safe(session[name].as_str().unwrap_or("?"));
    let device = &session["device"];
    let known = ["browser", "platform"].map(|name| device[name].as_str());
    let device = match known {
        [Some(browser), Some(platform)] => format!("{browser} on {platform}"),
        [Some(one), None] | [None, Some(one)] => one.to_owned(),
        [None, None] => "?".to_owned(),
    };
    line([
        text("key"),
        text("created_at"),
        text("last_used_at"),
        text("ends_at"),
        safe(&device),
        text("sub"),
    ])
}

fn line([key, created, used, ends, device, sub]: [String; 6]) -> String {
    format!("{key:<22}  {created:<20}  {used:<20}  {ends:<20}  {device:<22}  {sub}")
}

/// A text of others without what would move the cursor, colour the terminal or turn the direction of writing.
pub(super) fn safe(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let turns =
            matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || turns {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Value {
        json!({
            "key": "AAAAAAAAAAAAAAAAAAAAAA",
            "sub": "al\u{1b}[2Jice\u{202e}",
            "created_at": "2026-11-23T22:00:00Z",
            "last_used_at": "2026-11-23T22:05:00Z",
            "ends_at": "2026-11-24T06:00:00Z",
            "device": {"browser": "Firefox", "platform": null},
        })
    }

    fn listed(is_json: bool) -> (Vec<String>, String) {
        let (mut out, mut aside) = (Vec::new(), Vec::new());
        let mut list = List::begin(&mut out, is_json).unwrap();
        list.add(&[session()]).unwrap();
        list.add(&[]).unwrap();
        list.finish(&mut aside).unwrap();
        let lines = String::from_utf8(out).unwrap();
        (
            lines.lines().map(str::to_owned).collect(),
            String::from_utf8(aside).unwrap(),
        )
    }

    #[test]
    fn people_get_a_table_that_does_nothing_to_their_terminal() {
        let (lines, aside) = listed(false);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("KEY "), "{lines:?}");
        assert!(
            lines[1].ends_with("Firefox                 al\\u{1b}[2Jice\\u{202e}"),
            "{lines:?}"
        );
        assert_eq!(aside, "1 session\n");
    }

    #[test]
    fn programs_get_one_object_a_line_and_nothing_else() {
        let (lines, aside) = listed(true);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(serde_json::from_str::<Value>(&lines[0]).unwrap(), session());
        assert_eq!(aside, "");
    }
}
