//! An error together with everything below it, as one line for the log.

use std::error::Error;

/// The texts of an error and its causes, separated by colons.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let line = cause.to_string();
        // A transparent wrapper says what is below it.
        if !text.ends_with(&line) {
            text = format!("{text}: {line}");
        }
        next = cause.source();
    }
    text
}
