//! The life of a key: announced, active, retired, past; and what has to be done next. Pure.
//!
//! There is always a key that is announced beside the one that signs. Verifiers know it long before the first token of
//! it comes, in a planned change and, which matters more, when the active key has to go at once.

use std::time::Duration;

use resource_server::time::UnixTime;

use super::SigningAlgorithm;

/// How long caches on the way, and verifiers that obey `Cache-Control`, keep the key set.
pub(crate) const KEY_SET_MAX_AGE: Duration = Duration::from_secs(300);

/// How often a node looks at the keys in the database.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What nodes may be late, and their clocks apart.
const SLACK: Duration = Duration::from_secs(60);

/// The longest life of a token that `[tokens]` allows: an hour. The setting of today says nothing of tokens that were
/// issued under yesterday's.
const LONGEST_TOKEN: Duration = Duration::from_secs(3600);

/// What verifiers forgive beyond `exp`.
const LEEWAY: Duration = Duration::from_secs(300);

/// How long after its last occasion to be issued a token may be good somewhere.
pub(crate) const TOKENS_OVER_AFTER: Duration = LONGEST_TOKEN.saturating_add(LEEWAY).saturating_add(SLACK);

/// How long a retired key is still published: nothing that it has signed is good for longer.
const PUBLISHED_FOR: Duration = TOKENS_OVER_AFTER;

/// When a key went from one phase to the next, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instants {
    pub(crate) announced_at: UnixTime,
    pub(crate) active_at: Option<UnixTime>,
    pub(crate) retired_at: Option<UnixTime>,
    pub(crate) withdrawn_at: Option<UnixTime>,
}

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Published, and signs nothing yet.
    Announced,
    /// Signs.
    Active,
    /// Signs no more, and is published as long as tokens of it may be good.
    Retired,
    /// Published no more; ID tokens of it still say, as hints, whose they were.
    Past,
    /// Believed no more.
    Withdrawn,
}

impl Phase {
    /// How it is called where operators read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Past => "past",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl Instants {
    pub(crate) fn phase(&self, now: UnixTime) -> Phase {
        match (self.withdrawn_at, self.retired_at, self.active_at) {
            (Some(_), _, _) => Phase::Withdrawn,
            (None, Some(retired_at), _) if now < retired_at + PUBLISHED_FOR => Phase::Retired,
            (None, Some(_), _) => Phase::Past,
            (None, None, Some(_)) => Phase::Active,
            (None, None, None) => Phase::Announced,
        }
    }
}

/// When keys change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    /// How long a key signs.
    pub(crate) rotate_every: Duration,
    /// How long a key is published before it signs.
    pub(crate) announced_for: Duration,
}

impl Policy {
    /// `verifier_cache` is how long verifiers keep the key set without looking again.
    pub(crate) fn new(rotate_every: Duration, verifier_cache: Duration) -> Self {
        Self {
            rotate_every,
            announced_for: Self::announced_for(verifier_cache),
        }
    }

    /// A verifier may be handed a set by a cache in the very moment in which that has to forget it.
    pub(crate) fn announced_for(verifier_cache: Duration) -> Duration {
        KEY_SET_MAX_AGE + verifier_cache + SLACK
    }
}

/// A key, as far as its life is concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life<'k> {
    pub(crate) kid: &'k str,
    pub(crate) algorithm: SigningAlgorithm,
    pub(crate) instants: Instants,
}

/// What has to be done with the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Make a key that signs at once: there is none.
    Begin(SigningAlgorithm),
    /// Let the announced key sign at once: there is no other.
    Promote(String),
    /// Make a key and announce it.
    Announce(SigningAlgorithm),
    /// Retire the active key and let the announced one sign.
    Rotate {
        /// The key that has signed so far.
        from: String,
        /// The key that signs from now on.
        to: String,
    },
}

/// The first thing to be done, if there is any. `wanted` are the algorithms that clients need; keys of others, once
/// there, are looked after as well.
pub(crate) fn next_step(
    policy: &Policy,
    keys: &[Life<'_>],
    wanted: &[SigningAlgorithm],
    now: UnixTime,
) -> Option<Step> {
    SigningAlgorithm::ALL.into_iter().find_map(|algorithm| {
        let find = |phase| {
            let mut of_algorithm = keys.iter().filter(|key| key.algorithm == algorithm);
            of_algorithm.find(|key| key.instants.phase(now) == phase)
        };
        match (find(Phase::Active), find(Phase::Announced)) {
            (None, None) => wanted.contains(&algorithm).then_some(Step::Begin(algorithm)),
            (None, Some(announced)) => Some(Step::Promote(announced.kid.to_owned())),
            (Some(_), None) => Some(Step::Announce(algorithm)),
            (Some(active), Some(announced)) => {
                (is_over(policy, active, now) && may_follow(policy, announced, now)).then(|| Step::Rotate {
                    from: active.kid.to_owned(),
                    to: announced.kid.to_owned(),
                })
            }
        }
    })
}

fn is_over(policy: &Policy, active: &Life<'_>, now: UnixTime) -> bool {
    let active_at = active.instants.active_at;
    active_at.is_some_and(|active_at| now >= active_at + policy.rotate_every)
}

/// Whether every verifier that looks for new keys as often as it should has seen this one.
pub(crate) fn may_follow(policy: &Policy, announced: &Life<'_>, now: UnixTime) -> bool {
    now >= announced.instants.announced_at + policy.announced_for
}

#[cfg(test)]
mod tests {
    use super::*;

    const ES256: SigningAlgorithm = SigningAlgorithm::Es256;
    const RS256: SigningAlgorithm = SigningAlgorithm::Rs256;
    const DAY: u64 = 24 * 3600;

    fn at(seconds: i64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    fn policy() -> Policy {
        Policy::new(Duration::from_secs(90 * DAY), Duration::from_secs(3600))
    }

    fn key(kid: &str, announced_at: i64, active_at: Option<i64>) -> Life<'_> {
        Life {
            kid,
            algorithm: ES256,
            instants: Instants {
                announced_at: at(announced_at),
                active_at: active_at.map(at),
                retired_at: None,
                withdrawn_at: None,
            },
        }
    }

    fn next(keys: &[Life<'_>], wanted: &[SigningAlgorithm], now: i64) -> Option<Step> {
        next_step(&policy(), keys, wanted, at(now))
    }

    #[test]
    fn an_algorithm_begins_when_it_is_wanted_and_has_always_a_key_announced() {
        assert_eq!(next(&[], &[], 0), None);
        assert_eq!(next(&[], &[RS256], 0), Some(Step::Begin(RS256)));
        let active = key("a", 0, Some(0));
        assert_eq!(next(&[active], &[ES256], 0), Some(Step::Announce(ES256)));
        assert_eq!(next(&[active], &[], 0), Some(Step::Announce(ES256)));
        let announced = key("b", 0, None);
        assert_eq!(next(&[active, announced], &[ES256], 0), None);
        assert_eq!(
            next(&[active, announced], &[ES256, RS256], 0),
            Some(Step::Begin(RS256))
        );
        assert_eq!(
            next(&[announced], &[], 0),
            Some(Step::Promote("b".to_owned())),
            "what is announced alone has to sign"
        );
    }

    #[test]
    fn a_key_signs_after_its_predecessor_and_after_every_cache_has_seen_it() {
        let end = 90 * DAY as i64;
        let rotate = Some(Step::Rotate {
            from: "a".to_owned(),
            to: "b".to_owned(),
        });
        let keys = [key("a", 0, Some(0)), key("b", 0, None)];
        assert_eq!(next(&keys, &[], end - 1), None);
        assert_eq!(next(&keys, &[], end), rotate);

        let seen = 300 + 3600 + 60;
        let keys = [key("a", 0, Some(0)), key("b", end, None)];
        assert_eq!(next(&keys, &[], end + seen - 1), None);
        assert_eq!(next(&keys, &[], end + seen), rotate);
    }

    #[test]
    fn phases_follow_each_other() {
        let mut instants = key("a", 100, None).instants;
        assert_eq!(instants.phase(at(100)), Phase::Announced);
        instants.active_at = Some(at(200));
        assert_eq!(instants.phase(at(200)), Phase::Active);
        instants.retired_at = Some(at(1000));
        let unpublished = 1000 + 3600 + 300 + 60;
        assert_eq!(instants.phase(at(1000)), Phase::Retired);
        assert_eq!(instants.phase(at(unpublished - 1)), Phase::Retired);
        assert_eq!(instants.phase(at(unpublished)), Phase::Past);
        instants.withdrawn_at = Some(at(1001));
        assert_eq!(instants.phase(at(1001)), Phase::Withdrawn);
    }
}
