//! Access tokens of our own client, for routes that call their upstream in nobody's name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use resource_server::time::Clock;

use super::join::{Joined, Joins};
use super::keeper::{is_young, issued, target_failure};
use super::{RefreshError, RefreshSettings};
use crate::background::Background;
use crate::provider::Provider;
use crate::session::tokens::{IssuedToken, Target};

/// One token for each audience and scope, shared by all requests of this node and kept in memory only: another one costs
/// nothing but a call.
#[derive(Debug)]
pub struct ServiceTokens {
    provider: Arc<Provider>,
    clock: Arc<dyn Clock>,
    settings: RefreshSettings,
    joins: Joins<Target, IssuedToken>,
    held: Mutex<HashMap<Target, IssuedToken>>,
}

impl ServiceTokens {
    /// No tokens yet; the first request of a route gets one.
    #[must_use]
    pub fn new(
        provider: Arc<Provider>,
        clock: Arc<dyn Clock>,
        settings: RefreshSettings,
        background: Background,
    ) -> Self {
        Self {
            joins: Joins::new(background),
            provider,
            clock,
            settings,
            held: Mutex::default(),
        }
    }

    /// A token that serves now.
    ///
    /// # Errors
    /// When there is none and the provider gives none.
    pub async fn serve(self: &Arc<Self>, target: &Target) -> Result<IssuedToken, RefreshError> {
        let (held, now) = (self.held().get(target).cloned(), self.clock.now());
        match held {
            Some(held) if now < held.refresh_from => Ok(held),
            Some(held) if now < held.expires_at => {
                drop(self.join(target, Some(&held)));
                Ok(held)
            }
            held => self.join(target, held.as_ref()).await,
        }
    }

    /// Another token than the one that an upstream has just refused; `None` when there is no use in one.
    ///
    /// # Errors
    /// When the provider gives none.
    pub async fn replace_refused(
        self: &Arc<Self>,
        target: &Target,
        refused: &IssuedToken,
    ) -> Result<Option<IssuedToken>, RefreshError> {
        if is_young(refused, self.clock.now()) {
            return Ok(None);
        }
        let newer = self
            .held()
            .get(target)
            .filter(|held| !held.token.is(&refused.token))
            .cloned();
        match newer {
            Some(newer) => Ok(Some(newer)),
            None => self.join(target, Some(refused)).await.map(Some),
        }
    }

    /// Joins whoever fetches a token, after a look at what was `held`.
    fn join(self: &Arc<Self>, target: &Target, held: Option<&IssuedToken>) -> Joined<IssuedToken> {
        self.joins.join(target.clone(), || {
            let (tokens, target, seen) = (Arc::clone(self), target.clone(), held.cloned());
            async move { tokens.fetch(target, seen.as_ref()).await }
        })
    }

    async fn fetch(&self, target: Target, seen: Option<&IssuedToken>) -> Result<IssuedToken, RefreshError> {
        // Somebody may have fetched one since that look, and be gone by now.
        let newest = self.held().get(&target).cloned();
        if let Some(newest) = newest
            && !seen.is_some_and(|seen| seen.token.is(&newest.token))
            && self.clock.now() < newest.refresh_from
        {
            return Ok(newest);
        }
        let granted = self
            .provider
            .client_credentials(&target, self.settings.audiences)
            .await;
        let granted = granted.map_err(|error| {
            let failure = target_failure(&error);
            // Whoever is only told to wait has asked nobody.
            if !matches!(failure, RefreshError::HeldOff { .. }) {
                let oauth_error = failure.oauth_error();
                tracing::warn!(error = %failure, oauth.error = oauth_error, "there is no access token for a service route");
            }
            failure
        })?;
        let now = self.clock.now();
        let token = issued(
            granted.access_token,
            granted.lifetime,
            granted.scope,
            self.settings.margin,
            now,
        );
        self.held().insert(target, token.clone());
        Ok(token)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Target, IssuedToken>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
