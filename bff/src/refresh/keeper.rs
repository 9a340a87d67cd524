use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use resource_server::time::{Clock, UnixTime};

use super::outcome::{Need, RefreshError, ends_the_session};
use crate::background::Background;
use crate::errors::chain;
use crate::provider::{Granted, Provider};
use crate::random;
use crate::session::registry::{EndReason, EndedUnlessRenewed, Renewed};
use crate::session::tokens::{TokenSet, refresh_from};
use crate::session::{OpenSession, SessionError, SessionKey, SessionRegistry};
use crate::telemetry;

/// How often new tokens are written again, with which first pause, before those who wait are told that the store is
/// down. The writing itself goes on for as long as the session could live: the tokens exist nowhere else, so giving up
/// would cost the session.
const WRITE_ATTEMPTS_WAITED_FOR: u32 = 5;
const WRITE_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_WRITE_PAUSE: Duration = Duration::from_secs(2);
/// How many failures are remembered before those that are over are cleared out.
const FAILURES_BEFORE_CLEARING: usize = 1_024;

type Outcome = Result<OpenSession, RefreshError>;
type Joined = Shared<BoxFuture<'static, Outcome>>;

/// Hands out sessions with an access token that serves, and renews it when it is due.
#[derive(Debug)]
pub struct Keeper {
    registry: Arc<SessionRegistry>,
    provider: Arc<Provider>,
    clock: Arc<dyn Clock>,
    margin: Duration,
    background: Background,
    attempts: Mutex<HashMap<SessionKey, Attempt>>,
}

#[derive(Debug, Clone)]
enum Attempt {
    Running(Joined),
    /// The provider did not help; nobody asks it again for this session before this instant.
    Failed(UnixTime, RefreshError),
    /// New tokens are here and the store does not take them yet. Nobody may present the old refresh token meanwhile.
    Unwritten,
}

impl Keeper {
    /// A keeper that renews tokens `margin` before they expire.
    #[must_use]
    pub fn new(
        registry: Arc<SessionRegistry>,
        provider: Arc<Provider>,
        clock: Arc<dyn Clock>,
        margin: Duration,
        background: Background,
    ) -> Self {
        Self {
            registry,
            provider,
            clock,
            margin,
            background,
            attempts: Mutex::default(),
        }
    }

    /// Returns the session with an access token that serves now.
    ///
    /// # Errors
    /// See [`RefreshError`]; only [`RefreshError::SessionEnded`] means that the session is over.
    pub async fn serve(self: &Arc<Self>, session: OpenSession) -> Result<OpenSession, RefreshError> {
        match Need::of(&session.content.tokens, self.clock.now()) {
            Need::Nothing => Ok(session),
            Need::RefreshBeside => {
                drop(self.join(&session));
                Ok(session)
            }
            Need::RefreshFirst => self.join(&session).await,
            Need::End => self.end(&session, EndReason::NoRefreshToken).await,
        }
    }

    /// Judges the tokens that a grant brought: when they expire and when to renew them.
    #[must_use]
    pub fn token_set(&self, granted: Granted, earlier: Option<&TokenSet>) -> TokenSet {
        let now = self.clock.now();
        let chance = f64::from(u32::from_le_bytes(random::bytes())) / f64::from(u32::MAX);
        // An answer that says nothing of the refresh token's end leaves it where it was, unless the token is another one.
        let earlier_end = earlier
            .filter(|_| granted.refresh_token.is_none())
            .and_then(|tokens| tokens.refresh_expires_at);
        TokenSet {
            access_token: granted.access_token,
            refresh_from: refresh_from(now, granted.lifetime, self.margin, chance),
            expires_at: now + granted.lifetime,
            // RFC 6749 §6: no new refresh token means that the old one goes on.
            refresh_token: granted.refresh_token.or_else(|| earlier?.refresh_token.clone()),
            refresh_expires_at: granted
                .refresh_lifetime
                .map(|lifetime| now + lifetime)
                .or(earlier_end),
            id_token: granted.id_token.or_else(|| earlier?.id_token.clone()),
            scope: granted.scope.or_else(|| earlier?.scope.clone()),
        }
    }

    /// Joins the refresh of this session that runs, or starts one in a task of its own.
    fn join(self: &Arc<Self>, session: &OpenSession) -> Joined {
        let now = self.clock.now();
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        match attempts.get(&session.key) {
            // One that has ended without removing itself was abandoned: a new one takes its place.
            Some(Attempt::Running(joined)) if joined.peek().is_none() => return joined.clone(),
            Some(Attempt::Unwritten) => {
                let error = RefreshError::Session("new tokens wait for the store".to_owned());
                return async move { Err(error) }.boxed().shared();
            }
            Some(Attempt::Failed(until, error)) if now < *until => {
                let error = error.clone();
                return async move { Err(error) }.boxed().shared();
            }
            _ => {}
        }
        if attempts.len() >= FAILURES_BEFORE_CLEARING {
            attempts.retain(|_, attempt| !matches!(attempt, Attempt::Failed(until, _) if *until <= now));
        }
        let (keeper, session, key) = (Arc::clone(self), session.clone(), session.key.clone());
        let task = self.background.spawn(async move { keeper.run(session).await });
        let joined = task
            .map(|ended| ended.unwrap_or(Err(RefreshError::Abandoned)))
            .boxed()
            .shared();
        attempts.insert(key, Attempt::Running(joined.clone()));
        joined
    }

    #[tracing::instrument(name = "bff.token.refresh", skip_all, fields(session.key = %session.key))]
    async fn run(self: &Arc<Self>, session: OpenSession) -> Outcome {
        let key = session.key.clone();
        let outcome = self.refresh(session).await;
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        match &outcome {
            Err(error @ RefreshError::Provider { retry_after, .. }) => {
                tracing::warn!(error = %error, "tokens could not be refreshed; the session goes on");
                let until = self.clock.now() + *retry_after;
                attempts.insert(key, Attempt::Failed(until, error.clone()));
            }
            Err(error) => {
                tracing::warn!(error = %error, "tokens were not refreshed");
                if !matches!(attempts.get(&key), Some(Attempt::Unwritten)) {
                    attempts.remove(&key);
                }
            }
            Ok(_) => {
                attempts.remove(&key);
            }
        }
        drop(attempts);
        outcome
    }

    async fn refresh(self: &Arc<Self>, session: OpenSession) -> Outcome {
        // Whoever renewed between the caller's reading and this task wrote first and removed itself afterwards, so what
        // is read now is at least as new as their write.
        let found = self.registry.find(&session.id, &session.key, false).await;
        let session = found
            .map_err(|error| told(&error))?
            .ok_or(RefreshError::SessionEnded)?;
        match Need::of(&session.content.tokens, self.clock.now()) {
            Need::Nothing => return Ok(session),
            Need::End => return self.end(&session, EndReason::NoRefreshToken).await,
            Need::RefreshBeside | Need::RefreshFirst => {}
        }
        let Some(refresh_token) = session.content.tokens.refresh_token.clone() else {
            return Ok(session);
        };
        match self
            .provider
            .refresh(&refresh_token, &session.content.subject)
            .await
        {
            Ok(granted) => self.store(&session, granted).await,
            Err(error) if ends_the_session(&error) => self.end(&session, EndReason::RefreshRefused).await,
            Err(error) => Err(RefreshError::Provider {
                retry_after: error.retry_after(),
                cause: chain(&error),
            }),
        }
    }

    /// Writes the new tokens before anything uses them.
    async fn store(self: &Arc<Self>, session: &OpenSession, granted: Granted) -> Outcome {
        let tokens = self.token_set(granted, Some(&session.content.tokens));
        let mut pause = WRITE_PAUSE;
        for _ in 0..WRITE_ATTEMPTS_WAITED_FOR {
            match self.registry.renew(session, tokens.clone()).await {
                Err(SessionError::Store(error)) => {
                    tracing::warn!(error = chain(&error), "new tokens could not be stored yet");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                other => return self.stored(other, &tokens).await,
            }
        }
        self.go_on_writing(session.clone(), tokens);
        Err(RefreshError::Session("new tokens could not be stored".to_owned()))
    }

    /// Goes on writing in a task of its own until the store takes the tokens or the session would have ended anyway.
    fn go_on_writing(self: &Arc<Self>, session: OpenSession, tokens: TokenSet) {
        self.attempts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(session.key.clone(), Attempt::Unwritten);
        let keeper = Arc::clone(self);
        self.background.spawn(async move {
            loop {
                tokio::time::sleep(LONGEST_WRITE_PAUSE).await;
                let written = keeper.registry.renew(&session, tokens.clone()).await;
                let over = keeper.clock.now() >= session.times.ends_at;
                if !matches!(written, Err(SessionError::Store(_))) || over {
                    let outcome = keeper.stored(written, &tokens).await;
                    tracing::info!(session.key = %session.key, stored = outcome.is_ok(), "tokens no longer wait");
                    break;
                }
            }
            keeper.attempts.lock().unwrap_or_else(PoisonError::into_inner).remove(&session.key);
        });
    }

    async fn stored(&self, written: Result<Renewed, SessionError>, tokens: &TokenSet) -> Outcome {
        match written.map_err(|error| told(&error))? {
            Renewed::Stored(session) => {
                let expires_in = session
                    .content
                    .tokens
                    .expires_at
                    .since(self.clock.now())
                    .as_secs();
                telemetry::refreshed(&session.key, expires_in);
                Ok(session)
            }
            Renewed::Overtaken(session) => Ok(session),
            Renewed::Ended => {
                if let Some(token) = &tokens.refresh_token {
                    self.provider.revoke_or_report(token).await;
                }
                Err(RefreshError::SessionEnded)
            }
        }
    }

    /// Ends the session because of what its tokens turned out to be, unless somebody has renewed them meanwhile.
    async fn end(&self, session: &OpenSession, reason: EndReason) -> Outcome {
        match self.registry.end_unless_renewed(session, reason).await {
            Ok(EndedUnlessRenewed::Ended) => Err(RefreshError::SessionEnded),
            Ok(EndedUnlessRenewed::Renewed(session)) => Ok(*session),
            Err(error) => Err(told(&error)),
        }
    }
}

fn told(error: &SessionError) -> RefreshError {
    RefreshError::Session(chain(error))
}
