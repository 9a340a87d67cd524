use std::future::ready;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::{FutureExt as _, LocalBoxFuture};

use super::credentials::{self, Credentials};
use super::refusal::{Reason, Refusal};
use crate::claims::Claims;
use crate::error::{TokenError, VerifyError};
use crate::key_cache::KeyCache;
#[cfg(feature = "status-list")]
use crate::status_list::StatusLists;
use crate::token_memory::TokenMemory;
use crate::verifier::{MAX_TOKEN_BYTES, Verifier};

/// What an application accepts; shared as `web::Data`.
#[derive(Debug)]
pub struct Protection {
    verifier: Verifier,
    keys: KeyCache,
    memory: TokenMemory,
    #[cfg(feature = "status-list")]
    status_lists: Option<StatusLists>,
    realm: Arc<str>,
}

impl Protection {
    /// Tokens that `verifier` accepts with `keys`. `realm` names what is protected in challenges.
    #[must_use]
    pub fn new(verifier: Verifier, keys: KeyCache, realm: &str) -> Self {
        Self {
            verifier,
            keys,
            memory: TokenMemory::new(),
            #[cfg(feature = "status-list")]
            status_lists: None,
            realm: realm.into(),
        }
    }

    /// The same, but for tokens whose grant has ended: these lists are asked at each use of a token, also of one that was
    /// seen before.
    #[cfg(feature = "status-list")]
    #[must_use]
    pub fn with_status_lists(mut self, lists: StatusLists) -> Self {
        self.status_lists = Some(lists);
        self
    }

    pub(super) async fn admit(&self, token: &str) -> Result<AccessToken, Refusal> {
        let realm = &self.realm;
        let claims = self
            .verify(token)
            .await
            .map_err(|error| Refusal::of_token(realm.clone(), &error, self.keys.retry_after()))?;
        #[cfg(feature = "status-list")]
        if let Some(lists) = &self.status_lists {
            let status = lists.check(&claims).await;
            status.map_err(|error| Refusal::of_status(realm.clone(), error))?;
        }
        Ok(AccessToken {
            claims,
            realm: realm.clone(),
        })
    }

    /// Like [`KeyCache::verify`], but a token that was seen before costs a digest instead of a signature.
    async fn verify(&self, token: &str) -> Result<Claims, VerifyError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLarge.into());
        }
        self.keys.renew_if_overdue().await;
        // To be read first: see `TokenMemory::keep`.
        let Some(generation) = self.keys.generation() else {
            return self.keys.verify(&self.verifier, token).await;
        };
        let digest = TokenMemory::digest(token);
        if let Some(claims) = self.memory.recall(&digest, generation) {
            self.verifier.judge_times(&claims, self.keys.now())?;
            return Ok(claims);
        }
        let claims = self.keys.verify(&self.verifier, token).await?;
        self.memory.keep(digest, generation, claims.clone());
        Ok(claims)
    }
}

/// The verified access token of a request; a handler that takes one is not reached without.
#[derive(Debug, Clone)]
pub struct AccessToken {
    claims: Claims,
    realm: Arc<str>,
}

impl AccessToken {
    /// What the token says.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Goes on only if the token has this scope.
    ///
    /// # Errors
    /// A 403 whose challenge names the scope.
    pub fn require(&self, scope: &str) -> Result<(), Refusal> {
        if self.claims.has_scope(scope) {
            return Ok(());
        }
        Err(Refusal::new(
            self.realm.clone(),
            Reason::InsufficientScope(scope.to_owned()),
        ))
    }
}

impl FromRequest for AccessToken {
    type Error = Refusal;
    type Future = LocalBoxFuture<'static, Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let refused = |realm: Arc<str>, reason| ready(Err(Refusal::new(realm, reason))).boxed_local();
        let Some(protection) = request.app_data::<web::Data<Protection>>().cloned() else {
            return refused("".into(), Reason::Unprotected);
        };
        let headers = request.headers().get_all(AUTHORIZATION);
        let token = match credentials::read(headers.map(actix_web::http::header::HeaderValue::as_bytes)) {
            Credentials::None => return refused(protection.realm.clone(), Reason::NoToken),
            Credentials::Malformed => return refused(protection.realm.clone(), Reason::MalformedRequest),
            Credentials::Bearer(token) => token.to_owned(),
        };
        async move { protection.admit(&token).await }.boxed_local()
    }
}
