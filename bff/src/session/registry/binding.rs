//! Notices a session that turns up on another device than the one it began on.
//!
//! This is no proof: whoever steals a cookie can send the `User-Agent` that belongs to it. It catches those who do not
//! think of it. Addresses are not compared, because those of honest phones change all day.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use super::{EndReason, SessionError, SessionRegistry};
use crate::errors::chain;
use crate::session::SessionKey;
use crate::session::device::Device;
use crate::telemetry;

/// What happens to a session that turns up on another device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceBinding {
    /// Nothing, and nobody looks.
    #[default]
    Off,
    /// The log says so, once for each session and node.
    Report,
    /// It ends.
    End,
}

/// How many pairs of a session and a `User-Agent` are remembered in each of two generations: 5 MB at most.
const REMEMBERED: usize = 1 << 17;

/// The policy, and what this node has compared already, so that a session costs a look-up in memory for each request and
/// a reading of its record for each new `User-Agent`.
#[derive(Debug, Default)]
pub(super) struct Watch {
    policy: DeviceBinding,
    hasher: RandomState,
    compared: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    current: HashSet<u64>,
    previous: HashSet<u64>,
}

impl Watch {
    pub(super) fn new(policy: DeviceBinding) -> Self {
        Self {
            policy,
            ..Self::default()
        }
    }

    /// The digest of a session and something about it; keyed, so that no client can choose one that is remembered.
    fn digest(&self, key: &SessionKey, what: (&str, &str)) -> u64 {
        self.hasher.hash_one((key, what))
    }

    fn remembers(&self, digest: u64) -> bool {
        let compared = self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        compared.current.contains(&digest) || compared.previous.contains(&digest)
    }

    /// Remembers a digest; whether it is new. What was not remembered lately is forgotten and compared again.
    fn remember(&self, digest: u64) -> bool {
        let mut compared = self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        if compared.current.len() >= REMEMBERED {
            compared.previous = std::mem::take(&mut compared.current);
        }
        !compared.previous.contains(&digest) && compared.current.insert(digest)
    }
}

impl SessionRegistry {
    /// Whether a request with this `User-Agent` may use the session, as far as its device goes. One that has ended is on no
    /// device.
    ///
    /// # Errors
    /// When a session has to be compared or ended and the store is down. Under [`DeviceBinding::Report`] that is no error.
    pub(super) async fn is_on_its_device(
        &self,
        key: &SessionKey,
        user_agent: Option<&str>,
    ) -> Result<bool, SessionError> {
        if self.watch.policy == DeviceBinding::Off {
            return Ok(true);
        }
        let user_agent = user_agent.unwrap_or_default();
        let digest = self.watch.digest(key, ("user-agent", user_agent));
        if self.watch.remembers(digest) {
            return Ok(true);
        }
        let stored = match self.store.load(key).await {
            Ok(Some(stored)) => stored,
            Ok(None) => {
                self.replica.forget(key);
                return Ok(false);
            }
            Err(_) if self.watch.policy == DeviceBinding::Report => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        let began_on = match self.vault.open_summary(key, &stored.summary) {
            Ok(summary) => summary.device,
            Err(error) => {
                tracing::debug!(session.key = %key, error = chain(&error), "a session's device cannot be compared");
                return Ok(true);
            }
        };
        let device = Device::of_agent(user_agent);
        if !began_on.contradicts(&device) {
            self.watch.remember(digest);
            return Ok(true);
        }
        if self.watch.policy == DeviceBinding::End {
            telemetry::device_changed(key, &began_on, &device);
            self.end(key, EndReason::DeviceChanged).await?;
            return Ok(false);
        }
        self.watch.remember(digest);
        if self.watch.remember(self.watch.digest(key, ("reported", ""))) {
            telemetry::device_changed(key, &began_on, &device);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_what_is_new_is_new_once() {
        let watch = Watch::new(DeviceBinding::Report);
        assert!(watch.remember(7));
        assert!(!watch.remember(7));
        for digest in 100..(3 * REMEMBERED as u64) {
            watch.remember(digest);
        }
        let compared = watch.compared.lock().unwrap();
        assert!(compared.current.len() <= REMEMBERED && compared.previous.len() <= REMEMBERED);
        drop(compared);
        assert!(!watch.remembers(7), "forgotten, and compared again");
    }

    #[test]
    fn a_session_and_a_user_agent_have_one_digest_on_one_node() {
        let (watch, other) = (Watch::default(), Watch::default());
        let key = SessionKey::generate();
        let digest = watch.digest(&key, ("user-agent", "a"));
        assert_eq!(digest, watch.digest(&key, ("user-agent", "a")));
        assert_ne!(digest, watch.digest(&key, ("user-agent", "b")));
        assert_ne!(digest, watch.digest(&SessionKey::generate(), ("user-agent", "a")));
        assert_ne!(digest, other.digest(&key, ("user-agent", "a")));
    }
}
