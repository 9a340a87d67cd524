//! The guard in terms of actix; what it refuses reaches neither a session nor an upstream.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, ResponseError, web};

use super::cors::AllowedOrigins;
use super::csrf::{self, Proof, Refusal};
use super::{RequestFacts, security_headers};
use crate::cookies;
use crate::problem::ApiError;

/// How browsers reach this BFF.
#[derive(Debug, Clone)]
pub struct OwnOrigin {
    /// `scheme://host[:port]`.
    pub origin: String,
    /// Whether the scheme is https.
    pub https: bool,
}

/// Reads the facts of a request.
#[must_use]
pub fn facts_of<'r>(method: &Method, headers: &'r HeaderMap) -> RequestFacts<'r> {
    RequestFacts::read(method.is_safe(), lines(headers))
}

/// The lines of a head: names in lower case, and values as they came.
pub fn lines(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    let lines = headers.iter();
    lines.map(|(name, value)| (name.as_str(), value.as_bytes()))
}

/// A header that stands once; a repeated or unreadable one reads as a word that nobody knows.
#[must_use]
pub fn single<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name);
    let value = values.next()?.to_str().unwrap_or("unreadable");
    Some(if values.next().is_some() {
        "repeated"
    } else {
        value
    })
}

/// The cookies of a request that are not ours, for the proxy.
#[derive(Debug, Clone)]
pub struct OthersCookies(pub HeaderValue);

/// Leaves only our own cookies in the request and keeps the others aside. A cookie of somebody else that no parser
/// takes would otherwise hide ours, and nothing behind this can pass ours on by mistake.
pub fn part_cookies(request: &mut ServiceRequest) {
    if !request.headers().contains_key(COOKIE) {
        return;
    }
    let mut lines = request.headers().get_all(COOKIE).map(HeaderValue::as_bytes);
    let parted = cookies::part(lines.clone());
    // Nothing but ours in one line, as nearly always: it stays as it is.
    if parted.others.is_empty() && lines.next() == Some(parted.ours.as_bytes()) && lines.next().is_none() {
        return;
    }
    match HeaderValue::from_str(&parted.ours) {
        Ok(ours) if !parted.ours.is_empty() => drop(request.headers_mut().insert(COOKIE, ours)),
        _ => drop(request.headers_mut().remove(COOKIE)),
    }
    if let Ok(others) = HeaderValue::from_bytes(&parted.others)
        && !parted.others.is_empty()
    {
        request.extensions_mut().insert(OthersCookies(others));
    }
}

/// Lets only requests with `X-CSRF: 1` through, as actix middleware. A refusal is an answer and not an error, so that what is
/// around this sees it like any other.
///
/// # Errors
/// Only those of what it wraps.
pub async fn require_csrf_header(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match is_of_own_page(request.request(), Proof::Header) {
        Ok(()) => next.call(request).await.map(ServiceResponse::map_into_boxed_body),
        Err(refusal) => Ok(request.into_response(refusal.error_response())),
    }
}

/// Whether a request to a session route comes from our own pages. How that has to be proven depends on the route.
///
/// # Errors
/// The refusal.
pub fn is_of_own_page(request: &HttpRequest, proof: Proof) -> Result<(), ApiError> {
    let own = request
        .app_data::<web::Data<OwnOrigin>>()
        .ok_or_else(|| ApiError::Internal(anyhow::anyhow!("the guard does not know its own origin")))?;
    let allowed = request.app_data::<web::Data<AllowedOrigins>>().ok_or_else(|| {
        ApiError::Internal(anyhow::anyhow!(
            "the guard does not know which origins are allowed"
        ))
    })?;
    let facts = facts_of(request.method(), request.headers());
    csrf::judge(proof, &own.origin, allowed, &facts).map_err(|refusal| match refusal {
        Refusal::CrossSite => ApiError::CrossSite,
        Refusal::NoProof => ApiError::CsrfRequired,
    })
}

/// Whether no page of another origin asks for something of a route without sessions: a WebSocket, for which browsers name the
/// origin and ask nobody before. Programs name none, and are let through.
///
/// # Errors
/// The refusal.
pub fn is_no_foreign_socket(request: &HttpRequest, proof: Proof) -> Result<(), ApiError> {
    if proof == Proof::Upgrade && request.headers().contains_key(ORIGIN) {
        return is_of_own_page(request, proof);
    }
    Ok(())
}

/// Adds the security headers to an answer of our own.
pub fn add_security_headers<B>(answer: &mut ServiceResponse<B>) {
    let own = answer.request().app_data::<web::Data<OwnOrigin>>();
    let https = own.is_some_and(|own| own.https);
    let headers = answer.headers_mut();
    for (name, value) in security_headers::defaults(https) {
        if !headers.contains_key(name) {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
    }
}
