//! The guard as actix middleware; what it refuses reaches neither a session nor an upstream.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, ResponseError, web};

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

/// Marks an answer as an upstream's, whose headers are not ours to add to.
#[derive(Debug, Clone, Copy)]
pub struct Proxied;

/// Reads the facts of a request.
#[must_use]
pub fn facts_of<'r>(method: &Method, headers: &'r HeaderMap) -> RequestFacts<'r> {
    RequestFacts::read(method.is_safe(), |name| single(headers, name))
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
///
/// # Errors
/// Only those of what it wraps.
pub async fn part_cookies(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if request.headers().contains_key(COOKIE) {
        let parted = cookies::part(request.headers().get_all(COOKIE).map(HeaderValue::as_bytes));
        request.headers_mut().remove(COOKIE);
        if let Ok(ours) = HeaderValue::from_str(&parted.ours)
            && !parted.ours.is_empty()
        {
            request.headers_mut().insert(COOKIE, ours);
        }
        if let Ok(others) = HeaderValue::from_bytes(&parted.others)
            && !parted.others.is_empty()
        {
            request.extensions_mut().insert(OthersCookies(others));
        }
    }
    next.call(request).await
}

/// Lets only requests with `X-CSRF: 1` through.
///
/// # Errors
/// The refusal, as a problem document.
pub async fn require_csrf_header(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    judge(request, Proof::Header, next).await
}

/// Lets a request to a session route through if it comes from our own pages. How that has to be proven depends on the
/// route, which has left its [`Proof`] with the request.
///
/// # Errors
/// The refusal, as a problem document.
pub async fn require_own_page(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let proof = request
        .extensions()
        .get::<Proof>()
        .copied()
        .unwrap_or(Proof::Header);
    judge(request, proof, next).await
}

/// Lets a WebSocket of a route without sessions through only if no page of another origin opens it: browsers name the origin and
/// ask nobody before. Programs name none, and are let through.
///
/// # Errors
/// Only those of what it wraps.
pub async fn require_own_socket(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let proof = request.extensions().get::<Proof>().copied();
    if proof == Some(Proof::Upgrade) && request.headers().contains_key(ORIGIN) {
        return judge(request, Proof::Upgrade, next).await;
    }
    next.call(request).await.map(ServiceResponse::map_into_boxed_body)
}

/// A refusal is an answer and not an error, so that the middleware around this one see it like any other.
async fn judge(
    request: ServiceRequest,
    proof: Proof,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match verdict(&request, proof) {
        Ok(()) => next.call(request).await.map(ServiceResponse::map_into_boxed_body),
        Err(refusal) => Ok(request.into_response(refusal.error_response())),
    }
}

fn verdict(request: &ServiceRequest, proof: Proof) -> Result<(), ApiError> {
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

/// Adds the security headers to answers of our own.
///
/// # Errors
/// Only those of what it wraps.
pub async fn add_security_headers(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let https = request
        .app_data::<web::Data<OwnOrigin>>()
        .is_some_and(|own| own.https);
    let mut response = next.call(request).await?;
    if response.response().extensions().get::<Proxied>().is_some() {
        return Ok(response);
    }
    let headers = response.headers_mut();
    for (name, value) in security_headers::defaults(https) {
        if !headers.contains_key(name) {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
    }
    Ok(response)
}
