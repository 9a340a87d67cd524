//! What becomes of a notification after an attempt: pure.

use std::time::Duration;

use resource_server::time::UnixTime;

use crate::store::Notification;

const FIRST_DELAY: Duration = Duration::from_secs(5);
const LONGEST_DELAY: Duration = Duration::from_secs(15 * 60);

/// How often a client may say no. It may just not know the newest key yet, or run a little behind; it hardly changes its mind
/// after minutes.
const MOST_REFUSALS: u32 = 5;

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The client has ended the session, or knows of none.
    Taken,
    /// The client has read the notification and does not want it.
    Refused,
    /// Nobody knows whether the client has heard anything.
    Failed,
}

/// What happens next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing more.
    Done,
    /// Another attempt, at this instant.
    Again(UnixTime),
    /// Nothing more, and the client has not heard.
    GiveUp,
}

impl Outcome {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// Back-Channel Logout 1.0 §2.8: 200, for which some frameworks put 204, and 400. Everything else, redirects too, is not
    /// an answer to this.
    pub(super) fn of_status(status: u16) -> Self {
        match status {
            200 | 204 => Self::Taken,
            400 => Self::Refused,
            _ => Self::Failed,
        }
    }

    /// `chance` is random, so that what failed together is not tried again together.
    pub(super) fn judge(
        self,
        notification: &Notification,
        give_up_after: Duration,
        now: UnixTime,
        chance: u16,
    ) -> Next {
        let has_refused = self == Self::Refused && notification.attempts >= MOST_REFUSALS;
        match self {
            Self::Taken => Next::Done,
            Self::Refused | Self::Failed => {
                let again = now + delay(notification.attempts, chance);
                if has_refused || again >= notification.queued_at + give_up_after {
                    Next::GiveUp
                } else {
                    Next::Again(again)
                }
            }
        }
    }
}

/// Twice as long each time, and of that between a half and the whole.
fn delay(attempts: u32, chance: u16) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let longest = (FIRST_DELAY * 2_u32.pow(doublings)).min(LONGEST_DELAY);
    let half = longest / 2;
    half + half * u32::from(chance) / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn at(seconds: i64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    fn attempt(attempts: u32) -> Notification {
        Notification {
            sid: "s".to_owned(),
            client_id: "c".to_owned(),
            user_id: "u".to_owned(),
            queued_at: at(0),
            attempts,
        }
    }

    #[test]
    fn only_200_and_204_say_that_it_is_done() {
        for status in [200, 204] {
            assert_eq!(Outcome::of_status(status), Outcome::Taken);
        }
        assert_eq!(Outcome::of_status(400), Outcome::Refused);
        for status in [201, 202, 302, 303, 307, 401, 404, 405, 429, 500, 501, 503, 504] {
            assert_eq!(Outcome::of_status(status), Outcome::Failed, "{status}");
        }
    }

    #[test]
    fn it_is_tried_again_ever_more_slowly_for_a_day() {
        let (mut now, mut attempts, mut longest) = (at(0), 1, Duration::ZERO);
        while let Next::Again(next) = Outcome::Failed.judge(&attempt(attempts), DAY, now, u16::MAX) {
            let waited = next.since(now);
            assert!(waited >= longest && waited <= LONGEST_DELAY, "{attempts}");
            (now, attempts, longest) = (next, attempts + 1, waited);
        }
        assert_eq!(longest, LONGEST_DELAY);
        assert!(now > at(23 * 3600) && now < at(24 * 3600));
        assert!((90..120).contains(&attempts), "{attempts}");
    }

    #[test]
    fn chance_spreads_attempts_over_half_of_the_delay() {
        let next = |chance| Outcome::Failed.judge(&attempt(4), DAY, at(0), chance);
        assert_eq!(next(0), Next::Again(at(20)));
        assert_eq!(next(u16::MAX), Next::Again(at(40)));
    }

    #[test]
    fn a_client_that_says_no_is_asked_a_few_times() {
        let next = |attempts| Outcome::Refused.judge(&attempt(attempts), DAY, at(0), 0);
        assert!((1..5).all(|attempts| matches!(next(attempts), Next::Again(_))));
        assert_eq!(next(5), Next::GiveUp);
        assert_eq!(
            Outcome::Taken.judge(&attempt(500), DAY, at(90_000), 0),
            Next::Done
        );
    }

    #[test]
    fn what_waited_too_long_is_tried_once_and_then_given_up() {
        let late = Outcome::Failed.judge(&attempt(1), DAY, at(24 * 3600), 0);
        assert_eq!(late, Next::GiveUp);
    }
}
