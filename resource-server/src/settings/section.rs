use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::time::Duration;

use secrecy::SecretString;
use toml::{Table, Value};

use super::Faults;

/// Looks up an environment variable; an argument, so that tests do not touch the process.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The environment of this process.
#[must_use]
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A configuration file that is syntactically TOML.
pub struct Document<'e> {
    table: Table,
    environment: Environment<'e>,
}

impl<'e> Document<'e> {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// One fault with the line and column where the text stops being TOML.
    pub fn parse(text: &str, environment: Environment<'e>) -> Result<Self, Faults> {
        match text.parse::<Table>() {
            Ok(table) => Ok(Self { table, environment }),
            Err(error) => {
                let faults = Faults::default();
                // Where and why, but not the line itself, which may hold a secret that does not belong there.
                let place = error.span().map(|span| place_of(text, span.start));
                let rule = format!("is not TOML: {}", error.message());
                faults.note(place.unwrap_or_else(|| "configuration".to_owned()), None, rule);
                Err(faults)
            }
        }
    }

    /// The text of each value by its dotted path, an array being one value: to tell what differs between two files.
    #[must_use]
    pub fn texts(&self) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        note_texts("", &self.table, &mut texts);
        texts
    }

    /// The whole file as a section, whose keys have no prefix.
    #[must_use]
    pub fn root<'s>(self, faults: &'s Faults) -> Section<'s>
    where
        'e: 's,
    {
        Section {
            path: String::new(),
            table: self.table,
            faults,
            environment: self.environment,
        }
    }
}

/// A table of the file. Each key is taken once; [`Section::finish`] reports those that nobody took.
///
/// Every method returns `None` after noting a fault, so that a caller reads all keys first and gives up only when
/// it composes its result.
pub struct Section<'s> {
    path: String,
    table: Table,
    faults: &'s Faults,
    environment: Environment<'s>,
}

impl<'s> Section<'s> {
    /// The dotted path of a key of this section.
    #[must_use]
    pub fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Notes a fault at a key of this section.
    pub fn fault(&self, key: &str, value: Option<String>, rule: impl Display) {
        self.faults.note(self.path_of(key), value, rule);
    }

    /// Whether the file names this key.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A table below this one; a missing table is an empty one.
    #[must_use]
    pub fn section(&mut self, key: &str) -> Section<'s> {
        let table = match self.table.remove(key) {
            None => Table::new(),
            Some(Value::Table(table)) => table,
            Some(other) => {
                self.fault(
                    key,
                    None,
                    format!("must be a table and not a {}", other.type_str()),
                );
                Table::new()
            }
        };
        self.below(self.path_of(key), table)
    }

    /// The tables of an array of tables (`[[key]]`), each with its index in its path; none when it is missing.
    #[must_use]
    pub fn sections(&mut self, key: &str) -> Vec<Section<'s>> {
        let items = match self.table.remove(key) {
            None => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => {
                let rule = format!("must be an array of tables and not a {}", other.type_str());
                self.fault(key, None, rule);
                Vec::new()
            }
        };
        let path = self.path_of(key);
        let mut sections = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let path = format!("{path}[{index}]");
            match item {
                Value::Table(table) => sections.push(self.below(path, table)),
                other => {
                    let rule = format!("must be a table and not a {}", other.type_str());
                    self.faults.note(path, None, rule);
                }
            }
        }
        sections
    }

    /// A text that has to be there.
    pub fn text(&mut self, key: &str) -> Option<String> {
        if !self.has(key) {
            self.fault(key, None, "is missing");
            return None;
        }
        self.optional_text(key)?
    }

    /// A text, or the default.
    pub fn text_or(&mut self, key: &str, default: &str) -> Option<String> {
        Some(self.optional_text(key)?.unwrap_or_else(|| default.to_owned()))
    }

    /// A text that may be missing: the outer `None` is a fault, the inner one its absence.
    pub fn optional_text(&mut self, key: &str) -> Option<Option<String>> {
        match self.table.remove(key) {
            None => Some(None),
            Some(Value::String(text)) => Some(Some(text)),
            Some(other) => {
                self.fault(key, Some(other.to_string()), "must be a text");
                None
            }
        }
    }

    /// A text that has to be there and to parse; the parser's error is the rule.
    pub fn parsed<T, E: Display>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(key)?;
        self.apply(key, &text, parse)
    }

    /// A text that has to parse, or the default text, parsed by the same rule.
    pub fn parsed_or<T, E: Display>(
        &mut self,
        key: &str,
        default: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text_or(key, default)?;
        self.apply(key, &text, parse)
    }

    /// A text that may be missing and otherwise has to parse.
    pub fn optional_parsed<T, E: Display>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        match self.optional_text(key)? {
            None => Some(None),
            Some(text) => self.apply(key, &text, parse).map(Some),
        }
    }

    /// A list of texts; a missing key is the default.
    pub fn texts_or(&mut self, key: &str, default: &[&str]) -> Option<Vec<String>> {
        let items = match self.table.remove(key) {
            None => return Some(default.iter().map(|&item| item.to_owned()).collect()),
            Some(Value::Array(items)) => items,
            Some(other) => {
                let rule = format!("must be a list of texts and not a {}", other.type_str());
                self.fault(key, None, rule);
                return None;
            }
        };
        let mut texts = Vec::with_capacity(items.len());
        let mut whole = true;
        for (index, item) in items.into_iter().enumerate() {
            match item {
                Value::String(text) => texts.push(text),
                other => {
                    whole = false;
                    self.fault(
                        &format!("{key}[{index}]"),
                        Some(other.to_string()),
                        "must be a text",
                    );
                }
            }
        }
        whole.then_some(texts)
    }

    /// A switch, or the default.
    pub fn switch_or(&mut self, key: &str, default: bool) -> Option<bool> {
        match self.table.remove(key) {
            None => Some(default),
            Some(Value::Boolean(switch)) => Some(switch),
            Some(other) => {
                self.fault(key, Some(other.to_string()), "must be true or false");
                None
            }
        }
    }

    /// A whole number within bounds, or the default.
    pub fn number_or(
        &mut self,
        key: &str,
        default: u64,
        bounds: std::ops::RangeInclusive<u64>,
    ) -> Option<u64> {
        let rule = format!(
            "must be a whole number from {} to {}",
            bounds.start(),
            bounds.end()
        );
        self.number_that(key, default, |number| bounds.contains(&number), &rule)
    }

    /// A whole number that is fit, or the default.
    pub fn number_that(
        &mut self,
        key: &str,
        default: u64,
        is_fit: impl FnOnce(u64) -> bool,
        rule: &str,
    ) -> Option<u64> {
        let Some(value) = self.table.remove(key) else {
            return Some(default);
        };
        let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
        let fit = number.filter(|number| is_fit(*number));
        if fit.is_none() {
            self.fault(key, Some(value.to_string()), rule);
        }
        fit
    }

    /// A span of time such as `"90s"` or `"8h"`, within bounds, or the default.
    pub fn duration_or(
        &mut self,
        key: &str,
        default: Duration,
        bounds: std::ops::RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let text = match self.optional_text(key)? {
            None => return Some(default),
            Some(text) => text,
        };
        match humantime::parse_duration(&text) {
            Ok(duration) if bounds.contains(&duration) => Some(duration),
            Ok(_) => {
                let rule = format!(
                    "must be from {} to {}",
                    humantime::format_duration(*bounds.start()),
                    humantime::format_duration(*bounds.end())
                );
                self.fault(key, Some(format!("{text:?}")), rule);
                None
            }
            Err(_) => {
                self.fault(
                    key,
                    Some(format!("{text:?}")),
                    "must be a span of time such as \"90s\" or \"8h\"",
                );
                None
            }
        }
    }

    /// A secret that has to be there, from the file at `{key}_file` or the variable named by `{key}_env`.
    pub fn secret(&mut self, key: &str) -> Option<SecretString> {
        match self.optional_secret(key)? {
            Some(secret) => Some(secret),
            None => {
                let rule = format!("is missing: set {key}_file (a path) or {key}_env (a variable's name)");
                self.fault(key, None, rule);
                None
            }
        }
    }

    /// A secret that may be missing; see [`Section::secret`]. White space around a file's text is dropped.
    pub fn optional_secret(&mut self, key: &str) -> Option<Option<SecretString>> {
        if self.table.remove(key).is_some() {
            let rule = format!("a secret must not stand in this file: use {key}_file or {key}_env");
            self.fault(key, None, rule);
            return None;
        }
        let (file_key, env_key) = (format!("{key}_file"), format!("{key}_env"));
        let (file, variable) = (self.optional_text(&file_key)?, self.optional_text(&env_key)?);
        let (key, value, found) = match (file, variable) {
            (None, None) => return Some(None),
            (Some(_), Some(_)) => {
                self.fault(
                    &file_key,
                    None,
                    format!("must not be set together with {env_key}"),
                );
                return None;
            }
            (Some(path), None) => {
                let found = fs::read_to_string(&path).map_err(|error| format!("cannot be read: {error}"));
                (file_key, path, found)
            }
            (None, Some(name)) => {
                let found =
                    (self.environment)(&name).ok_or_else(|| "is not set in the environment".to_owned());
                (env_key, name, found)
            }
        };
        match found {
            Ok(secret) if secret.trim().is_empty() => {
                self.fault(&key, Some(value), "is empty");
                None
            }
            Ok(secret) => Some(Some(SecretString::from(secret.trim().to_owned()))),
            Err(rule) => {
                self.fault(&key, Some(value), rule);
                None
            }
        }
    }

    /// Notes a fault if the file names this key, which is known but contradicts another one.
    pub fn refuse(&mut self, key: &str, rule: impl Display) {
        if self.table.remove(key).is_some() {
            self.fault(key, None, rule);
        }
    }

    /// Takes keys that are known and cannot be judged, since it is not known what they are for.
    pub fn forgo(&mut self, keys: &[&str]) {
        for key in keys {
            self.table.remove(*key);
        }
    }

    /// Reports the keys that nobody took. Their values are not quoted: behind a misspelt name may stand a secret.
    pub fn finish(self) {
        for key in self.table.keys() {
            self.fault(key, None, "is not a known key");
        }
    }

    fn below(&self, path: String, table: Table) -> Section<'s> {
        Section {
            path,
            table,
            faults: self.faults,
            environment: self.environment,
        }
    }

    fn apply<T, E: Display>(
        &self,
        key: &str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(text) {
            Ok(parsed) => Some(parsed),
            Err(rule) => {
                self.fault(key, Some(format!("{text:?}")), rule);
                None
            }
        }
    }
}

fn note_texts(above: &str, table: &Table, texts: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let path = format!("{above}{key}");
        match value {
            Value::Table(below) => note_texts(&format!("{path}."), below, texts),
            value => {
                texts.insert(path, value.to_string());
            }
        }
    }
}

/// Line and column of a byte of a text, counted from one.
fn place_of(text: &str, byte: usize) -> String {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    format!("line {line}, column {column}")
}
