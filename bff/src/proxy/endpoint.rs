//! The handlers of configured routes.

mod outgoing;
mod request_body;

use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::guard::GuardContext;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE as OLD_CONTENT_TYPE, HeaderValue, LOCATION, VIA};
use actix_web::http::{Method, StatusCode, Version};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use hyper::body::{Body, Incoming};
use tokio::time::Instant;
use url::form_urlencoded;

use self::outgoing::{Outgoing, client_of};
use self::request_body::RequestBody;
use super::authority::Authority;
use super::body::{Pause, Progress, UpstreamResponseBody};
use super::challenge;
use super::ends::{Ending, EndingBody, StreamKind, Streams};
use super::forward::ForwardClient;
use super::grpc;
use super::headers;
use super::http_types;
use super::upgrade::{self, Asked};
use crate::guard::csrf::Proof;
use crate::guard::middleware::{Proxied, facts_of};
use crate::guard::rate_limit::{RateLimit, RateLimits};
use crate::problem::ApiError;
use crate::refresh::{Keeper, RefreshError, ServiceTokens};
use crate::routing::{Access, NormalPath, Route, Routes};
use crate::server::Trailers;
use crate::session::ticket::Ticket;
use crate::session::{OpenSession, SessionKey, SessionRegistry};
use crate::telemetry;

/// The route that a request matched, and its path in the form that matched.
#[derive(Debug, Clone)]
pub struct MatchedRoute {
    /// The rule.
    pub route: Arc<Route>,
    /// The path.
    pub path: NormalPath,
    /// Whether it asks for a WebSocket.
    pub(super) asked: Asked,
}

/// What every proxied request needs.
#[derive(Debug, Clone)]
pub struct Proxy {
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) services: Arc<ServiceTokens>,
    pub(crate) streams: Arc<Streams>,
    pub(crate) replay_body_limit: usize,
    pub(crate) scheme: String,
    pub(crate) host: String,
    pub(crate) base_path: String,
}

/// Reads the path in its one form and notes the route; a path with two readings goes no further.
///
/// # Errors
/// Only those of what it wraps.
pub async fn match_route(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Ok(path) = NormalPath::parse(request.uri().path()) else {
        return Ok(refused(request, &ApiError::InvalidPath));
    };
    let found = request
        .app_data::<web::Data<Routes>>()
        .and_then(|routes| routes.find(&path));
    if let Some(route) = found {
        if has_been_here(&request) {
            return Ok(refused(request, &ApiError::LoopDetected));
        }
        let asked = Asked::by(request.head());
        let proof = match asked {
            Asked::Unfit => return Ok(refused(request, &ApiError::InvalidUpgrade)),
            Asked::WebSocket => Proof::Upgrade,
            Asked::Nothing if route.login_redirect => Proof::Navigation,
            Asked::Nothing => Proof::HeaderOrSameOrigin,
        };
        request.extensions_mut().insert(proof);
        request
            .extensions_mut()
            .insert(MatchedRoute { route, path, asked });
        let answer = next.call(request).await?.map_into_boxed_body();
        return Ok(in_words_of_grpc(answer));
    }
    next.call(request).await.map(ServiceResponse::map_into_boxed_body)
}

fn refused(request: ServiceRequest, why: &ApiError) -> ServiceResponse<BoxBody> {
    in_words_of_grpc(request.into_response(why.error_response()))
}

/// A refusal of ours as gRPC clients understand it: 200, and the outcome in `grpc-status`.
fn in_words_of_grpc(mut answer: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let content_type = answer.request().headers().get(OLD_CONTENT_TYPE);
    let is_grpc = content_type.is_some_and(|value| grpc::is_grpc(value.as_bytes()));
    let is_ours = answer.response().extensions().get::<Proxied>().is_none();
    let status = answer.status();
    if !(is_grpc && is_ours && (status.is_client_error() || status.is_server_error())) {
        return answer;
    }
    let mut refusal = HttpResponse::Ok();
    refusal
        .content_type("application/grpc")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("grpc-status", grpc::status(status.as_u16()).to_string()))
        .insert_header(("grpc-message", status.canonical_reason().unwrap_or("Refused")));
    // Clients look for the outcome in the headers only if these end the stream.
    let mut refusal = if answer.request().version() == Version::HTTP_2 {
        refusal.body(actix_web::body::None::new())
    } else {
        refusal.finish()
    };
    // What the log is to be told.
    let told = std::mem::take(&mut *answer.response_mut().extensions_mut());
    refusal.extensions_mut().extend(told);
    answer.into_response(refusal)
}

/// Whether a route of ours has sent this request, straight or by way of other proxies.
fn has_been_here(request: &ServiceRequest) -> bool {
    let Some(proxy) = request.app_data::<web::Data<Proxy>>() else {
        return false;
    };
    let lines = request.headers().get_all(VIA).map(HeaderValue::as_bytes);
    headers::has_passed(lines, &proxy.host)
}

/// Whether a request goes to a route that may look a session up.
#[must_use]
pub fn goes_to_session_route(context: &GuardContext<'_>) -> bool {
    matches!(matched_access(context), Some(Access::Session | Access::Optional))
}

/// Whether a request goes to a route that never looks a session up.
#[must_use]
pub fn goes_to_sessionless_route(context: &GuardContext<'_>) -> bool {
    matches!(matched_access(context), Some(Access::Anonymous | Access::Service))
}

fn matched_access(context: &GuardContext<'_>) -> Option<Access> {
    context
        .req_data()
        .get::<MatchedRoute>()
        .map(|found| found.route.access)
}

/// Forwards with the session's access token.
#[tracing::instrument(name = "bff.proxy", skip_all)]
pub async fn with_session(
    request: HttpRequest,
    payload: web::Payload,
    ticket: Ticket,
    registry: web::Data<SessionRegistry>,
    proxy: web::Data<Proxy>,
    client: web::Data<ForwardClient>,
    limits: web::Data<RateLimits>,
) -> Result<HttpResponse, ApiError> {
    let found = matched(&request)?;
    let presented = registry.find_presented(&ticket.presented(), true).await?;
    if let (Some(session), Some(limit)) = (&presented, &limits.api_per_session) {
        count(limit, session)?;
    }
    let session = match presented {
        Some(session) => served(&proxy.keeper, session, &found.route).await?,
        None => None,
    };
    if session.is_none() && found.route.access == Access::Session {
        return sign_in_first(&request, &found, &proxy);
    }
    forward(&request, payload, &found, Authority::of(session), &proxy, &client).await
}

/// Forwards without looking any session up: with nobody's token, or with our own client's.
#[tracing::instrument(name = "bff.proxy", skip_all)]
pub async fn without_session(
    request: HttpRequest,
    payload: web::Payload,
    proxy: web::Data<Proxy>,
    client: web::Data<ForwardClient>,
) -> Result<HttpResponse, ApiError> {
    let found = matched(&request)?;
    let authority = if found.route.access == Access::Service {
        let token = proxy.services.serve(&found.route.target).await;
        Authority::Service(token.map_err(|error| ApiError::from(&error))?)
    } else {
        Authority::Nobody
    };
    forward(&request, payload, &found, authority, &proxy, &client).await
}

fn count(limit: &RateLimit<SessionKey>, session: &OpenSession) -> Result<(), ApiError> {
    limit.check(&session.key).map_err(|seconds| {
        telemetry::rate_limited("api_per_session");
        ApiError::TooManyRequests(seconds)
    })
}

fn matched(request: &HttpRequest) -> Result<MatchedRoute, ApiError> {
    let found = request
        .extensions()
        .get::<MatchedRoute>()
        .cloned()
        .ok_or(ApiError::NotFound)?;
    if found.route.takes(request.method().as_str()) {
        return Ok(found);
    }
    Err(ApiError::MethodNotAllowed(found.route.allowed_methods()))
}

async fn served(
    keeper: &Arc<Keeper>,
    session: OpenSession,
    route: &Route,
) -> Result<Option<OpenSession>, ApiError> {
    match keeper.serve(session, &route.target).await {
        Ok(session) => Ok(Some(session)),
        Err(RefreshError::SessionEnded) => Ok(None),
        Err(error) => Err(ApiError::from(&error)),
    }
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
    let (progress, began) = (Progress::begin(), Instant::now());
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
        Some(browser) if upgrade::is_agreed(&answer) => {
            let headers = headers::for_browser(answer.headers(), has_token);
            upgrade::tunnel(answer, &headers, browser, ending)
        }
        refused => {
            incoming(request, answer, has_token, &found.route, progress, ending).map(|mut response| {
                // The server reads this connection as a WebSocket by now and would not write chunks.
                response.head_mut().no_chunking(refused.is_some());
                response
            })
        }
    };
    let mut response = told.ok_or_else(|| {
        ApiError::UpstreamUnavailable(anyhow::anyhow!("an upstream's answer cannot be told"))
    })?;
    response.extensions_mut().insert(Proxied);
    Ok(response)
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
    let path = found.path.as_str();
    let client = client_of(request).map(tracing::field::display);
    tracing::debug!(target: "bff::trail", method, path, status, session.key = key, client, "request proxied");
}

/// The browser's answer. `None` when the upstream answers with a status that no request asked for.
fn incoming(
    request: &HttpRequest,
    answer: http::Response<Incoming>,
    carried_token: bool,
    route: &Route,
    progress: Progress,
    ending: Ending,
) -> Option<HttpResponse> {
    let (head, incoming) = answer.into_parts();
    let status = http_types::status(head.status)?;
    if status.is_informational() {
        return None;
    }
    let has_no_body = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let declared = head
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    let mut response = HttpResponse::build(status);
    for (name, value) in &headers::for_browser(&head.headers, carried_token) {
        // actix writes the length itself, from the body's size; a 304 has none and may say what the body would have.
        if *name != CONTENT_LENGTH || status == StatusCode::NOT_MODIFIED {
            response.append_header((http_types::old_name(name)?, http_types::old_value(value)?));
        }
    }
    let trailers = Trailers::default();
    // gRPC without messages: clients look for the outcome in the headers only if these end the stream.
    let is_only_an_outcome =
        request.version() == Version::HTTP_2 && incoming.is_end_stream() && is_grpc(&head.headers);
    Some(if status == StatusCode::RESET_CONTENT {
        // Of a body that it does not have it has to say so (RFC 9112 §6.3).
        response.body(web::Bytes::new())
    } else if has_no_body || is_only_an_outcome {
        response.body(actix_web::body::None::new())
    } else {
        // What hyper decodes decides: beside chunks, a declared length counts for nothing (RFC 9112 §6.3).
        let length = if request.method() == Method::HEAD {
            declared
        } else {
            incoming.size_hint().exact()
        };
        let pause = route.idle_timeout.map(|longest| Pause::new(longest, progress));
        let kind = stream_kind(&head.headers);
        let body = UpstreamResponseBody::new(incoming, length, pause, trailers.clone());
        let mut response = response.body(EndingBody::new(body, kind, ending));
        response.extensions_mut().insert(trailers);
        response
    })
}

fn stream_kind(headers: &http::HeaderMap) -> StreamKind {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next());
    if essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("text/event-stream")) {
        StreamKind::Events
    } else {
        StreamKind::Download
    }
}

fn is_grpc(headers: &http::HeaderMap) -> bool {
    let content_type = headers.get(http::header::CONTENT_TYPE);
    content_type.is_some_and(|value| grpc::is_grpc(value.as_bytes()))
}
