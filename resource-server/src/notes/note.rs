use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SecureRandom;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize, Serializer};

use crate::claims::Claims;
use crate::time::UnixTime;

/// The longest text of a note, in characters.
pub const MAX_TEXT_CHARS: usize = 10_000;

/// Whose notes they are. A `sub` is unique at its issuer only, so both name the person.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The issuer that vouches for the subject.
    pub issuer: String,
    /// The person, as the issuer calls them.
    pub subject: String,
}

impl Owner {
    /// The person a token speaks for.
    #[must_use]
    pub fn of(claims: &Claims) -> Self {
        Self {
            issuer: claims.issuer().to_owned(),
            subject: claims.subject().to_owned(),
        }
    }
}

/// The name of a note: 128 random bits, so that it says nothing about how many others there are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NoteId(String);

impl NoteId {
    /// A new name.
    ///
    /// # Errors
    /// When the machine has no random bits to give.
    pub fn generate(random: &dyn SecureRandom) -> Result<Self, Unspecified> {
        let mut bytes = [0; 16];
        random.fill(&mut bytes)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Reads a name from a path; what cannot be one names nothing.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == 16).then(|| Self(text.to_owned()))
    }

    /// The name as it stands in a path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NoteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text of 1 to [`MAX_TEXT_CHARS`] characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NoteText(String);

/// The text is empty or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a note has 1 to {MAX_TEXT_CHARS} characters")]
pub struct TextError;

impl NoteText {
    /// Takes a text as it is.
    ///
    /// # Errors
    /// When it is empty or too long.
    pub fn parse(text: String) -> Result<Self, TextError> {
        let beyond = text.chars().nth(MAX_TEXT_CHARS).is_some();
        if text.is_empty() || beyond {
            Err(TextError)
        } else {
            Ok(Self(text))
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for NoteText {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(text)
    }
}

impl From<NoteText> for String {
    fn from(text: NoteText) -> Self {
        text.0
    }
}

/// A note, as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Its name.
    pub id: NoteId,
    /// What it says.
    pub text: NoteText,
    /// When it was written, in RFC 3339.
    #[serde(serialize_with = "rfc3339")]
    pub created_at: UnixTime,
}

fn rfc3339<S: Serializer>(instant: &UnixTime, serializer: S) -> Result<S::Ok, S::Error> {
    let since_epoch = Duration::from_secs(u64::try_from(instant.as_secs()).unwrap_or(0));
    serializer.collect_str(&humantime::format_rfc3339_seconds(UNIX_EPOCH + since_epoch))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;

    use super::{MAX_TEXT_CHARS, Note, NoteId, NoteText, TextError};
    use crate::time::UnixTime;

    #[test]
    fn a_text_is_measured_in_characters_not_bytes() {
        assert!(NoteText::parse("é".repeat(MAX_TEXT_CHARS)).is_ok());
        assert_eq!(NoteText::parse("é".repeat(MAX_TEXT_CHARS + 1)), Err(TextError));
        assert_eq!(NoteText::parse(String::new()), Err(TextError));
        assert!(NoteText::parse("x".to_owned()).is_ok());
    }

    #[test]
    fn what_is_not_the_name_of_a_note_is_not_looked_for() {
        let id = NoteId::generate(&SystemRandom::new()).unwrap();
        assert_eq!(NoteId::parse(id.as_str()), Some(id));
        for text in [
            "",
            "1",
            "../../etc/passwd",
            "AAAAAAAAAAAAAAAAAAAAAA==",
            "AAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(NoteId::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_note_shows_its_time_in_rfc_3339() {
        let note = Note {
            id: NoteId::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap(),
            text: NoteText::parse("milk".to_owned()).unwrap(),
            created_at: UnixTime::from_secs(1_700_000_000),
        };
        let expected = r#"{"id":"AAAAAAAAAAAAAAAAAAAAAA","text":"milk","created_at":"2023-11-14T22:13:20Z"}"#;
        assert_eq!(serde_json::to_string(&note).unwrap(), expected);
    }
}
