use std::time::Duration;

use super::list::StatusList;

/// The shortest time between two looks at a list that says `ttl` itself: it might say too little by accident (§11.5 of
/// the draft).
const LEAST_AGE: Duration = Duration::from_secs(1);

/// How lists are followed, and what happens to tokens when one cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusPolicy {
    /// How old the list may be by which a token is judged, in whole seconds; less if the list's own `ttl` is less. It is
    /// asked for again when four fifths of that are over.
    pub max_age: Duration,
    /// What happens to tokens whose list cannot be had.
    pub fail: Fail,
    /// Whether a token without `status` is refused.
    pub require: bool,
    /// How many lists are followed at most.
    pub max_lists: usize,
    /// How many bytes a list may have when it is unpacked: with one bit each, eight tokens a byte.
    pub max_list_bytes: usize,
    /// How long a list is asked for without any token that refers to it.
    pub idle_after: Duration,
    /// How far the issuer's clock and ours may differ.
    pub leeway: Duration,
}

/// What happens to tokens whose list is older than it may be, and cannot be renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fail {
    /// They are not judged: 503.
    Closed,
    /// They are accepted, unless the last list says that they are not good, until this long after the last answer (or, if
    /// there was none, after the first question); then as [`Fail::Closed`].
    Open {
        /// How long the list may be out of reach.
        at_most: Duration,
    },
}

impl Default for StatusPolicy {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(5),
            fail: Fail::Open {
                at_most: Duration::from_secs(5 * 60),
            },
            require: false,
            max_lists: 128,
            max_list_bytes: 4 * 1024 * 1024,
            idle_after: Duration::from_secs(5 * 60),
            leeway: Duration::from_secs(5),
        }
    }
}

impl StatusPolicy {
    /// How old this list may become.
    pub(super) fn max_age_of(&self, list: &StatusList) -> Duration {
        let own = list.time_to_live().unwrap_or(self.max_age);
        own.clamp(LEAST_AGE, self.max_age.max(LEAST_AGE))
    }
}
