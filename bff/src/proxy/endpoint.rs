//! The handlers of configured routes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::guard::GuardContext;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, LOCATION, TRANSFER_ENCODING, VIA};
use actix_web::http::{Method, StatusCode, Version};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use hyper::body::{Body, Incoming};
use tokio::time::Instant;
use url::form_urlencoded;

use super::authority::Authority;
use super::body::{self, Kept, Progress, UpstreamRequestBody, UpstreamResponseBody};
use super::challenge;
use super::ends::{Ending, EndingBody, StreamKind, Streams};
use super::forward::{ForwardClient, ForwardError};
use super::headers::{self, Forwarding};
use super::http_types;
use super::upgrade::{self, Asked};
use crate::guard::client_address::middleware::ClientAddress;
use crate::guard::csrf::Proof;
use crate::guard::middleware::{OthersCookies, Proxied, facts_of};
use crate::guard::rate_limit::{RateLimit, RateLimits};
use crate::problem::ApiError;
use crate::refresh::{Keeper, RefreshError, ServiceTokens};
use crate::routing::{Access, NormalPath, Route, RouteTable};
use crate::session::ticket::Ticket;
use crate::session::{OpenSession, SessionKey, SessionRegistry};
use crate::telemetry::{self, UpstreamTimes};

/// The route that a request matched, and its path in the form that matched.
#[derive(Debug, Clone)]
pub struct MatchedRoute {
    /// The rule.
    pub route: Arc<Route>,
    /// The path.
    pub path: NormalPath,
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
    /// For each route, by its prefix.
    pub(crate) times: Arc<HashMap<String, UpstreamTimes>>,
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
        return Ok(request.into_response(ApiError::InvalidPath.error_response()));
    };
    let found = request
        .app_data::<web::Data<RouteTable>>()
        .and_then(|table| table.find(&path).cloned());
    if let Some(route) = found {
        if has_been_here(&request) {
            return Ok(request.into_response(ApiError::LoopDetected.error_response()));
        }
        let proof = match Asked::by(request.head()) {
            Asked::Unfit => return Ok(request.into_response(ApiError::InvalidUpgrade.error_response())),
            Asked::WebSocket => Proof::Upgrade,
            Asked::Nothing if route.login_redirect => Proof::Navigation,
            Asked::Nothing => Proof::HeaderOrSameOrigin,
        };
        request.extensions_mut().insert(proof);
        request.extensions_mut().insert(MatchedRoute { route, path });
    }
    next.call(request).await.map(ServiceResponse::map_into_boxed_body)
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
    let body = RequestBody::of(request, if has_token { proxy.replay_body_limit } else { 0 });
    // What follows the request on a connection that becomes a WebSocket is no body of it.
    let (first, tunnel) = match Asked::by(request.head()) {
        Asked::WebSocket => (body::empty(), Some(payload)),
        Asked::Nothing | Asked::Unfit => (body.begin(payload, &progress), None),
    };
    let mut answer = send(request, first, found, &authority, proxy, client, &progress).await?;
    // Once: an upstream that refuses the next token as well means it.
    if challenge::refuses_token(answer.status(), answer.headers())
        && let Some(again) = body.again()
        && let Some(another) = with_another_token(&authority, found, proxy).await?
    {
        authority = another;
        answer = send(request, again, found, &authority, proxy, client, &progress).await?;
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
            incoming(answer, request.method() == Method::HEAD, has_token, ending).map(|mut response| {
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

async fn send(
    request: &HttpRequest,
    body: UpstreamRequestBody,
    found: &MatchedRoute,
    authority: &Authority,
    proxy: &Proxy,
    client: &ForwardClient,
    progress: &Progress,
) -> Result<http::Response<Incoming>, ApiError> {
    progress.note();
    let outgoing = outgoing(request, body, found, authority, proxy).ok_or_else(|| {
        ApiError::Internal(anyhow::anyhow!("a request could not be written for its upstream"))
    })?;
    let began = Instant::now();
    let answer = client.send(outgoing, found.route.timeout, progress).await;
    if let Some(times) = proxy.times.get(&found.route.prefix) {
        let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
        times.answered(status, began.elapsed());
    }
    answer.map_err(|error| match error {
        ForwardError::Silent => ApiError::UpstreamTimeout,
        ForwardError::Unreachable(_) => ApiError::UpstreamUnavailable(error.into()),
    })
}

/// The body of a request, and whether it can be sent twice.
enum RequestBody {
    Absent,
    /// It is short enough to be kept while it passes.
    Kept(Kept),
    PassesOnce,
}

impl RequestBody {
    /// A body may be kept if it says that it is no longer than `limit`.
    fn of(request: &HttpRequest, limit: usize) -> Self {
        if request.headers().contains_key(TRANSFER_ENCODING) {
            return Self::PassesOnce;
        }
        let Some(length) = request.headers().get(actix_web::http::header::CONTENT_LENGTH) else {
            return Self::Absent;
        };
        match length
            .to_str()
            .ok()
            .and_then(|length| length.parse::<usize>().ok())
        {
            Some(0) => Self::Absent,
            Some(length) if length <= limit => Self::Kept(Kept::new(length)),
            _ => Self::PassesOnce,
        }
    }

    fn begin(&self, payload: web::Payload, progress: &Progress) -> UpstreamRequestBody {
        match self {
            Self::Absent => body::empty(),
            Self::Kept(kept) => body::stream(payload, progress.clone(), Some(kept.clone())),
            Self::PassesOnce => body::stream(payload, progress.clone(), None),
        }
    }

    fn again(&self) -> Option<UpstreamRequestBody> {
        match self {
            Self::Absent => Some(body::empty()),
            Self::Kept(kept) => kept.again(),
            Self::PassesOnce => None,
        }
    }
}

fn outgoing(
    request: &HttpRequest,
    body: UpstreamRequestBody,
    found: &MatchedRoute,
    authority: &Authority,
    proxy: &Proxy,
) -> Option<http::Request<UpstreamRequestBody>> {
    let mut client_headers = http::HeaderMap::with_capacity(request.headers().len());
    for (name, value) in request.headers() {
        client_headers.append(http_types::name(name)?, http_types::value(value)?);
    }
    let forwarding = Forwarding {
        client: client_of(request).map(|client| client.to_string()),
        protocol: protocol(request.version()),
        scheme: &proxy.scheme,
        host: &proxy.host,
        upstream: found.route.upstream.authority().as_str(),
        access_token: authority.token(&found.route),
        cookies: others_cookies(request),
    };
    let mut outgoing = http::Request::new(body);
    *outgoing.method_mut() = http_types::method(request.method())?;
    *outgoing.uri_mut() = found.route.target(&found.path, request.query_string())?;
    *outgoing.headers_mut() = headers::for_upstream(&client_headers, &forwarding)?;
    if Asked::by(request.head()) == Asked::WebSocket {
        upgrade::ask(outgoing.headers_mut());
    }
    Some(outgoing)
}

fn client_of(request: &HttpRequest) -> Option<IpAddr> {
    let noted = request.extensions().get::<ClientAddress>().copied();
    noted.map(|ClientAddress(address)| address)
}

/// The version by which a request came, as `Via` writes it.
fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}

fn others_cookies(request: &HttpRequest) -> Option<http::HeaderValue> {
    request
        .extensions()
        .get::<OthersCookies>()
        .and_then(|cookies| http_types::value(&cookies.0))
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
    answer: http::Response<Incoming>,
    to_head: bool,
    carried_token: bool,
    ending: Ending,
) -> Option<HttpResponse> {
    let (head, incoming) = answer.into_parts();
    let status = http_types::status(head.status)?;
    if status.is_informational() {
        return None;
    }
    let has_no_body = matches!(
        status,
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
    );
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
    Some(if has_no_body {
        response.body(actix_web::body::None::new())
    } else {
        // What hyper decodes decides: beside chunks, a declared length counts for nothing (RFC 9112 §6.3).
        let length = if to_head {
            declared
        } else {
            incoming.size_hint().exact()
        };
        let kind = stream_kind(&head.headers);
        response.body(EndingBody::new(
            UpstreamResponseBody::new(incoming, length),
            kind,
            ending,
        ))
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
