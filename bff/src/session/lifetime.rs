//! Whether a session still lives, judged by stored instants and the clock. A store's TTL only collects garbage.

use std::time::Duration;

use resource_server::time::UnixTime;
use serde::{Deserialize, Serialize};

/// How long sessions may last.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest pause between two uses.
    pub idle: Duration,
    /// The longest life, however busy.
    pub absolute: Duration,
}

/// The instants of a session that decide about its life; stored beside the sealed part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// When the login was completed.
    pub created_at: UnixTime,
    /// The last use that was written down; uses in between are not (see [`Limits::touch_is_due`]).
    pub last_used_at: UnixTime,
    /// When the session ends at the latest.
    pub ends_at: UnixTime,
}

/// How long a session's record and ticket outlive its absolute end, so that somebody may come and learn why it ended.
const AFTERWARDS: Duration = Duration::from_secs(60);

impl Times {
    /// When a store may forget whatever leads to the session.
    #[must_use]
    pub fn forgotten_from(&self) -> UnixTime {
        self.ends_at + AFTERWARDS
    }
}

/// What the clock says about a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Standing {
    /// It lives, and ends at this instant if nobody uses it.
    LivesUntil(UnixTime),
    /// Nobody used it for too long.
    IdleTooLong,
    /// Its absolute lifetime is over.
    TooOld,
}

impl Limits {
    /// The times of a session that begins now.
    #[must_use]
    pub fn begin(&self, now: UnixTime) -> Times {
        Times {
            created_at: now,
            last_used_at: now,
            ends_at: now + self.absolute,
        }
    }

    /// Judges a session's times.
    pub fn judge(&self, times: &Times, now: UnixTime) -> Standing {
        if now >= times.ends_at {
            return Standing::TooOld;
        }
        let end = self.lives_until(times);
        if now >= end {
            return Standing::IdleTooLong;
        }
        Standing::LivesUntil(end)
    }

    /// When a session ends if nobody uses it any more.
    #[must_use]
    pub fn lives_until(&self, times: &Times) -> UnixTime {
        (times.last_used_at + self.idle).min(times.ends_at)
    }

    /// Whether this use should be written down. Throttled to a tenth of the idle time and at most a minute, so that
    /// a busy session costs one write a minute and loses no more than that of its idle time.
    #[must_use]
    pub fn touch_is_due(&self, times: &Times, now: UnixTime) -> bool {
        now >= self.touch_from(times)
    }

    /// The first instant at which a use should be written down.
    #[must_use]
    pub fn touch_from(&self, times: &Times) -> UnixTime {
        times.last_used_at + self.touch_throttle()
    }

    /// How much time lies between two uses that are written down.
    #[must_use]
    pub fn touch_throttle(&self) -> Duration {
        (self.idle / 10).clamp(Duration::from_secs(1), Duration::from_secs(60))
    }

    /// When a store may forget a session that was last used at `last_used_at`: its idle end plus what a throttled
    /// touch can be late, and never long after its absolute end.
    #[must_use]
    pub fn garbage_from(&self, times: &Times) -> UnixTime {
        (times.last_used_at + self.idle + self.idle / 10 + Duration::from_secs(60))
            .min(times.forgotten_from())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        idle: Duration::from_secs(600),
        absolute: Duration::from_secs(3_600),
    };

    fn at(seconds: i64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    #[test]
    fn an_idle_session_lives_until_the_second_of_its_idle_end() {
        let times = LIMITS.begin(at(0));
        assert_eq!(LIMITS.judge(&times, at(599)), Standing::LivesUntil(at(600)));
        assert_eq!(LIMITS.judge(&times, at(600)), Standing::IdleTooLong);
    }

    #[test]
    fn constant_use_does_not_outlive_the_absolute_end() {
        let times = Times {
            last_used_at: at(3_599),
            ..LIMITS.begin(at(0))
        };
        assert_eq!(LIMITS.judge(&times, at(3_599)), Standing::LivesUntil(at(3_600)));
        assert_eq!(LIMITS.judge(&times, at(3_600)), Standing::TooOld);
    }

    #[test]
    fn uses_within_a_tenth_of_the_idle_time_are_not_written_down() {
        let times = LIMITS.begin(at(0));
        assert!(!LIMITS.touch_is_due(&times, at(59)));
        assert!(LIMITS.touch_is_due(&times, at(60)));
    }

    #[test]
    fn a_store_never_forgets_a_session_that_still_lives() {
        let times = LIMITS.begin(at(0));
        assert!(LIMITS.garbage_from(&times) >= at(600));
        assert!(LIMITS.garbage_from(&times) <= times.ends_at);
    }

    #[test]
    fn a_busy_session_is_not_forgotten_before_somebody_can_learn_that_it_is_too_old() {
        let times = Times {
            last_used_at: at(3_590),
            ..LIMITS.begin(at(0))
        };
        assert!(LIMITS.garbage_from(&times) > times.ends_at);
        assert_eq!(LIMITS.garbage_from(&times), times.forgotten_from());
    }
}
