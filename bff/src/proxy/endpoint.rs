//! The handler of configured routes.

mod incoming;
mod matching;
mod outgoing;
mod refusal;
mod request_body;

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use tokio::time::Instant;
use url::form_urlencoded;

use self::incoming::incoming;
pub use self::matching::{MatchedRoute, OwnPaths, match_route};
use self::outgoing::Outgoing;
pub use self::refusal::in_words_of_grpc;
use self::request_body::RequestBody;
use super::authority::Authority;
use super::body::Progress;
use super::challenge;
use super::ends::Streams;
use super::forward::ForwardClient;
use super::headers::Ourselves;
use super::upgrade::{self, Asked};
use crate::guard::client_address::middleware::client_of;
use crate::guard::middleware::{facts_of, is_no_foreign_socket, is_of_own_page};
use crate::guard::rate_limit::middleware::count_call;
use crate::guard::rate_limit::{RateLimit, RateLimits};
use crate::problem::ApiError;
use crate::refresh::{Keeper, RefreshError, ServiceTokens};
use crate::routing::{Access, Routes};
use crate::session::ticket::{Presented, SigningKey};
use crate::session::{OpenSession, SessionKey, SessionRegistry};
use crate::telemetry;

/// What every proxied request needs, in one place, so that it is looked up once; endpoints of ours have the same parts as data of
/// the application.
#[derive(Debug, Clone)]
pub struct Proxy {
    pub(crate) signing_key: SigningKey,
    pub(crate) registry: Arc<SessionRegistry>,
    pub(crate) limits: Arc<RateLimits>,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) services: Arc<ServiceTokens>,
    pub(crate) streams: Arc<Streams>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) own_paths: OwnPaths,
    pub(crate) replay_body_limit: usize,
    pub(crate) ourselves: Ourselves,
    pub(crate) base_path: String,
}

/// What comes of a request to a route.
#[derive(Debug)]
pub struct Answered {
    /// The answer.
    pub response: HttpResponse,
    /// It is ours, and not its upstream's.
    pub is_ours: bool,
}

/// Forwards a request to its route's upstream, with the token that the route calls for. A refusal is an answer in the words of
/// the client's protocol.
pub async fn proxied(request: &HttpRequest, payload: web::Payload, found: MatchedRoute) -> Answered {
    match answer(request, payload, &found).await {
        Ok(answered) => answered,
        Err(refusal) => {
            request.extensions_mut().insert(found);
            Answered {
                response: in_words_of_grpc(request.head(), refusal.error_response()),
                is_ours: true,
            }
        }
    }
}

async fn answer(
    request: &HttpRequest,
    payload: web::Payload,
    found: &MatchedRoute,
) -> Result<Answered, ApiError> {
    let missing = || ApiError::Internal(anyhow::anyhow!("there is no proxy"));
    let proxy = request.app_data::<web::Data<Proxy>>().ok_or_else(missing)?;
    let client = request
        .app_data::<web::Data<ForwardClient>>()
        .ok_or_else(missing)?;
    count_call(request, &proxy.limits)?;
    match found.route.access {
        Access::Session | Access::Optional => is_of_own_page(request, found.proof())?,
        Access::Anonymous | Access::Service => is_no_foreign_socket(request, found.proof())?,
    }
    if !found.route.takes(request.method().as_str()) {
        return Err(ApiError::MethodNotAllowed(found.route.allowed_methods()));
    }
    let authority = match found.route.access {
        Access::Session | Access::Optional => {
            let session = session_of(request, found, proxy).await?;
            if session.is_none() && found.route.access == Access::Session {
                return sign_in_first(request, found, proxy).map(|response| Answered {
                    response,
                    is_ours: true,
                });
            }
            Authority::of(session)
        }
        Access::Anonymous => Authority::Nobody,
        Access::Service => {
            let token = proxy.services.serve(&found.route.target).await;
            Authority::Service(token.map_err(|error| ApiError::from(&error))?)
        }
    };
    let response = forward(request, payload, found, authority, proxy, client).await?;
    Ok(Answered {
        response,
        is_ours: false,
    })
}

/// The session of a request, with an access token that serves; `None` when there is no session, or no more.
async fn session_of(
    request: &HttpRequest,
    found: &MatchedRoute,
    proxy: &Proxy,
) -> Result<Option<OpenSession>, ApiError> {
    let presented = Presented::read(request, &proxy.signing_key, &proxy.registry).await;
    let Some(session) = proxy.registry.find_presented(&presented, true).await? else {
        return Ok(None);
    };
    if let Some(limit) = &proxy.limits.api_per_session {
        count(limit, &session)?;
    }
    match proxy.keeper.serve(session, &found.route.target).await {
        Ok(session) => Ok(Some(session)),
        Err(RefreshError::SessionEnded) => Ok(None),
        Err(error) => Err(ApiError::from(&error)),
    }
}

fn count(limit: &RateLimit<SessionKey>, session: &OpenSession) -> Result<(), ApiError> {
    limit.check(&session.key).map_err(|seconds| {
        telemetry::rate_limited("api_per_session");
        ApiError::TooManyRequests(seconds)
    })
}

/// 401 for a page's own calls; a person who navigates to a route that asks for it is sent to sign in.
fn sign_in_first(
    request: &HttpRequest,
    found: &MatchedRoute,
    proxy: &Proxy,
) -> Result<HttpResponse, ApiError> {
    let facts = facts_of(request.method(), request.headers());
    if !(found.route.login_redirect && facts.navigates() && facts.is_safe) {
        return Err(ApiError::SessionRequired);
    }
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let return_url: String = form_urlencoded::byte_serialize(target.as_bytes()).collect();
    Ok(HttpResponse::Found()
        .insert_header((
            LOCATION,
            format!("{}/login?returnUrl={return_url}", proxy.base_path),
        ))
        .insert_header((CACHE_CONTROL, "no-store"))
        .finish())
}

async fn forward(
    request: &HttpRequest,
    payload: web::Payload,
    found: &MatchedRoute,
    mut authority: Authority,
    proxy: &Proxy,
    client: &ForwardClient,
) -> Result<HttpResponse, ApiError> {
    let progress = Progress::begin();
    let began = progress.last();
    let has_token = authority.token(&found.route).is_some();
    let replay_limit = if has_token { proxy.replay_body_limit } else { 0 };
    // What follows the request on a connection that becomes a WebSocket is no body of it.
    let (body, tunnel) = match found.asked {
        Asked::WebSocket => (RequestBody::Absent, Some(payload)),
        Asked::Nothing | Asked::Unfit => {
            let body = RequestBody::begin(request, payload, &found.route, replay_limit, &progress)?;
            (body, None)
        }
    };
    let outgoing = Outgoing {
        request,
        found,
        proxy,
        client,
        progress: &progress,
    };
    let mut answer = outgoing.send(&body, &authority).await?;
    // Once: an upstream that refuses the next token as well means it.
    if challenge::refuses_token(answer.status(), answer.headers())
        && body.is_whole()
        && let Some(another) = with_another_token(&authority, found, proxy).await?
        // Some of it may have left while the token was fetched; then the refusal stands.
        && body.is_whole()
    {
        authority = another;
        progress.note();
        answer = outgoing.send(&body, &authority).await?;
    }
    report(
        request,
        found,
        authority.session(),
        answer.status().as_u16(),
        began,
    );
    let ending = proxy.streams.ending(authority.into_session());
    let told = match tunnel {
        Some(browser) if upgrade::is_agreed(&answer) => upgrade::tunnel(answer, has_token, browser, ending),
        refused => {
            incoming(request, answer, has_token, &found.route, progress, ending).map(|mut response| {
                // The server reads this connection as a WebSocket by now and would not write chunks.
                response.head_mut().no_chunking(refused.is_some());
                response
            })
        }
    };
    told.ok_or_else(|| ApiError::UpstreamUnavailable(anyhow::anyhow!("an upstream's answer cannot be told")))
}

async fn with_another_token(
    authority: &Authority,
    found: &MatchedRoute,
    proxy: &Proxy,
) -> Result<Option<Authority>, ApiError> {
    let another = authority.with_another_token(&found.route, proxy).await;
    another.map_err(|error| ApiError::from(&error))
}

/// Paths hold names, e-mail addresses and reset links: the log gets the route, and only who asks for it the path.
fn report(
    request: &HttpRequest,
    found: &MatchedRoute,
    session: Option<&OpenSession>,
    status: u16,
    began: Instant,
) {
    let (method, route) = (request.method().as_str(), found.route.prefix.as_str());
    let key = session.map(|session| session.key.as_str());
    let duration_ms = telemetry::millis(began.elapsed());
    tracing::info!(
        target: "bff::access",
        method,
        route,
        status,
        duration_ms,
        session.key = key,
        "request proxied"
    );
    if tracing::enabled!(target: "bff::trail", tracing::Level::DEBUG) {
        let path = found.path.as_str();
        let client = client_of(request).map(tracing::field::display);
        tracing::debug!(target: "bff::trail", method, path, status, session.key = key, client, "request proxied");
    }
}
