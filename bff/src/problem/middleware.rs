//! Tells the log of answers that are problems: what, where, and whose session.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest};

use super::{Severity, Told};
use crate::proxy::endpoint::MatchedRoute;
use crate::session::ticket::Named;

/// Writes the line of an answer that is a problem. The problem knows what happened, the request where: a route is named by
/// its prefix and an endpoint by its path, since whatever else stands in a path is the user's.
pub fn tell_problem<B>(answer: &ServiceResponse<B>) {
    if let Some(told) = answer.response().extensions().get::<Told>() {
        tell(told, answer.request());
    }
}

/// [`tell_problem`] of every answer, as actix middleware.
///
/// # Errors
/// Only those of what it wraps.
pub async fn tell_problems(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let answer = next.call(request).await?.map_into_boxed_body();
    tell_problem(&answer);
    Ok(answer)
}

fn tell(told: &Told, request: &HttpRequest) {
    let extensions = request.extensions();
    let matched = extensions.get::<MatchedRoute>();
    let pattern = request.match_pattern();
    let route = matched
        .map(|matched| matched.route.prefix.as_str())
        .or(pattern.as_deref());
    let session = extensions.get::<Named>().map(|named| named.0.as_str());
    let (status, code, cause) = (told.status, told.code, told.cause.as_deref());
    let (method, oauth) = (request.method().as_str(), told.oauth_error.as_deref());
    match told.severity {
        Severity::Failure => tracing::error!(
            method,
            route,
            status,
            code,
            cause,
            session.key = session,
            oauth.error = oauth,
            "a request failed"
        ),
        Severity::Refusal => tracing::warn!(
            method,
            route,
            status,
            code,
            cause,
            session.key = session,
            oauth.error = oauth,
            "a request was refused"
        ),
        Severity::Nothing => tracing::debug!(
            method,
            route,
            status,
            code,
            cause,
            session.key = session,
            oauth.error = oauth,
            "a request was refused, or met an outage"
        ),
    }
}
