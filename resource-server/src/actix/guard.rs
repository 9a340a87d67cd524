use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error, HttpMessage as _, ResponseError as _};
use futures_util::future::{FutureExt as _, LocalBoxFuture, Ready, ok};

use super::access_token::{self, Admitted};
use super::refusal::Reason;
use crate::claims::Claims;

/// Lets requests pass whose access token has scopes; to be wrapped around a route, a resource, a scope of paths or a
/// whole application.
///
/// Others are answered as RFC 6750 §3.1 asks: 401 without a good token, 403 and `insufficient_scope` with one that lacks
/// a scope, which the challenge names. The token is judged once, however many guards and extractors a request meets.
///
/// ```
/// use actix_web::{HttpResponse, web};
/// use resource_server::actix::RequireScope;
///
/// # fn configure(app: &mut web::ServiceConfig) {
/// app.service(
///     web::resource("/orders")
///         .route(web::get().to(HttpResponse::Ok).wrap(RequireScope::new("orders:read")))
///         .route(web::post().to(HttpResponse::Ok).wrap(RequireScope::all(["orders:read", "orders:write"]))),
/// );
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RequireScope(Arc<Rule>);

/// Lets requests pass whose access token gives its subject roles; otherwise like [`RequireScope`].
///
/// Which claim holds the roles is told to the verifier: [`roles_in`](crate::verifier::VerifierBuilder::roles_in). Roles
/// are no scopes, so that the challenge of a 403 names none.
#[derive(Debug, Clone)]
pub struct RequireRole(Arc<Rule>);

impl RequireScope {
    /// The token needs this scope.
    #[must_use]
    pub fn new(scope: &str) -> Self {
        Self::all([scope])
    }

    /// The token needs every one of these scopes; with none of them named, it has to be good and no more.
    #[must_use]
    pub fn all<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Self {
        Self(Rule::new(Of::Scopes, Enough::All, scopes))
    }

    /// The token needs one of these scopes; with none of them named, nobody passes. A challenge cannot say "or": it
    /// names the first.
    #[must_use]
    pub fn any<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Self {
        Self(Rule::new(Of::Scopes, Enough::Any, scopes))
    }
}

impl RequireRole {
    /// The token's subject needs this role.
    #[must_use]
    pub fn new(role: &str) -> Self {
        Self::all([role])
    }

    /// The token's subject needs every one of these roles; with none of them named, the token has to be good and no more.
    #[must_use]
    pub fn all<S: Into<String>>(roles: impl IntoIterator<Item = S>) -> Self {
        Self(Rule::new(Of::Roles, Enough::All, roles))
    }

    /// The token's subject needs one of these roles; with none of them named, nobody passes.
    #[must_use]
    pub fn any<S: Into<String>>(roles: impl IntoIterator<Item = S>) -> Self {
        Self(Rule::new(Of::Roles, Enough::Any, roles))
    }
}

/// What a token has to have.
#[derive(Debug)]
struct Rule {
    of: Of,
    enough: Enough,
    names: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
enum Of {
    Scopes,
    Roles,
}

#[derive(Debug, Clone, Copy)]
enum Enough {
    All,
    Any,
}

impl Rule {
    fn new<S: Into<String>>(of: Of, enough: Enough, names: impl IntoIterator<Item = S>) -> Arc<Self> {
        let names = names.into_iter().map(Into::into).collect();
        Arc::new(Self { of, enough, names })
    }

    fn judge(&self, claims: &Claims) -> Result<(), Reason> {
        let has = |name: &String| match self.of {
            Of::Scopes => claims.has_scope(name),
            Of::Roles => claims.has_role(name),
        };
        let passes = match self.enough {
            Enough::All => self.names.iter().all(has),
            Enough::Any => self.names.iter().any(has),
        };
        if passes {
            return Ok(());
        }
        Err(match (self.of, self.enough) {
            (Of::Roles, _) => Reason::InsufficientRole,
            (Of::Scopes, Enough::All) => Reason::InsufficientScope(self.names.join(" ")),
            (Of::Scopes, Enough::Any) => {
                Reason::InsufficientScope(self.names.first().cloned().unwrap_or_default())
            }
        })
    }
}

impl<S, B> Transform<S, ServiceRequest> for RequireScope
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = Guarded<S>;
    type InitError = ();
    type Future = Ready<Result<Guarded<S>, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ok(Guarded::new(service, &self.0))
    }
}

impl<S, B> Transform<S, ServiceRequest> for RequireRole
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = Guarded<S>;
    type InitError = ();
    type Future = Ready<Result<Guarded<S>, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ok(Guarded::new(service, &self.0))
    }
}

/// A service behind a [`RequireScope`] or a [`RequireRole`].
#[derive(Debug)]
pub struct Guarded<S> {
    service: Rc<S>,
    rule: Arc<Rule>,
}

impl<S> Guarded<S> {
    fn new(service: S, rule: &Arc<Rule>) -> Self {
        Self {
            service: Rc::new(service),
            rule: Arc::clone(rule),
        }
    }
}

impl<S, B> Service<ServiceRequest> for Guarded<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (service, rule) = (Rc::clone(&self.service), Arc::clone(&self.rule));
        // Not a clone of the request: whoever holds one keeps the services below from routing it.
        let admitting = access_token::admit(request.request());
        async move {
            let admitted = admitting.await.and_then(|Admitted { token, by }| {
                let verdict = rule.judge(token.claims());
                verdict.map_err(|reason| token.refuse(reason))?;
                Ok(Admitted { token, by })
            });
            match admitted {
                Ok(admitted) => {
                    request.extensions_mut().insert(admitted);
                    Ok(service.call(request).await?.map_into_left_body())
                }
                // An answer and no error, so that the middleware around this one sees it like any other.
                Err(refusal) => {
                    let refused = request.into_response(refusal.error_response());
                    Ok(refused.map_into_right_body())
                }
            }
        }
        .boxed_local()
    }
}
