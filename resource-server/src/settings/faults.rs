use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The dotted path of the key, for example `session.idle_timeout`.
    pub key: String,
    /// What was found there; `None` when the key is missing or its value is, or may hold, a secret.
    pub value: Option<String>,
    /// What the value has to be, or why it cannot be used.
    pub rule: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{} = {value}: {}", self.key, self.rule),
            None => write!(f, "{}: {}", self.key, self.rule),
        }
    }
}

/// Every fault of a configuration, in the order in which they were found.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    /// Notes a fault; the reading goes on. A value with an `@` is not kept: it may be a URL with a password.
    pub fn note(&self, key: impl Into<String>, value: Option<String>, rule: impl fmt::Display) {
        self.held().push(Fault {
            key: key.into(),
            value: value.filter(|value| !value.contains('@')),
            rule: rule.to_string(),
        });
    }

    /// Whether nothing has been noted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held().is_empty()
    }

    /// The faults noted so far.
    #[must_use]
    pub fn list(&self) -> Vec<Fault> {
        self.held().clone()
    }

    fn held(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands out what was read if it is whole and nothing was noted.
    ///
    /// # Errors
    /// The faults themselves. A missing value without a fault is a bug of the reader and is reported as one
    /// instead of being dropped.
    pub fn into_result<T>(self, read: Option<T>) -> Result<T, Self> {
        match read {
            Some(read) if self.is_empty() => Ok(read),
            Some(_) => Err(self),
            None => {
                if self.is_empty() {
                    self.note(
                        "configuration",
                        None,
                        "could not be read, and no reason was noted (a bug)",
                    );
                }
                Err(self)
            }
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = self.held();
        let noun = if faults.len() == 1 { "fault" } else { "faults" };
        write!(f, "{} {noun} in the configuration:", faults.len())?;
        for fault in faults.iter() {
            write!(f, "\n  {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
