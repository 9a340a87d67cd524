mod writing;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use resource_server::time::{Clock, UnixTime};
use tokio::time::Instant;

use super::join::{Joined, Joins, failed};
use super::lease::{Lease, Leases, Turn};
use super::outcome::{Grant, Need, RefreshError, Verdict, Wanted, told, verdict};
use crate::background::Background;
use crate::errors::chain;
use crate::provider::{Audiences, Granted, Provider, ProviderError};
use crate::random;
use crate::session::registry::{EndReason, EndedUnlessRenewed};
use crate::session::store::LeaseOutcome;
use crate::session::tokens::{
    AccessToken, IssuedToken, RefreshToken, Renewal, Target, TokenSet, refresh_from,
};
use crate::session::{OpenSession, SessionKey, SessionRegistry};
use crate::telemetry;

/// After which pauses a refresh token is presented again when the connection broke after it was sent. The provider may
/// have rotated, and those that take the old token once more do so for a few seconds only.
const LOST_ANSWER_PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(400)];
/// What is known of a lease under which nothing was sent.
const NOT_SENT: LeaseOutcome = LeaseOutcome {
    answered: true,
    failure: None,
};
/// A token that is younger than this is not renewed because an upstream refuses it: a new one would be refused too.
const YOUNG: Duration = Duration::from_secs(10);

type Outcome = Result<OpenSession, RefreshError>;

/// How tokens are renewed, as configured.
#[derive(Debug, Clone, Copy)]
pub struct RefreshSettings {
    /// How long before its end an access token is renewed.
    pub margin: Duration,
    /// How long a lease lasts unless it is renewed; longer than any call to the provider.
    pub lease: Duration,
    /// How the provider gives access tokens for a route's audience and scopes.
    pub audiences: Audiences,
}

/// Hands out sessions with an access token that serves, and renews it when it is due.
#[derive(Debug)]
pub struct Keeper {
    registry: Arc<SessionRegistry>,
    provider: Arc<Provider>,
    clock: Arc<dyn Clock>,
    settings: RefreshSettings,
    background: Background,
    leases: Leases,
    joins: Joins<(SessionKey, Target), OpenSession>,
    /// Sessions whose new tokens are here while the store does not take them. Nobody may present the old refresh token
    /// meanwhile, also when their leases run out because the store does not hear of them.
    unwritten: Mutex<HashSet<SessionKey>>,
}

impl Keeper {
    /// A keeper of these sessions.
    #[must_use]
    pub fn new(
        registry: Arc<SessionRegistry>,
        provider: Arc<Provider>,
        clock: Arc<dyn Clock>,
        settings: RefreshSettings,
        background: Background,
    ) -> Self {
        Self {
            leases: Leases::new(Arc::clone(&registry), settings.lease),
            joins: Joins::new(background.clone()),
            unwritten: Mutex::default(),
            registry,
            provider,
            clock,
            settings,
            background,
        }
    }

    /// Returns the session with an access token for `target` that serves now.
    ///
    /// # Errors
    /// See [`RefreshError`]; only [`RefreshError::SessionEnded`] means that the session is over.
    pub async fn serve(
        self: &Arc<Self>,
        session: OpenSession,
        target: &Target,
    ) -> Result<OpenSession, RefreshError> {
        let wanted = Wanted::for_target(target);
        match self.need(&session, &wanted) {
            Need::Nothing => Ok(session),
            Need::RefreshBeside => {
                drop(self.join(&session, wanted));
                Ok(session)
            }
            Need::RefreshFirst => self.join(&session, wanted).await,
            Need::End => self.end(&session, EndReason::NoRefreshToken).await,
            Need::Unobtainable => Err(unobtainable()),
        }
    }

    /// Returns the session with another access token for `target` than the one that an upstream has just refused; `None`
    /// when there is no use in one.
    ///
    /// # Errors
    /// See [`RefreshError`].
    pub async fn replace_refused(
        self: &Arc<Self>,
        session: &OpenSession,
        target: &Target,
    ) -> Result<Option<OpenSession>, RefreshError> {
        let Some(refused) = session.content.tokens.get(target) else {
            return Ok(None);
        };
        if is_young(refused, self.clock.now()) {
            return Ok(None);
        }
        let wanted = Wanted::instead_of(target, &refused.token);
        if self.need(session, &wanted) == Need::Unobtainable {
            return Ok(None);
        }
        let renewed = self.join(session, wanted).await?;
        let is_another = renewed
            .content
            .tokens
            .get(target)
            .is_some_and(|held| !held.token.is(&refused.token));
        Ok(is_another.then_some(renewed))
    }

    /// The tokens that a login brought.
    #[must_use]
    pub fn token_set(&self, granted: Granted) -> TokenSet {
        let Renewal {
            access,
            refresh_token,
            refresh_expires_at,
            id_token,
            ..
        } = self.renewal(granted, Target::default());
        TokenSet {
            access,
            others: BTreeMap::new(),
            refresh_token,
            refresh_expires_at,
            id_token,
        }
    }

    fn renewal(&self, granted: Granted, target: Target) -> Renewal {
        let now = self.clock.now();
        Renewal {
            target,
            access: issued(
                granted.access_token,
                granted.lifetime,
                granted.scope,
                self.settings.margin,
                now,
            ),
            refresh_token: granted.refresh_token,
            refresh_expires_at: granted.refresh_lifetime.map(|lifetime| now + lifetime),
            id_token: granted.id_token,
        }
    }

    fn need(&self, session: &OpenSession, wanted: &Wanted) -> Need {
        Need::of(
            &session.content.tokens,
            wanted,
            self.settings.audiences,
            self.clock.now(),
        )
    }

    /// Joins the attempt for this session and target that runs in this process, or starts one.
    fn join(self: &Arc<Self>, session: &OpenSession, wanted: Wanted) -> Joined<OpenSession> {
        if self.unwritten().contains(&session.key) {
            return failed(RefreshError::Session("new tokens wait for the store".to_owned()));
        }
        let key = (session.key.clone(), wanted.target.clone());
        self.joins.join(key, || {
            let (keeper, session) = (Arc::clone(self), session.clone());
            async move {
                let (key, began) = (session.key.clone(), Instant::now());
                let outcome = keeper.run(session, wanted).await;
                report(&key, &outcome, began.elapsed());
                outcome
            }
        })
    }

    /// Gets what is wanted, one turn after the other with whoever else renews this session: each call to the provider and
    /// its write is made under the session's lease, so that there is one line of refresh tokens.
    #[tracing::instrument(name = "bff.token.refresh", skip_all, fields(session.key = %session.key))]
    async fn run(self: Arc<Self>, mut session: OpenSession, wanted: Wanted) -> Outcome {
        let give_up = self.leases.give_up_at();
        loop {
            match self.need(&session, &wanted) {
                Need::Nothing => return Ok(session),
                Need::End => return self.end(&session, EndReason::NoRefreshToken).await,
                Need::Unobtainable => return Err(unobtainable()),
                Need::RefreshBeside | Need::RefreshFirst => {}
            }
            // The lease is refused to whoever has not read the newest revision, so nothing is read again before it.
            let lease = match self.leases.turn(&session, give_up).await? {
                Turn::Ours(lease) => lease,
                Turn::MovedOn(newer) => {
                    session = *newer;
                    continue;
                }
                Turn::Ended => return Err(RefreshError::SessionEnded),
            };
            let tokens = &session.content.tokens;
            let now = self.clock.now();
            let Some(grant) = Grant::of(tokens, &wanted.target, self.settings.audiences, now) else {
                lease.release(&NOT_SENT).await;
                return Err(unobtainable());
            };
            let is_last = grant.gives(&wanted.target);
            let renewed = lease
                .hold(self.obtain(&session, &wanted.target, grant, &lease))
                .await;
            session = renewed?;
            // Whoever was overtaken has what the other one brought, which may be a token for somebody else.
            let is_there = session.content.tokens.get(&wanted.target).is_some();
            if is_last && is_there {
                return Ok(session);
            }
        }
    }

    async fn obtain(
        self: &Arc<Self>,
        session: &OpenSession,
        target: &Target,
        grant: Grant,
        lease: &Lease,
    ) -> Outcome {
        match grant {
            Grant::Refresh(target, token) => self.refresh(session, target, &token, lease).await,
            Grant::Exchange(token) => match self.provider.exchange_token(&token, target).await {
                Ok(granted) => {
                    self.store(session, self.renewal(granted, target.clone()), lease)
                        .await
                }
                Err(error) => Err(self.give_back(lease, &Failure::of_target(&error)).await),
            },
        }
    }

    async fn refresh(
        self: &Arc<Self>,
        session: &OpenSession,
        target: Target,
        token: &RefreshToken,
        lease: &Lease,
    ) -> Outcome {
        let mut is_lost = lease.unanswered() > 0;
        if is_lost {
            tracing::warn!(
                unanswered = lease.unanswered(),
                "the answer to an earlier refresh was lost; its refresh token is presented again"
            );
        }
        match self.present(token, session, &target, &mut is_lost).await {
            Ok(granted) => self.store(session, self.renewal(granted, target), lease).await,
            Err(error) => match verdict(&error, &target) {
                Verdict::GrantRefused => {
                    let reason = if is_lost {
                        EndReason::RefreshAnswerLost
                    } else {
                        EndReason::RefreshRefused
                    };
                    self.end(session, reason).await
                }
                Verdict::TargetRefused => Err(self.give_back(lease, &Failure::of_target(&error)).await),
                Verdict::NotTaken | Verdict::Lost { .. } => Err(self
                    .give_back(lease, &Failure::of_provider(&error, !is_lost))
                    .await),
            },
        }
    }

    /// Presents the refresh token, and again when the connection broke after it was sent.
    async fn present(
        &self,
        token: &RefreshToken,
        session: &OpenSession,
        target: &Target,
        is_lost: &mut bool,
    ) -> Result<Granted, ProviderError> {
        let subject = &session.content.subject;
        let mut pauses = LOST_ANSWER_PAUSES.iter();
        loop {
            let error = match self
                .provider
                .refresh(token, subject, target, self.settings.audiences)
                .await
            {
                Ok(granted) => return Ok(granted),
                Err(error) => error,
            };
            let Verdict::Lost { again_at_once } = verdict(&error, target) else {
                return Err(error);
            };
            *is_lost = true;
            match pauses.next() {
                Some(pause) if again_at_once => {
                    tracing::warn!(
                        error = chain(&error),
                        "a refresh has no answer; it is tried again"
                    );
                    tokio::time::sleep(*pause).await;
                }
                _ => return Err(error),
            }
        }
    }

    async fn give_back(&self, lease: &Lease, failure: &Failure) -> RefreshError {
        lease.release(&failure.outcome).await;
        failure.error.clone()
    }

    /// Ends the session because of what its tokens turned out to be, unless somebody has renewed them meanwhile.
    async fn end(&self, session: &OpenSession, reason: EndReason) -> Outcome {
        match self.registry.end_unless_renewed(session, reason).await {
            Ok(EndedUnlessRenewed::Ended) => Err(RefreshError::SessionEnded),
            Ok(EndedUnlessRenewed::Renewed(session)) => Ok(*session),
            Err(error) => Err(told(&error)),
        }
    }

    fn unwritten(&self) -> MutexGuard<'_, HashSet<SessionKey>> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that brought nothing: what the waiting requests are told, and what the store.
struct Failure {
    error: RefreshError,
    outcome: LeaseOutcome,
}

impl Failure {
    /// Concerns whoever refreshes this session, on every node.
    fn of_provider(error: &ProviderError, answered: bool) -> Self {
        let (cause, retry_after) = (chain(error), error.retry_after());
        Self {
            outcome: LeaseOutcome {
                answered,
                failure: Some((retry_after, cause.clone())),
            },
            error: match error {
                ProviderError::HeldOff { .. } => RefreshError::HeldOff { cause, retry_after },
                _ => RefreshError::Provider {
                    cause,
                    oauth_error: error.oauth_error().cloned(),
                    retry_after,
                },
            },
        }
    }

    /// Concerns only the routes that want this token.
    fn of_target(error: &ProviderError) -> Self {
        Self {
            outcome: NOT_SENT,
            error: target_failure(error),
        }
    }
}

/// A failure that concerns only one kind of access token.
pub(super) fn target_failure(error: &ProviderError) -> RefreshError {
    let (cause, retry_after) = (chain(error), error.retry_after());
    match error {
        ProviderError::HeldOff { .. } => RefreshError::HeldOff { cause, retry_after },
        _ => RefreshError::Target {
            cause,
            oauth_error: error.oauth_error().cloned(),
            retry_after,
        },
    }
}

/// Tells the metrics how an attempt came out, and the trail if the provider was asked in vain. What else there is to tell is
/// told where it is known: that the session ended, and why; that the store is down.
fn report(key: &SessionKey, outcome: &Outcome, took: Duration) {
    let Err(error) = outcome else {
        return telemetry::refresh_ended("served", took);
    };
    telemetry::refresh_ended(error.as_str(), took);
    match error {
        RefreshError::Provider { .. } | RefreshError::Target { .. } | RefreshError::Abandoned => {
            telemetry::refresh_failed(key, error, error.oauth_error());
        }
        RefreshError::SessionEnded | RefreshError::HeldOff { .. } | RefreshError::Session(_) => {
            tracing::debug!(session.key = %key, error = %error, "an attempt brought no tokens");
        }
    }
}

fn unobtainable() -> RefreshError {
    RefreshError::Target {
        cause: "nothing is left to get this access token with".to_owned(),
        oauth_error: None,
        retry_after: YOUNG,
    }
}

/// Judges a new access token: when it expires and when to renew it.
pub(super) fn issued(
    token: AccessToken,
    lifetime: Duration,
    scope: Option<String>,
    margin: Duration,
    now: UnixTime,
) -> IssuedToken {
    let chance = f64::from(u32::from_le_bytes(random::bytes())) / f64::from(u32::MAX);
    IssuedToken {
        token,
        obtained_at: now,
        refresh_from: refresh_from(now, lifetime, margin, chance),
        expires_at: now + lifetime,
        scope,
    }
}

/// Whether there is no use in renewing a token that was refused.
pub(super) fn is_young(token: &IssuedToken, now: UnixTime) -> bool {
    now < token.obtained_at + YOUNG
}
