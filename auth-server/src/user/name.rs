use std::fmt;

/// A user name in its one spelling.
///
/// Upper and lower case are the same, and nothing outside of ASCII is allowed: two names that look alike are one
/// name, and a throttle cannot be passed by spelling a name in another way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserName(String);

/// A text that cannot be a user name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 of the characters a-z, 0-9, '.', '_', '-', '+' and '@'")]
pub struct InvalidUserName;

impl UserName {
    /// Reads what somebody typed; white space around it is dropped, as phones add it.
    ///
    /// # Errors
    /// When it cannot be a user name.
    pub fn parse(text: &str) -> Result<Self, InvalidUserName> {
        let name = text.trim().to_ascii_lowercase();
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+@".contains(&byte);
        if (1..=64).contains(&name.len()) && name.bytes().all(is_allowed) {
            Ok(Self(name))
        } else {
            Err(InvalidUserName)
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_are_one_name() {
        for text in ["alice", " Alice\t", "ALICE"] {
            assert_eq!(UserName::parse(text).unwrap().as_str(), "alice");
        }
    }

    #[test]
    fn what_looks_like_another_name_is_refused() {
        let long = "a".repeat(65);
        for text in ["", "  ", "a b", "аlice", "alice\u{200b}", "a\u{0}", &long] {
            assert_eq!(UserName::parse(text), Err(InvalidUserName), "{text:?}");
        }
    }
}
