//! How many sessions a user may have.

use std::num::NonZeroUsize;

use super::{EndReason, SessionError, SessionRegistry};
use crate::session::SessionKey;

/// What happens when a login would exceed the cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenExceeded {
    /// The oldest session ends.
    OldestOut,
    /// The login is refused.
    Refuse,
}

/// How many sessions a user may have, and what happens then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cap {
    /// As many as that.
    pub most: NonZeroUsize,
    /// What happens then.
    pub when_exceeded: WhenExceeded,
}

/// Whether a session that has just begun may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Room {
    /// It may.
    Made,
    /// There are too many; the caller has to end it.
    Refused,
}

impl Cap {
    /// Which of a user's sessions have to end, seen from one that has just begun. They are in the order of their
    /// beginning, which is the same for everybody who looks.
    ///
    /// Two logins at the same moment see each other, or at least the one that looks last sees both: it was stored before
    /// it looked. Whoever sees fewer sessions condemns none that it would spare if it saw all, because a session is
    /// condemned by how many newer ones (or, to refuse, older ones) there are. So they come to the same end, and with a
    /// cap of one never end each other.
    fn beyond<'s>(&self, sessions: &'s [SessionKey], own: &SessionKey) -> &'s [SessionKey] {
        let most = self.most.get();
        match self.when_exceeded {
            WhenExceeded::OldestOut => &sessions[..sessions.len().saturating_sub(most)],
            // Older ones stay whatever their number: the cap may have been lowered since. Newer ones are logins of this
            // very moment, which may not have seen this one.
            WhenExceeded::Refuse => {
                let place = sessions.iter().position(|key| key == own);
                sessions
                    .get(most.max(place.unwrap_or(sessions.len()))..)
                    .unwrap_or_default()
            }
        }
    }
}

impl SessionRegistry {
    /// Has the cap kept by a session that has just been stored; `replaced`, which the same browser is about to lose, does
    /// not count.
    ///
    /// # Errors
    /// When the store is down: then the cap may be exceeded, and the caller has to end the new session.
    pub async fn make_room(
        &self,
        subject: &str,
        own: &SessionKey,
        replaced: Option<&SessionKey>,
    ) -> Result<Room, SessionError> {
        let Some(cap) = self.cap else {
            return Ok(Room::Made);
        };
        let living = self.living_sessions(subject, own).await?.sessions;
        let sessions: Vec<_> = living
            .into_iter()
            .map(|living| living.key)
            .filter(|key| Some(key) != replaced)
            .collect();
        if !sessions.contains(own) {
            // Somebody else's login was faster to see that there are too many.
            return Ok(Room::Refused);
        }
        let mut room = Room::Made;
        for key in cap.beyond(&sessions, own) {
            if key == own {
                room = Room::Refused;
            } else {
                self.end(key, EndReason::SessionCap).await?;
            }
        }
        Ok(room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cap(most: usize, when_exceeded: WhenExceeded) -> Cap {
        Cap {
            most: NonZeroUsize::new(most).unwrap(),
            when_exceeded,
        }
    }

    fn sessions(count: usize) -> Vec<SessionKey> {
        (0..count).map(|_| SessionKey::generate()).collect()
    }

    /// Lets everybody in `order` log in: each is stored, and looks at some later time at what is stored by then.
    /// `looks_after[i]` is how many are stored when `order[i]` looks. Gives who lives in the end.
    fn lives_after(
        cap: &Cap,
        sorted: &[SessionKey],
        order: &[usize],
        looks_after: &[usize],
    ) -> Vec<SessionKey> {
        let mut ended = std::collections::HashSet::new();
        let mut turns: Vec<usize> = (0..order.len()).collect();
        turns.sort_by_key(|&turn| looks_after[turn]);
        for turn in turns {
            let stored = &order[..looks_after[turn]];
            let view: Vec<_> = (0..sorted.len())
                .filter(|index| stored.contains(index))
                .map(|index| sorted[index].clone())
                .filter(|key| !ended.contains(key))
                .collect();
            let own = &sorted[order[turn]];
            if view.contains(own) {
                ended.extend(cap.beyond(&view, own).iter().cloned());
            }
        }
        let lives = sorted.iter().filter(|key| !ended.contains(*key));
        lives.cloned().collect()
    }

    fn permutations(count: usize) -> Vec<Vec<usize>> {
        if count == 0 {
            return vec![Vec::new()];
        }
        let shorter = permutations(count - 1);
        let insert = |at: usize, rest: &Vec<usize>| {
            let mut order = rest.clone();
            order.insert(at, count - 1);
            order
        };
        shorter
            .iter()
            .flat_map(|rest| (0..count).map(move |at| insert(at, rest)))
            .collect()
    }

    /// Every order in which four logins of one second can be stored and look.
    #[test]
    fn logins_at_the_same_moment_converge_to_the_cap_and_never_end_all() {
        let sorted = sessions(4);
        for when in [WhenExceeded::OldestOut, WhenExceeded::Refuse] {
            for most in 1..=3 {
                let cap = cap(most, when);
                for order in permutations(4) {
                    for looks in 0..256 {
                        // Nobody looks before being stored.
                        let looks_after: Vec<_> = (0..4).map(|turn| (looks >> (2 * turn)) % 4 + 1).collect();
                        if (0..4).any(|turn| looks_after[turn] <= turn) {
                            continue;
                        }
                        let lives = lives_after(&cap, &sorted, &order, &looks_after);
                        assert_eq!(lives.len(), most, "{when:?} {order:?} {looks_after:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_oldest_go_and_the_newest_stays() {
        let sessions = sessions(5);
        let beyond = cap(2, WhenExceeded::OldestOut);
        assert_eq!(beyond.beyond(&sessions, &sessions[4]), &sessions[..3]);
        assert!(beyond.beyond(&sessions[..2], &sessions[1]).is_empty());
    }

    #[test]
    fn a_refusal_ends_nobody_who_was_there_before() {
        let sessions = sessions(5);
        // The cap was lowered from four to two.
        assert_eq!(
            cap(2, WhenExceeded::Refuse).beyond(&sessions, &sessions[4]),
            &sessions[4..]
        );
    }
}
