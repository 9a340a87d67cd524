//! Which bit of which Token Status List stands for a grant (draft-ietf-oauth-status-list §4).

use std::time::Duration;

use crate::key::phase::TOKENS_OVER_AFTER;

/// Grants of one list. It can never be changed: tokens name what they were given.
pub(crate) const LIST_LENGTH: u64 = 1 << 20;

/// How long after the end of a grant its bit is set: nothing that was issued for it is good for longer. Until then its index
/// is nobody else's, and long after (`sweep`).
pub(crate) const TOLD_FOR: Duration = TOKENS_OVER_AFTER;

/// A number that no other grant has at the same time, counted through all lists.
///
/// They are drawn at random among the free ones: neither a token nor a list tells who signed in before whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StatusIndex(u64);

impl StatusIndex {
    /// Takes up a stored number; a negative one is none.
    pub(crate) fn from_stored(number: i64) -> Option<Self> {
        u64::try_from(number).ok().map(Self)
    }

    /// Which list: `<issuer>/statuslists/<list>`.
    pub(crate) const fn list(self) -> u64 {
        self.0 / LIST_LENGTH
    }

    /// The bit in that list: the `idx` of tokens, from 0 to [`LIST_LENGTH`] exclusive.
    pub(crate) const fn position(self) -> u64 {
        self.0 % LIST_LENGTH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_place_in_a_list() {
        let place = |number| {
            let index = StatusIndex::from_stored(number).unwrap();
            (index.list(), index.position())
        };
        assert_eq!(place(0), (0, 0));
        assert_eq!(place(1_048_575), (0, 1_048_575));
        assert_eq!(place(1_048_576), (1, 0));
        assert_eq!(place(5 * 1_048_576 + 7), (5, 7));
        assert_eq!(StatusIndex::from_stored(-1), None);
    }
}
