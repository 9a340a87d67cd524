//! Sets of scopes (RFC 6749 §3.3).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The scope by which a request becomes an OpenID request.
pub(crate) const OPENID: &str = "openid";
/// The scope that asks for a refresh token (OIDC Core §11).
pub(crate) const OFFLINE_ACCESS: &str = "offline_access";
/// The scopes that speak about the user: worthless, and never granted, where there is none.
pub(crate) const ABOUT_THE_USER: [&str; 4] = [OPENID, "profile", "email", OFFLINE_ACCESS];

/// A set of scopes. Its text is sorted, so equal sets have equal texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScopeSet(BTreeSet<String>);

/// A text that is no `scope` parameter.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("must consist of printable ASCII characters without space, quotation mark and backslash")]
pub struct InvalidScope;

impl ScopeSet {
    /// Reads a space-separated list.
    ///
    /// # Errors
    /// When a character is outside of RFC 6749's `scope-token`.
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        text.split(' ')
            .filter(|token| !token.is_empty())
            .map(parse_token)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Makes a set of single scopes.
    ///
    /// # Errors
    /// When one of them is not a `scope-token`.
    pub fn from_tokens(tokens: &[String]) -> Result<Self, InvalidScope> {
        tokens
            .iter()
            .map(|token| parse_token(token))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether the scope is in the set.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.0.contains(scope)
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether everything in this set is in the other, too.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub fn common_with(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// The set without the scopes that speak about a user.
    #[must_use]
    pub fn without_user(&self) -> Self {
        Self(
            self.0
                .iter()
                .filter(|scope| !ABOUT_THE_USER.contains(&scope.as_str()))
                .cloned()
                .collect(),
        )
    }

    /// What is in one of the sets or in both.
    #[must_use]
    pub fn joined_with(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// The scopes that speak about a user.
    #[must_use]
    pub fn about_user(&self) -> Self {
        let about = self
            .0
            .iter()
            .filter(|scope| ABOUT_THE_USER.contains(&scope.as_str()));
        Self(about.cloned().collect())
    }

    /// The scopes that decide what `/userinfo` tells.
    #[must_use]
    pub fn of_user_info() -> Self {
        let mut scopes = Self(ABOUT_THE_USER.map(str::to_owned).into());
        scopes.0.remove(OFFLINE_ACCESS);
        scopes
    }

    /// The scopes, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// What scopes mean, in the words that the configuration has for them.
#[derive(Debug, Clone, Default)]
pub struct ScopeWords(BTreeMap<String, Words>);

/// One meaning.
#[derive(Debug, Clone)]
pub(crate) struct Words {
    pub(crate) text: String,
    /// In other languages, by their tags.
    pub(crate) translated: Vec<(&'static str, String)>,
}

impl ScopeWords {
    pub(crate) fn new(words: BTreeMap<String, Words>) -> Self {
        Self(words)
    }

    /// What a scope means, in a language if it is there.
    pub(crate) fn find(&self, scope: &str, language: &str) -> Option<&str> {
        let words = self.0.get(scope)?;
        let translated = words.translated.iter().find(|(tag, _)| *tag == language);
        Some(translated.map_or(words.text.as_str(), |(_, text)| text.as_str()))
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope)?;
        }
        Ok(())
    }
}

fn parse_token(token: &str) -> Result<String, InvalidScope> {
    let is_allowed =
        |byte: u8| byte == 0x21 || (0x23..=0x5b).contains(&byte) || (0x5d..=0x7e).contains(&byte);
    if !token.is_empty() && token.bytes().all(is_allowed) {
        Ok(token.to_owned())
    } else {
        Err(InvalidScope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_repetition_do_not_matter() {
        let set = ScopeSet::parse("openid  profile openid").unwrap();
        assert_eq!(set, ScopeSet::parse("profile openid").unwrap());
        assert_eq!(set.to_string(), "openid profile");
    }

    #[test]
    fn characters_outside_of_the_grammar_are_refused() {
        for text in ["a\"b", "a\\b", "ä", "a\tb", "a\u{0}"] {
            assert_eq!(ScopeSet::parse(text), Err(InvalidScope), "{text:?}");
        }
    }

    #[test]
    fn a_client_without_a_user_gets_no_scope_about_one() {
        let set = ScopeSet::parse("openid email offline_access notes:read").unwrap();
        assert_eq!(set.without_user().to_string(), "notes:read");
        assert_eq!(set.about_user().to_string(), "email offline_access openid");
        assert_eq!(
            set.common_with(&ScopeSet::of_user_info()).to_string(),
            "email openid"
        );
        assert_eq!(set.without_user().joined_with(&set.about_user()), set);
    }
}
