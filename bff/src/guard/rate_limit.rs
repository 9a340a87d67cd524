//! How often somebody may ask: a rate with a burst, counted for each address or session in a bounded memory.

pub mod middleware;

use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use resource_server::time::{Clock, UnixTime};

use crate::session::SessionKey;

/// Of how many addresses or sessions a limit remembers how often they asked: those that asked last. The rest may ask as if
/// for the first time, which is the price of a memory that nobody can fill.
const REMEMBERED: u64 = 100_000;

/// So many in so long: at once, and then again evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    most: NonZeroU32,
    per: Duration,
}

impl Rate {
    /// Reads `"600/1m"`, or `"off"` for no limit.
    ///
    /// # Errors
    /// The rule, when it is neither.
    pub fn parse(text: &str) -> Result<Option<Self>, &'static str> {
        let rule = "must be a number of requests and a time from 1s to 1h such as \"600/1m\", or \"off\"";
        if text == "off" {
            return Ok(None);
        }
        let (most, per) = text.split_once('/').ok_or(rule)?;
        let most = most.parse().map_err(|_| rule)?;
        let per = humantime::parse_duration(per).map_err(|_| rule)?;
        let in_bounds = (Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&per);
        in_bounds.then_some(Some(Self { most, per })).ok_or(rule)
    }

    fn quota(self) -> Quota {
        // More than one for each nanosecond cannot be told from no limit.
        let each = (self.per / self.most.get()).max(Duration::from_nanos(1));
        #[expect(clippy::expect_used, reason = "only a period of zero is refused")]
        let quota = Quota::with_period(each).expect("a period above zero");
        quota.allow_burst(self.most)
    }
}

/// The network that a limit counts as one client. Whoever has one address of IPv6 has the 2^64 beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Client(IpAddr);

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => Self(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into()),
            v4 @ IpAddr::V4(_) => Self(v4),
        }
    }
}

/// The limits of one node.
#[derive(Debug)]
pub struct RateLimits {
    /// Of beginning and ending logins, for each client address.
    pub login_per_address: Option<RateLimit<Client>>,
    /// Of calls to routes, for each client address.
    pub api_per_address: Option<RateLimit<Client>>,
    /// Of calls to routes, for each session.
    pub api_per_session: Option<RateLimit<SessionKey>>,
}

/// One limit.
pub struct RateLimit<K: Hash + Eq + Clone + Send + Sync + 'static>(
    RateLimiter<K, States<K>, Now, NoOpMiddleware<Duration>>,
);

impl<K: Hash + Eq + Clone + Send + Sync + 'static> RateLimit<K> {
    /// A limit of which nobody has used anything.
    #[must_use]
    pub fn new(rate: Rate, clock: Arc<dyn Clock>) -> Self {
        Self::remembering(rate, clock, REMEMBERED)
    }

    fn remembering(rate: Rate, clock: Arc<dyn Clock>, most: u64) -> Self {
        let states = Cache::builder()
            .max_capacity(most)
            // The usual policy keeps what is asked for often and would never take a newcomer in while it is full.
            .eviction_policy(EvictionPolicy::lru())
            // Who was away for that long has the whole burst again, as if never seen.
            .time_to_idle(rate.per)
            .build();
        Self(RateLimiter::new(rate.quota(), States(states), Now(clock)))
    }

    /// Counts a request.
    ///
    /// # Errors
    /// How long to wait, in whole seconds, if it is one too many.
    pub fn check(&self, who: &K) -> Result<(), u64> {
        self.0.check_key(who).map_err(|not_yet| {
            let wait = not_yet.wait_time_from(self.0.clock().now());
            wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
        })
    }
}

impl<K: Hash + Eq + Clone + Send + Sync + 'static> fmt::Debug for RateLimit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RateLimit")
    }
}

/// What is remembered of whom.
struct States<K: Hash + Eq + Clone + Send + Sync + 'static>(Cache<K, Arc<InMemoryState>>);

impl<K: Hash + Eq + Clone + Send + Sync + 'static> StateStore for States<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let state = self.0.get_with_by_ref(key, Arc::default);
        state.measure_and_replace(&NotKeyed::NonKey, measure)
    }
}

/// The program's clock, as governor wants it.
#[derive(Clone)]
struct Now(Arc<dyn Clock>);

impl GovernorClock for Now {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.now().since(UnixTime::from_secs(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resource_server::time::ManualClock;

    fn clock() -> ManualClock {
        ManualClock::new(UnixTime::from_secs(1_700_000_000))
    }

    fn limit(rate: &str, clock: &ManualClock, most: u64) -> RateLimit<u32> {
        RateLimit::remembering(Rate::parse(rate).unwrap().unwrap(), Arc::new(clock.clone()), most)
    }

    #[test]
    fn a_burst_is_taken_at_once_and_comes_back_evenly() {
        let clock = clock();
        let limit = limit("6/1m", &clock, 10);
        for _ in 0..6 {
            assert_eq!(limit.check(&1), Ok(()));
        }
        assert_eq!(limit.check(&1), Err(10));
        assert_eq!(limit.check(&2), Ok(()), "somebody else");
        clock.advance(Duration::from_secs(9));
        assert_eq!(limit.check(&1), Err(1));
        clock.advance(Duration::from_secs(1));
        assert_eq!(limit.check(&1), Ok(()));
        assert_eq!(limit.check(&1), Err(10));
        clock.advance(Duration::from_secs(3600));
        for _ in 0..6 {
            assert_eq!(limit.check(&1), Ok(()));
        }
        assert_eq!(limit.check(&1), Err(10));
    }

    #[test]
    fn a_flood_of_addresses_fills_no_memory_and_frees_nobody_who_goes_on() {
        let clock = clock();
        let limit = limit("1/1h", &clock, 100);
        assert_eq!(limit.check(&u32::MAX), Ok(()));
        for stranger in 0..10_000_u32 {
            assert_eq!(limit.check(&stranger), Ok(()));
            assert!(limit.check(&u32::MAX).is_err());
        }
        let States(states) = limit.0.into_state_store();
        states.run_pending_tasks();
        assert!(states.entry_count() <= 100, "{}", states.entry_count());
    }

    #[test]
    fn neighbours_of_ipv6_are_one_client() {
        let client = |text: &str| Client::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:0:0:1"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
        assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
    }

    #[test]
    fn rates_are_read() {
        assert_eq!(Rate::parse("off"), Ok(None));
        assert!(Rate::parse("600/1m").unwrap().is_some());
        assert!(Rate::parse("4294967295/1s").unwrap().is_some());
        for bad in [
            "", "600", "0/1m", "600/0s", "600/1d", "x/1m", "600/m", "-1/1s", "600/1m/2",
        ] {
            assert!(Rate::parse(bad).is_err(), "{bad}");
        }
        let most = Rate::parse("4294967295/1s").unwrap().unwrap();
        let _ = most.quota();
    }
}
