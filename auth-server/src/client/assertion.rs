//! `private_key_jwt`: a client proves who it is with a JWT that it signed (RFC 7523 §3, narrowed by
//! draft-ietf-oauth-rfc7523bis §4). What it looks like is judged by the verifier of the resource-server crate.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use resource_server::claims::Claims;
use resource_server::key_cache::{FetchKeys, FetchKeysError, KeyCache, VerifyError};
use resource_server::time::{Clock, UnixTime};
use resource_server::verifier::{InvalidVerifier, MAX_TOKEN_BYTES, Verifier};
use url::Url;

use super::{AssertionKeys, KeySource};
use crate::http::{Outbound, OutboundError};
use crate::secret::Digest;

/// How far ahead `exp` may be: that long its `jti` has to be remembered, and that long a stolen one is worth something.
const LONGEST_LIFE: Duration = Duration::from_secs(5 * 60);
/// How far the client's clock and ours may differ.
const LEEWAY: Duration = Duration::from_secs(10);
/// How much longer an assertion is remembered: the clocks of several nodes differ, too.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Verifies assertions; it holds the keys that clients publish.
#[derive(Debug)]
pub(crate) struct Assertions {
    issuer: String,
    clock: Arc<dyn Clock>,
    outbound: Outbound,
    /// By the address, so that there is one cache however often a registration is read.
    published: Mutex<HashMap<Url, KeyCache>>,
}

/// A good assertion, unless it was used before.
#[derive(Debug)]
pub(crate) struct GoodOnce {
    /// What names it among those of all clients.
    pub(crate) digest: Digest,
    /// When it was judged.
    pub(crate) now: UnixTime,
    /// Until when another one of that name is the same one.
    pub(crate) remember_until: UnixTime,
}

/// Why an assertion proves nothing. The client is told of none of this.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AssertionError {
    #[error("the assertion could not be verified")]
    Unverified(#[from] VerifyError),
    #[error("no assertion of this client could be verified")]
    Unverifiable(#[from] InvalidVerifier),
    #[error("the assertion is good for more than {} s", LONGEST_LIFE.as_secs())]
    TooLong,
}

impl Assertions {
    pub(crate) fn new(issuer: &str, clock: Arc<dyn Clock>, outbound: Outbound) -> Self {
        Self {
            issuer: issuer.to_owned(),
            clock,
            outbound,
            published: Mutex::default(),
        }
    }

    /// Verifies an assertion of a client, whose keys may have to be fetched. That it is used only once is left to the caller.
    pub(crate) async fn verify(
        &self,
        client_id: &str,
        keys: &AssertionKeys,
        assertion: &str,
    ) -> Result<GoodOnce, AssertionError> {
        let verifier = Verifier::client_assertion(client_id, &self.issuer)
            .algorithms(&keys.algorithms)
            .leeway(LEEWAY)
            .build()?;
        let claims = match &keys.source {
            KeySource::Registered(keys) => verifier
                .verify(assertion, keys, self.clock.now())
                .map_err(VerifyError::Token)?,
            KeySource::Published(address) => self.published(address).verify(&verifier, assertion).await?,
        };
        self.judge_once(client_id, &claims)
    }

    fn judge_once(&self, client_id: &str, claims: &Claims) -> Result<GoodOnce, AssertionError> {
        let now = self.clock.now();
        if claims.expires_at() > now + LONGEST_LIFE {
            return Err(AssertionError::TooLong);
        }
        Ok(GoodOnce {
            // The verifier wants a `jti`.
            digest: name_of(client_id, claims.jti().unwrap_or_default()),
            now,
            remember_until: claims.expires_at() + LEEWAY + REMEMBERED,
        })
    }

    fn published(&self, address: &Url) -> KeyCache {
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        let cache = published.entry(address.clone()).or_insert_with(|| {
            let source = PublishedKeys {
                outbound: self.outbound.clone(),
                address: address.clone(),
            };
            KeyCache::new(Arc::new(source), Arc::clone(&self.clock))
        });
        cache.clone()
    }
}

/// The keys at a client's `jwks_uri`.
#[derive(Debug)]
struct PublishedKeys {
    outbound: Outbound,
    address: Url,
}

#[async_trait]
impl FetchKeys for PublishedKeys {
    async fn fetch(&self) -> Result<Vec<u8>, FetchKeysError> {
        let fetched = self.outbound.get_json(&self.address).await;
        fetched.map_err(|error| match error {
            OutboundError::TimedOut => FetchKeysError::TimedOut,
            OutboundError::Status(status) => FetchKeysError::Status(status),
            error => FetchKeysError::Transport(Arc::new(error)),
        })
    }
}

/// The client that an assertion says it is of, to pick the keys that then verify exactly that. Nothing else is believed of
/// it before.
pub(super) fn claimed_client(assertion: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Claimed {
        sub: String,
    }
    if assertion.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let payload = assertion.split('.').nth(1)?;
    let json = URL_SAFE_NO_PAD.decode(payload).ok()?;
    Some(serde_json::from_slice::<Claimed>(&json).ok()?.sub)
}

/// A `jti` is unique among those of its client only; the length in front keeps two pairs from being one text.
fn name_of(client_id: &str, jti: &str) -> Digest {
    let text = format!("{}:{client_id}{jti}", client_id.len());
    Digest::of(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_part_of_an_assertions_name() {
        assert!(name_of("a", "b").matches(&name_of("a", "b")));
        assert!(!name_of("a", "b1").matches(&name_of("ab", "1")));
        assert!(!name_of("1", "2:x").matches(&name_of("12", ":x")));
    }

    #[test]
    fn what_is_no_jwt_claims_nothing() {
        for text in ["", "a", "a.b", "a.!.c", "..", &"a".repeat(MAX_TOKEN_BYTES + 1)] {
            assert_eq!(claimed_client(text), None);
        }
    }
}
