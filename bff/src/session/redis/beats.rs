//! Which beats are on their way, and which round of them is the last that came back whole.

use std::collections::{HashSet, VecDeque};
use std::ops::Range;

use tokio::time::Instant;

/// More rounds than this are not waited for: the oldest is lost.
const ROUNDS: usize = 16;

/// The beats of one node.
#[derive(Debug, Default)]
pub(super) struct Beats {
    next: u64,
    rounds: VecDeque<Round>,
    last_whole: Option<Instant>,
    /// Whether a round was given up since the last whole one.
    is_torn: bool,
}

/// A round that came back whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Whole {
    /// When it began.
    pub(super) sent: Instant,
    /// Whether an earlier one did not come back whole: what was published around it may be lost just so.
    pub(super) after_a_gap: bool,
}

/// One beat for each server.
#[derive(Debug)]
struct Round {
    sent: Instant,
    unheard: HashSet<u64>,
}

impl Beats {
    /// Begins a round, and gives the numbers of its beats.
    pub(super) fn begin(&mut self, servers: usize, sent: Instant) -> Range<u64> {
        let first = self.next;
        self.next = first.saturating_add(u64::try_from(servers).unwrap_or(u64::MAX));
        self.rounds.push_back(Round {
            sent,
            unheard: (first..self.next).collect(),
        });
        if self.rounds.len() > ROUNDS {
            self.rounds.pop_front();
            self.is_torn = true;
        }
        first..self.next
    }

    /// A new subscription begins: rounds of the one before will not come back, and that is no gap in this one.
    pub(super) fn restart(&mut self) {
        self.rounds.clear();
        self.is_torn = false;
    }

    /// A beat came back. When it was the last one of its round, this is the round.
    pub(super) fn heard(&mut self, number: u64) -> Option<Whole> {
        let position = self
            .rounds
            .iter_mut()
            .position(|round| round.unheard.remove(&number))?;
        let round = self.rounds.get(position)?;
        if !round.unheard.is_empty() {
            return None;
        }
        let sent = round.sent;
        // Each server keeps its order, so older rounds that are not whole by now never will be.
        let after_a_gap = self.is_torn || position > 0;
        self.is_torn = false;
        self.rounds.drain(..=position);
        self.last_whole = Some(sent);
        Some(Whole { sent, after_a_gap })
    }

    /// When the last round began that came back whole, if that was not before `begun`.
    pub(super) fn last_whole_since(&self, begun: Instant) -> Option<Instant> {
        self.last_whole.filter(|sent| *sent >= begun)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_round_counts_when_every_server_answered_and_from_when_it_was_sent() {
        let mut beats = Beats::default();
        let sent = Instant::now();
        assert_eq!(beats.begin(3, sent), 0..3);

        assert_eq!(beats.heard(2), None);
        assert_eq!(beats.heard(0), None);
        assert_eq!(beats.heard(0), None, "one server answered twice");
        assert_eq!(beats.last_whole_since(sent), None);
        let after_a_gap = false;
        assert_eq!(beats.heard(1), Some(Whole { sent, after_a_gap }));

        assert_eq!(beats.last_whole_since(sent), Some(sent));
        assert_eq!(beats.last_whole_since(sent + Duration::from_millis(1)), None);
    }

    #[test]
    fn a_gap_in_one_round_is_not_filled_by_another() {
        let mut beats = Beats::default();
        let first = Instant::now();
        let second = first + Duration::from_secs(1);
        let _ = (beats.begin(2, first), beats.begin(2, second));
        assert_eq!(beats.heard(0), None);
        assert_eq!(beats.heard(2), None);
        assert_eq!(
            beats.heard(3),
            Some(Whole {
                sent: second,
                after_a_gap: true,
            })
        );
        assert_eq!(beats.heard(1), None, "an older round moved the trust back");
        let third = second + Duration::from_secs(1);
        let _ = beats.begin(1, third);
        let after_a_gap = false;
        assert_eq!(
            beats.heard(4),
            Some(Whole {
                sent: third,
                after_a_gap,
            })
        );
    }

    #[test]
    fn unheard_rounds_do_not_pile_up() {
        let mut beats = Beats::default();
        let sent = Instant::now();
        for _ in 0..1_000 {
            let _ = beats.begin(3, sent);
        }
        assert_eq!(beats.rounds.len(), ROUNDS);
        assert_eq!(beats.heard(0), None);
        let _ = (2_997..3_000)
            .map(|number| beats.heard(number))
            .collect::<Vec<_>>();
        let _ = beats.begin(1, sent);
        assert!(beats.heard(3_000).is_some_and(|whole| !whole.after_a_gap));
    }

    #[test]
    fn a_round_that_was_given_up_is_a_gap_and_one_of_an_earlier_subscription_is_none() {
        let mut beats = Beats::default();
        let sent = Instant::now();
        for _ in 0..=ROUNDS {
            let _ = beats.begin(1, sent);
        }
        assert!(beats.heard(1).is_some_and(|whole| whole.after_a_gap));
        beats.restart();
        let numbers = beats.begin(1, sent);
        assert!(beats.heard(numbers.start).is_some_and(|whole| !whole.after_a_gap));
    }
}
