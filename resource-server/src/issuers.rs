//! The issuers whose tokens an API accepts, each with its own keys, algorithms and audience.
//!
//! Of a token that has not been verified nothing is read but `iss`, and that only selects among the issuers that are
//! configured. So a token never has keys fetched from an address that only it names, and the keys of one issuer are never
//! asked about a token of another.

use std::borrow::Cow;
use std::future::{Future as _, poll_fn};
use std::task::Poll;
use std::time::Duration;

use serde::Deserialize;

use crate::claims::Claims;
use crate::compact::{Compact, HeaderBytes, bytes_of, read_object};
use crate::error::{FetchKeysError, TokenError, VerifyError};
use crate::key_cache::KeyCache;
use crate::profile::required_text;
#[cfg(feature = "status-list")]
use crate::status_list::{StatusError, StatusLists};
use crate::token_memory::TokenMemory;
use crate::verifier::{MAX_TOKEN_BYTES, Verifier};

/// Whose tokens are accepted; and which were, lately.
///
/// A token that comes again costs a digest instead of a signature. One memory serves all issuers: a token is
/// remembered by all of its bytes, `iss` among them, and only while the keys of its own issuer stay the same.
#[derive(Debug)]
pub struct Issuers {
    trusted: Vec<Trusted>,
    memory: TokenMemory,
}

#[derive(Debug)]
struct Trusted {
    verifier: Verifier,
    keys: KeyCache,
    #[cfg(feature = "status-list")]
    status_lists: Option<StatusLists>,
}

/// How it stands with the keys of one issuer.
#[derive(Debug, Clone)]
pub struct IssuerKeys<'i> {
    /// Whose they are.
    pub issuer: &'i str,
    /// Whether there are some that may be used, so that its tokens can be judged.
    pub are_usable: bool,
    /// Why none could be had when it was last asked, if that failed; whether or not older keys are still used.
    pub fault: Option<FetchKeysError>,
}

/// Why a list of issuers is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIssuers {
    /// Nobody's tokens would be accepted.
    #[error("there has to be an issuer")]
    None,
    /// Which of the two was meant could not be told by a token's `iss`.
    #[error("the issuer {0:?} is there twice")]
    Twice(String),
    /// Its verifier is of another kind: an ID token, say, is for the client alone and lets nobody into an API.
    #[error("the verifier of {0:?} is not one of access tokens")]
    NotOfAccessTokens(String),
    /// Its status lists would never be asked.
    #[error("{0:?} is not one of the issuers")]
    Stranger(String),
}

/// Why [`Issuers`] did not accept a token.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotAccepted {
    /// It was not verified.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// It is genuine, but whether its grant has ended cannot be told before this time is over.
    #[error("the status of the token is not available")]
    StatusUnavailable(Duration),
}

impl From<TokenError> for NotAccepted {
    fn from(error: TokenError) -> Self {
        Self::Verify(error.into())
    }
}

#[cfg(feature = "status-list")]
impl From<StatusError> for NotAccepted {
    fn from(error: StatusError) -> Self {
        match error {
            StatusError::Token(error) => error.into(),
            StatusError::Unavailable(retry_after) => Self::StatusUnavailable(retry_after),
        }
    }
}

impl Issuers {
    /// One issuer: access tokens that `verifier` accepts with `keys`.
    ///
    /// # Errors
    /// When the verifier is not one of access tokens.
    pub fn one(verifier: Verifier, keys: KeyCache) -> Result<Self, InvalidIssuers> {
        Self::several([(verifier, keys)])
    }

    /// Several issuers, each with the verifier that names it and its keys.
    ///
    /// # Errors
    /// When there is none, one of them twice, or a verifier that is not one of access tokens.
    pub fn several(issuers: impl IntoIterator<Item = (Verifier, KeyCache)>) -> Result<Self, InvalidIssuers> {
        let trusted: Vec<Trusted> = issuers
            .into_iter()
            .map(|(verifier, keys)| Trusted::new(verifier, keys))
            .collect();
        if trusted.is_empty() {
            return Err(InvalidIssuers::None);
        }
        for (index, one) in trusted.iter().enumerate() {
            let name = one.verifier.issuer();
            if !one.verifier.is_of_access_tokens() {
                return Err(InvalidIssuers::NotOfAccessTokens(name.to_owned()));
            }
            if trusted[..index]
                .iter()
                .any(|other| other.verifier.issuer() == name)
            {
                return Err(InvalidIssuers::Twice(name.to_owned()));
            }
        }
        Ok(Self {
            trusted,
            memory: TokenMemory::new(),
        })
    }

    /// Has the tokens of an issuer refused when their grant has ended: its lists are asked at each use of a token, also of
    /// one that was seen before.
    ///
    /// # Errors
    /// When they are the lists of a stranger, so that they would be of no use.
    #[cfg(feature = "status-list")]
    pub fn with_status_lists(mut self, lists: StatusLists) -> Result<Self, InvalidIssuers> {
        let mut trusted = self.trusted.iter_mut();
        let Some(issuer) = trusted.find(|one| one.verifier.issuer() == lists.issuer()) else {
            return Err(InvalidIssuers::Stranger(lists.issuer().to_owned()));
        };
        issuer.status_lists = Some(lists);
        Ok(self)
    }

    /// The issuers by the names that tokens give them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.trusted.iter().map(|one| one.verifier.issuer())
    }

    /// Judges a token: like [`KeyCache::verify`] with the keys of its issuer, but a token that was seen before costs a
    /// digest. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// [`TokenError::Issuer`] for a stranger's token; else as [`KeyCache::verify`], or what the status lists say. Where there
    /// are several issuers a stranger's token costs no fetch. Where there is one it is judged like that issuer's own, so that
    /// a `kid` that is not known asks for newer keys, as often as [`CachePolicy::cooldown`] allows.
    ///
    /// [`CachePolicy::cooldown`]: crate::key_cache::CachePolicy::cooldown
    pub async fn verify(&self, token: &str) -> Result<Claims, NotAccepted> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLarge.into());
        }
        let issuer = self.of_token(token)?;
        let claims = self.verify_of(issuer, token).await?;
        #[cfg(feature = "status-list")]
        if let Some(lists) = &issuer.status_lists {
            lists.check(&claims).await?;
        }
        Ok(claims)
    }

    async fn verify_of(&self, issuer: &Trusted, token: &str) -> Result<Claims, VerifyError> {
        let Trusted { verifier, keys, .. } = issuer;
        keys.renew_if_overdue().await;
        // To be read first: see `TokenMemory::keep`.
        let Some(generation) = keys.generation() else {
            return keys.verify(verifier, token).await;
        };
        let digest = TokenMemory::digest(token);
        if let Some(claims) = self.memory.recall(&digest, generation) {
            verifier.judge_times(&claims, keys.now())?;
            return Ok(claims);
        }
        let claims = keys.verify(verifier, token).await?;
        self.memory.keep(digest, generation, claims.clone());
        Ok(claims)
    }

    /// Sees to it that there are keys, as a readiness probe wants to know: those of one issuer are enough, because what
    /// keeps the others away keeps them away from every copy of the API. All that have none are asked at once; whoever is
    /// slow holds up nothing as soon as there are those of another. [`Issuers::keys`] tells who lacks them.
    ///
    /// # Errors
    /// Why there are none, of the issuer that answered last.
    pub async fn ready(&self) -> Result<(), FetchKeysError> {
        for Trusted { keys, .. } in &self.trusted {
            keys.ask_if_missing();
        }
        if self.keys().any(|keys| keys.are_usable) {
            return Ok(());
        }
        let asked = self.trusted.iter().map(|one| Box::pin(one.keys.ready()));
        let mut asked: Vec<_> = asked.collect();
        let mut outcome = Err(FetchKeysError::Interrupted);
        poll_fn(|context| {
            asked.retain_mut(|one| match one.as_mut().poll(context) {
                Poll::Pending => true,
                Poll::Ready(own) => {
                    if outcome.is_err() {
                        outcome = own;
                    }
                    false
                }
            });
            if outcome.is_ok() || asked.is_empty() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        outcome
    }

    /// Whose tokens can be judged now, and why others' cannot. Asks nobody.
    pub fn keys(&self) -> impl Iterator<Item = IssuerKeys<'_>> {
        self.trusted.iter().map(|one| {
            let (are_usable, fault) = one.keys.standing();
            IssuerKeys {
                issuer: one.verifier.issuer(),
                are_usable,
                fault,
            }
        })
    }

    /// When a request that found no keys is worth being repeated.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        let waits = self.trusted.iter().map(|one| one.keys.retry_after());
        waits.max().unwrap_or_default()
    }

    fn of_token(&self, token: &str) -> Result<&Trusted, TokenError> {
        // Where there is no choice the verifier finds out who issued a token once the signature is good.
        if let [only] = self.trusted.as_slice() {
            return Ok(only);
        }
        let claimed = claimed_issuer(token)?;
        let named = self.trusted.iter().find(|one| one.verifier.issuer() == claimed);
        named.ok_or(TokenError::Issuer)
    }
}

impl Trusted {
    fn new(verifier: Verifier, keys: KeyCache) -> Self {
        Self {
            verifier,
            keys,
            #[cfg(feature = "status-list")]
            status_lists: None,
        }
    }
}

/// The `iss` of a token, not verified and not to be believed.
fn claimed_issuer(token: &str) -> Result<String, TokenError> {
    #[derive(Deserialize)]
    struct Claimed<'p> {
        #[serde(borrow)]
        iss: Cow<'p, str>,
    }
    let payload = token.split('.').nth(1).and_then(|part| bytes_of(part.as_bytes()));
    if let Some(payload) = &payload
        && let Ok(claimed) = serde_json::from_slice::<Claimed<'_>>(payload)
    {
        return Ok(claimed.iss.into_owned());
    }
    // What is wrong with it is said in the words of the verifier.
    let compact = Compact::parse(token)?;
    let mut room = [0; size_of::<HeaderBytes>()];
    read_object(&compact.header(&mut room)?, TokenError::Header)?;
    let claims = compact.claims()?;
    required_text(&read_object(&claims, TokenError::Payload)?, "iss").map(str::to_owned)
}

#[cfg(test)]
mod tests;
