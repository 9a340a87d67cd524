use std::future::ready;

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HeaderValue};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use futures_util::future::{FutureExt as _, LocalBoxFuture};

use super::credentials::{self, Credentials};
use super::metadata::ResourceMetadata;
use super::refusal::{Challenger, Reason, Refusal};
use crate::claims::Claims;
use crate::issuers::{InvalidIssuers, Issuers};
use crate::key_cache::KeyCache;
#[cfg(feature = "status-list")]
use crate::status_list::StatusLists;
use crate::verifier::Verifier;

/// What an application accepts; shared as `web::Data`.
#[derive(Debug)]
pub struct Protection {
    issuers: Issuers,
    challenger: Challenger,
}

impl Protection {
    /// Access tokens that `verifier` accepts with `keys`. `realm` names what is protected in challenges.
    ///
    /// # Errors
    /// When the verifier is not one of access tokens.
    pub fn new(verifier: Verifier, keys: KeyCache, realm: &str) -> Result<Self, InvalidIssuers> {
        Ok(Self::of(Issuers::one(verifier, keys)?, realm))
    }

    /// Tokens of several issuers. `realm` names what is protected in challenges.
    #[must_use]
    pub fn of(issuers: Issuers, realm: &str) -> Self {
        Self {
            issuers,
            challenger: Challenger::new(realm, None),
        }
    }

    /// Has challenges say where the metadata of what is protected are (RFC 9728 §5.1).
    #[must_use]
    pub fn with_metadata(mut self, metadata: &ResourceMetadata) -> Self {
        self.challenger = Challenger::new(self.challenger.realm(), Some(metadata.url()));
        self
    }

    /// The same, but for tokens whose grant has ended: see [`Issuers::with_status_lists`].
    ///
    /// # Errors
    /// When they are the lists of a stranger.
    #[cfg(feature = "status-list")]
    pub fn with_status_lists(mut self, lists: StatusLists) -> Result<Self, InvalidIssuers> {
        self.issuers = self.issuers.with_status_lists(lists)?;
        Ok(self)
    }

    /// The issuers whose tokens are accepted.
    #[must_use]
    pub fn issuers(&self) -> &Issuers {
        &self.issuers
    }

    pub(super) async fn admit(&self, token: &str) -> Result<AccessToken, Refusal> {
        match self.issuers.verify(token).await {
            Ok(claims) => Ok(AccessToken {
                claims,
                challenger: self.challenger.clone(),
            }),
            Err(error) => {
                let reason = Reason::of(&error, self.issuers.retry_after());
                Err(self.challenger.refuse(reason))
            }
        }
    }
}

/// The verified access token of a request; a handler that takes one is not reached without.
#[derive(Debug, Clone)]
pub struct AccessToken {
    claims: Claims,
    challenger: Challenger,
}

impl AccessToken {
    /// What the token says.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Goes on only if the token has this scope. For what only the handler can know; a scope that a path always takes
    /// is better asked for by [`RequireScope`](super::RequireScope), which cannot be forgotten inside a handler.
    ///
    /// # Errors
    /// A 403 whose challenge names the scope.
    pub fn require(&self, scope: &str) -> Result<(), Refusal> {
        if self.claims.has_scope(scope) {
            return Ok(());
        }
        Err(self.refuse(Reason::InsufficientScope(scope.to_owned())))
    }

    pub(super) fn refuse(&self, reason: Reason) -> Refusal {
        self.challenger.refuse(reason)
    }
}

impl FromRequest for AccessToken {
    type Error = Refusal;
    type Future = LocalBoxFuture<'static, Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        admit(request)
            .map(|admitted| admitted.map(|admitted| admitted.token))
            .boxed_local()
    }
}

/// A token that was let in, and who let it in.
#[derive(Debug, Clone)]
pub(super) struct Admitted {
    pub(super) token: AccessToken,
    pub(super) by: web::Data<Protection>,
}

/// Lets a request in by the [`Protection`] that is nearest to it; once, if a guard keeps the outcome with the request.
///
/// The future does not hold the request.
pub(super) fn admit(request: &HttpRequest) -> LocalBoxFuture<'static, Result<Admitted, Refusal>> {
    let refused = |refusal| ready(Err(refusal)).boxed_local();
    let Some(protection) = request.app_data::<web::Data<Protection>>().cloned() else {
        return refused(Challenger::new("", None).refuse(Reason::Unprotected));
    };
    // A guard further out may have judged by the protection of a larger part of the application: that counts for nothing here.
    let by_this = |admitted: &&Admitted| std::ptr::eq(admitted.by.get_ref(), protection.get_ref());
    if let Some(admitted) = request.extensions().get::<Admitted>().filter(by_this) {
        return ready(Ok(admitted.clone())).boxed_local();
    }
    let headers = request.headers().get_all(AUTHORIZATION);
    let token = match credentials::read(headers.map(HeaderValue::as_bytes)) {
        Credentials::None => return refused(protection.challenger.refuse(Reason::NoToken)),
        Credentials::Malformed => return refused(protection.challenger.refuse(Reason::MalformedRequest)),
        Credentials::Bearer(token) => token.to_owned(),
    };
    async move {
        Ok(Admitted {
            token: protection.admit(&token).await?,
            by: protection,
        })
    }
    .boxed_local()
}
