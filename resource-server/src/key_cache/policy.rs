use std::time::Duration;

/// How long keys are good and how often they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CachePolicy {
    /// Until this age a snapshot is used as it is; afterwards it is renewed in the background. If half a minute later
    /// nothing has come of that, because no token came that would have begun it, the next token waits for the renewal.
    pub fresh_for: Duration,
    /// The least time between two fetches, but for one more when a token names an unknown key.
    pub cooldown: Duration,
    /// The least time between two fetches while there are no keys at all: then every request fails, and the provider
    /// may just be starting.
    pub cooldown_without_keys: Duration,
    /// From this age a snapshot is not used any more, even if no newer one can be had.
    pub max_stale: Duration,
}

impl Default for CachePolicy {
    fn default() -> Self {
        Self {
            fresh_for: Duration::from_secs(5 * 60),
            cooldown: Duration::from_secs(10),
            cooldown_without_keys: Duration::from_secs(1),
            max_stale: Duration::from_secs(24 * 60 * 60),
        }
    }
}
