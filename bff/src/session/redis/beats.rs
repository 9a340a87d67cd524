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
        }
        first..self.next
    }

    /// A beat came back. When it was the last one of its round, this is the instant at which the round began.
    pub(super) fn heard(&mut self, number: u64) -> Option<Instant> {
        let position = self
            .rounds
            .iter_mut()
            .position(|round| round.unheard.remove(&number))?;
        let round = self.rounds.get(position)?;
        if !round.unheard.is_empty() {
            return None;
        }
        let sent = round.sent;
        // Older ones say less.
        self.rounds.drain(..=position);
        self.last_whole = Some(sent);
        Some(sent)
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
        assert_eq!(beats.heard(1), Some(sent));

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
        assert_eq!(beats.heard(3), Some(second));
        assert_eq!(beats.heard(1), None, "an older round moved the trust back");
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
    }
}
