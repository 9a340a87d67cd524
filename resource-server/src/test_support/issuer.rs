use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::{TestKey, encode, jwks};
use crate::error::FetchKeysError;
use crate::key_cache::{FetchKeys, KeyCache};
#[cfg(feature = "status-list")]
use crate::time::UnixTime;
use crate::time::{Clock, SystemClock};
use crate::verifier::{Verifier, VerifierBuilder};

/// An issuer of access tokens that exists in a test only: it mints tokens and hands out its keys without any network.
///
/// Clones are the same issuer.
///
/// ```
/// use resource_server::test_support::TestIssuer;
///
/// # tokio_test(async {
/// let issuer = TestIssuer::new("https://issuer.example");
/// let verifier = issuer.verifier("https://api.example").build().unwrap();
/// let keys = issuer.keys();
///
/// let good = issuer.mint("https://api.example").subject("alice").scope("orders:read").token();
/// assert_eq!(keys.verify(&verifier, &good).await.unwrap().subject(), "alice");
///
/// let forged = issuer.mint("https://api.example").forged().token();
/// assert!(keys.verify(&verifier, &forged).await.is_err());
/// # });
/// # fn tokio_test(test: impl Future<Output = ()>) {
/// #     tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TestIssuer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    /// The last one signs.
    keys: Vec<TestKey>,
    pub(super) is_up: bool,
    #[cfg(feature = "status-list")]
    pub(super) ended: Vec<usize>,
    made: usize,
    fetched: usize,
    minted: usize,
}

impl TestIssuer {
    /// An issuer of this name, which its tokens carry in `iss`, by the clock of this machine.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::with_clock(name, Arc::new(SystemClock))
    }

    /// An issuer by another clock, such as a [`ManualClock`](crate::time::ManualClock).
    #[must_use]
    pub fn with_clock(name: &str, clock: Arc<dyn Clock>) -> Self {
        let state = State {
            keys: vec![TestKey::es256("key-1")],
            is_up: true,
            #[cfg(feature = "status-list")]
            ended: Vec::new(),
            made: 1,
            fetched: 0,
            minted: 0,
        };
        Self(Arc::new(Inner {
            name: name.to_owned(),
            clock,
            state: Mutex::new(state),
        }))
    }

    /// The name that tokens carry in `iss`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Begins a verifier of its access tokens for this audience.
    pub fn verifier(&self, audience: &str) -> VerifierBuilder {
        Verifier::access_token(&self.0.name, audience)
    }

    /// A new cache that gets its keys from here.
    #[must_use]
    pub fn keys(&self) -> KeyCache {
        KeyCache::new(Arc::new(self.clone()), Arc::clone(&self.0.clock))
    }

    /// What an application that takes its access tokens for this audience has as its data.
    #[cfg(feature = "actix")]
    #[must_use]
    pub fn protection(&self, audience: &str) -> crate::actix::Protection {
        let verifier = self.verifier(audience).build().unwrap();
        crate::actix::Protection::new(verifier, self.keys(), audience).unwrap()
    }

    /// The JWK set that it publishes.
    #[must_use]
    pub fn jwks(&self) -> Vec<u8> {
        let keys: Vec<Value> = self.state().keys.iter().map(TestKey::jwk).collect();
        jwks(&keys)
    }

    /// Begins an access token for this audience: as RFC 9068 wants it, of a client `client` for the user `alice`, good
    /// for five minutes, without any scope.
    pub fn mint(&self, audience: &str) -> Mint<'_> {
        let now = self.0.clock.now().as_secs();
        let mut state = self.state();
        state.minted += 1;
        let claims = json!({
            "iss": self.0.name,
            "aud": audience,
            "sub": "alice",
            "client_id": "client",
            "jti": format!("token-{}", state.minted),
            "iat": now,
            "exp": now + 300,
        });
        Mint {
            issuer: self,
            header: Map::new(),
            claims: into_map(claims),
            signed_by: SignedBy::Issuer,
        }
    }

    /// Signs with a new key from now on; the old ones stay published, so that their tokens are still good.
    pub fn rotate_keys(&self) {
        let mut state = self.state();
        state.made += 1;
        let key = TestKey::es256(&format!("key-{}", state.made));
        state.keys.push(key);
    }

    /// Publishes the key it signs with and no other. Caches notice when they next fetch.
    pub fn withdraw_old_keys(&self) {
        let mut state = self.state();
        let last = state.keys.len() - 1;
        state.keys.drain(..last);
    }

    /// Stops or begins to answer those who want its keys.
    pub fn set_up(&self, is_up: bool) {
        self.state().is_up = is_up;
    }

    /// How often its keys were asked for.
    #[must_use]
    pub fn fetched(&self) -> usize {
        self.state().fetched
    }

    #[cfg(feature = "status-list")]
    pub(super) fn now(&self) -> UnixTime {
        self.0.clock.now()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl FetchKeys for TestIssuer {
    async fn fetch(&self) -> Result<Vec<u8>, FetchKeysError> {
        let is_up = {
            let mut state = self.state();
            state.fetched += 1;
            state.is_up
        };
        if is_up {
            Ok(self.jwks())
        } else {
            Err(FetchKeysError::Status(503))
        }
    }

    fn whose(&self) -> Option<&str> {
        Some(self.name())
    }
}

impl State {
    pub(super) fn signing_key(&self) -> &TestKey {
        self.keys.last().unwrap()
    }
}

/// A token in the making: [`TestIssuer::mint`] begins one, [`token`](Self::token) ends it.
#[derive(Debug, Clone)]
#[must_use = "a token that is not finished is none"]
pub struct Mint<'i> {
    issuer: &'i TestIssuer,
    /// Members that differ from what the key says.
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signed_by: SignedBy,
}

#[derive(Debug, Clone, Copy)]
enum SignedBy {
    Issuer,
    Stranger,
    Nobody,
}

impl Mint<'_> {
    /// Whom the token is about.
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", subject)
    }

    /// The client that it was issued to.
    pub fn client(self, client_id: &str) -> Self {
        self.claim("client_id", client_id)
    }

    /// What it allows: scopes, separated by spaces.
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// Any claim, whatever its form; it replaces the one that is there.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a claim out.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Any member of the header; it replaces the one that is there.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Ends after this time.
    pub fn expires_in(self, life: Duration) -> Self {
        let end = self.issuer.0.clock.now() + life;
        self.claim("exp", end.as_secs())
    }

    /// Ended an hour ago, which is beyond any leeway.
    pub fn expired(self) -> Self {
        let end = self.issuer.0.clock.now().as_secs() - 3600;
        self.claim("iat", end - 300).claim("exp", end)
    }

    /// Signed with the key of a stranger who gives it the name of the issuer's.
    pub fn forged(mut self) -> Self {
        self.signed_by = SignedBy::Stranger;
        self
    }

    /// Not signed at all: `alg` is `none` (RFC 7519 §6).
    pub fn unsigned(mut self) -> Self {
        self.signed_by = SignedBy::Nobody;
        self
    }

    #[cfg(feature = "status-list")]
    pub(super) fn issuer(&self) -> &TestIssuer {
        self.issuer
    }

    /// The token in its compact form.
    #[must_use]
    pub fn token(self) -> String {
        let state = self.issuer.state();
        let own = state.signing_key();
        let mut header = own.header();
        if let SignedBy::Nobody = self.signed_by {
            header["alg"] = json!("none");
        }
        for (name, value) in self.header {
            header[name] = value;
        }
        let claims = Value::Object(self.claims);
        match self.signed_by {
            SignedBy::Issuer => own.sign(&header, &claims),
            SignedBy::Stranger => TestKey::es256(own.kid()).sign(&header, &claims),
            SignedBy::Nobody => {
                let parts = [header, claims].map(|part| encode(part.to_string().as_bytes()));
                format!("{}.{}.", parts[0], parts[1])
            }
        }
    }
}

fn into_map(claims: Value) -> Map<String, Value> {
    match claims {
        Value::Object(claims) => claims,
        other => panic!("{other} has no claims"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Mint, TestIssuer};
    use crate::error::{TokenError, VerifyError};
    use crate::test_support::{AUDIENCE, ISSUER, NOW};
    use crate::time::ManualClock;

    async fn verdict(issuer: &TestIssuer, mint: Mint<'_>) -> Result<(), VerifyError> {
        let verifier = issuer.verifier(AUDIENCE).build().unwrap();
        issuer.keys().verify(&verifier, &mint.token()).await.map(drop)
    }

    #[tokio::test]
    async fn every_variant_is_what_it_says() {
        let issuer = TestIssuer::with_clock(ISSUER, Arc::new(ManualClock::new(NOW)));
        let mint = || issuer.mint(AUDIENCE);
        verdict(&issuer, mint()).await.unwrap();
        verdict(&issuer, mint().expires_in(Duration::from_secs(1)))
            .await
            .unwrap();
        for (mint, expected) in [
            (mint().expired(), TokenError::Expired),
            (mint().forged(), TokenError::Signature),
            (mint().unsigned(), TokenError::Structure),
            (mint().header("alg", "HS256"), TokenError::Algorithm),
            (mint().without("jti"), TokenError::MissingClaim("jti")),
            (mint().claim("sub", 7), TokenError::MalformedClaim("sub")),
            (issuer.mint("https://other.example"), TokenError::Audience),
            (mint().header("typ", "JWT"), TokenError::Type),
        ] {
            match verdict(&issuer, mint).await {
                Err(VerifyError::Token(error)) => assert_eq!(error, expected),
                other => panic!("{other:?} instead of {expected}"),
            }
        }
    }

    #[tokio::test]
    async fn keys_rotate_and_are_withdrawn() {
        let issuer = TestIssuer::with_clock(ISSUER, Arc::new(ManualClock::new(NOW)));
        let verifier = issuer.verifier(AUDIENCE).build().unwrap();
        let old = issuer.mint(AUDIENCE).token();
        issuer.rotate_keys();
        let new = issuer.mint(AUDIENCE).token();
        let keys = issuer.keys();
        for token in [&old, &new] {
            keys.verify(&verifier, token).await.unwrap();
        }
        issuer.withdraw_old_keys();
        let keys = issuer.keys();
        keys.verify(&verifier, &new).await.unwrap();
        assert_eq!(issuer.fetched(), 2);
        assert!(keys.verify(&verifier, &old).await.is_err());
    }

    #[tokio::test]
    async fn an_issuer_that_is_down_gives_no_keys() {
        let issuer = TestIssuer::new(ISSUER);
        issuer.set_up(false);
        let verdict = verdict(&issuer, issuer.mint(AUDIENCE)).await;
        assert!(
            matches!(verdict, Err(VerifyError::KeysUnavailable(_))),
            "{verdict:?}"
        );
    }
}
