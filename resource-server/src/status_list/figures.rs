use std::sync::atomic::{AtomicU64, Ordering};

/// What has happened so far; [`super::StatusLists::figures`] gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StatusFigures {
    /// Answers with a list that was believed.
    pub renewed: u64,
    /// Answers that the list is still the same.
    pub unchanged: u64,
    /// Questions that brought nothing.
    pub failed: u64,
    /// Tokens that were refused because of their status.
    pub refused: u64,
    /// Tokens that were accepted although their list could not be had ([`super::Fail::Open`]).
    pub unchecked: u64,
    /// Tokens that were not judged because their list could not be had.
    pub unavailable: u64,
    /// How many lists are followed.
    pub lists: u64,
    /// How many of them could not be renewed when they were last asked for.
    pub lists_out_of_reach: u64,
}

impl StatusFigures {
    /// Those of the lists of two issuers.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            renewed: self.renewed + other.renewed,
            unchanged: self.unchanged + other.unchanged,
            failed: self.failed + other.failed,
            refused: self.refused + other.refused,
            unchecked: self.unchecked + other.unchecked,
            unavailable: self.unavailable + other.unavailable,
            lists: self.lists + other.lists,
            lists_out_of_reach: self.lists_out_of_reach + other.lists_out_of_reach,
        }
    }
}

/// The part of [`StatusFigures`] that is counted as it happens.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) renewed: Count,
    pub(super) unchanged: Count,
    pub(super) failed: Count,
    pub(super) refused: Count,
    pub(super) unchecked: Count,
    pub(super) unavailable: Count,
}

#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
