//! The bits of all lists, as one node knows them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use resource_server::time::UnixTime;

use crate::grant::status::{LIST_LENGTH, StatusIndex, TOLD_FOR};
use crate::store::EndedGrant;

/// Bytes of a list, whatever is set in it.
const BYTES: usize = (LIST_LENGTH / 8) as usize;

/// The bits of all lists: 1 for each grant that has ended, as long as a token of it may be good.
///
/// A bit of memory for each place, once one of its list is set, and 16 bytes more for each that is.
#[derive(Debug, Default)]
pub(super) struct Bits {
    lists: Vec<List>,
    /// When which bit is 0 again, the first one on top. It is there once for each bit that is set.
    until: BinaryHeap<Reverse<(UnixTime, StatusIndex)>>,
}

/// The bits of one list.
#[derive(Debug, Default)]
pub(super) struct List {
    /// None, or all of them.
    bytes: Vec<u8>,
    /// Counts the changes.
    version: u64,
}

impl Bits {
    /// Sets the bit of a grant that has ended; once is enough.
    pub(super) fn set(&mut self, ended: EndedGrant) {
        let Ok(number) = usize::try_from(ended.index.list()) else {
            return;
        };
        if self.lists.len() <= number {
            self.lists.resize_with(number + 1, List::default);
        }
        let Some(list) = self.lists.get_mut(number) else {
            return;
        };
        if list.change(ended.index, true) {
            self.until.push(Reverse((ended.over_at + TOLD_FOR, ended.index)));
        }
    }

    /// Clears what need not be told any more. To be done before anything is set: the place may be another grant's by then.
    pub(super) fn clear_what_is_over(&mut self, now: UnixTime) {
        while let Some(Reverse((until, index))) = self.until.peek().copied()
            && until <= now
        {
            self.until.pop();
            let list = usize::try_from(index.list());
            if let Some(list) = list.ok().and_then(|number| self.lists.get_mut(number)) {
                list.change(index, false);
            }
        }
    }

    /// How many bits are set.
    pub(super) fn count(&self) -> usize {
        self.until.len()
    }

    /// All bits of a list, the first one the lowest of the first byte, and by which version of it.
    pub(super) fn of_list(&self, number: u64) -> (u64, Vec<u8>) {
        let list = usize::try_from(number)
            .ok()
            .and_then(|number| self.lists.get(number));
        match list {
            Some(list) if !list.bytes.is_empty() => (list.version, list.bytes.clone()),
            _ => (0, vec![0; BYTES]),
        }
    }

    /// The version of a list; 0 until a bit is set.
    pub(super) fn version_of(&self, number: u64) -> u64 {
        let list = usize::try_from(number)
            .ok()
            .and_then(|number| self.lists.get(number));
        list.map_or(0, |list| list.version)
    }
}

impl List {
    /// Says whether it was different before.
    fn change(&mut self, index: StatusIndex, is_set: bool) -> bool {
        if self.bytes.is_empty() {
            self.bytes.resize(BYTES, 0);
        }
        let position = index.position();
        let byte = usize::try_from(position / 8).ok();
        let Some(byte) = byte.and_then(|byte| self.bytes.get_mut(byte)) else {
            return false;
        };
        let before = *byte;
        let bit = 1 << (position % 8);
        if is_set {
            *byte |= bit;
        } else {
            *byte &= !bit;
        }
        let is_changed = *byte != before;
        self.version += u64::from(is_changed);
        is_changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    fn ended(index: i64, over_at: i64) -> EndedGrant {
        EndedGrant {
            index: StatusIndex::from_stored(index).unwrap(),
            over_at: at(over_at),
        }
    }

    fn set_bits(bits: &Bits, list: u64) -> Vec<usize> {
        let (_, bytes) = bits.of_list(list);
        assert_eq!(bytes.len(), 131_072);
        let is_set = |bit: &usize| bytes[bit / 8] >> (bit % 8) & 1 == 1;
        (0..8 * bytes.len()).filter(is_set).collect()
    }

    #[test]
    fn a_bit_is_counted_from_the_lowest_of_its_byte() {
        let mut bits = Bits::default();
        for index in [0, 9, 1_048_575, 3 * 1_048_576 + 15] {
            bits.set(ended(index, 100));
        }
        let (version, bytes) = bits.of_list(0);
        assert_eq!(bytes[..2], [0b0000_0001, 0b0000_0010]);
        assert_eq!((version, bytes[131_071]), (3, 0b1000_0000));
        assert_eq!(set_bits(&bits, 0), [0, 9, 1_048_575]);
        assert!(set_bits(&bits, 1).is_empty() && set_bits(&bits, 4).is_empty());
        assert_eq!(set_bits(&bits, 3), [15]);
        assert_eq!(
            (bits.version_of(2), bits.version_of(3), bits.version_of(9)),
            (0, 1, 0)
        );
    }

    #[test]
    fn a_bit_is_cleared_when_its_tokens_are_over_and_not_a_second_before() {
        let mut bits = Bits::default();
        bits.set(ended(7, 100));
        bits.set(ended(3, 50));
        bits.set(ended(7, 100));
        assert_eq!(
            (bits.count(), bits.version_of(0)),
            (2, 2),
            "what comes again is known"
        );
        let told_for = i64::try_from(TOLD_FOR.as_secs()).unwrap();
        bits.clear_what_is_over(at(told_for + 49));
        assert_eq!(set_bits(&bits, 0), [3, 7]);
        bits.clear_what_is_over(at(told_for + 50));
        assert_eq!(set_bits(&bits, 0), [7]);
        bits.clear_what_is_over(at(told_for + 100));
        assert!(set_bits(&bits, 0).is_empty());
        assert_eq!((bits.count(), bits.version_of(0)), (0, 4));
    }

    #[test]
    fn a_place_that_is_given_again_is_told_of_by_its_second_grant_alone() {
        let mut bits = Bits::default();
        bits.set(ended(7, 100));
        // A node that nobody asked anything for days.
        bits.clear_what_is_over(at(1_000_000));
        bits.set(ended(7, 999_999));
        bits.clear_what_is_over(at(1_000_001));
        assert_eq!((set_bits(&bits, 0), bits.count()), (vec![7], 1));
    }
}
