//! The limits for each client address in terms of actix; what is one too many costs nothing further.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, ResponseError, web};

use super::{Client, RateLimit, RateLimits};
use crate::guard::client_address::middleware::client_of;
use crate::problem::ApiError;
use crate::telemetry;

/// Counts beginnings and endings of logins, as actix middleware.
///
/// # Errors
/// Only those of what it wraps: a refusal is an answer.
pub async fn limit_logins(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let limits = request.app_data::<web::Data<RateLimits>>();
    let limit = limits.and_then(|limits| limits.login_per_address.as_ref());
    match count(request.request(), limit, "login_per_address") {
        Ok(()) => next.call(request).await.map(ServiceResponse::map_into_boxed_body),
        Err(refusal) => Ok(request.into_response(refusal.error_response())),
    }
}

/// Counts a call to a route.
///
/// # Errors
/// When it is one too many.
pub fn count_call(request: &HttpRequest, limits: &RateLimits) -> Result<(), ApiError> {
    count(request, limits.api_per_address.as_ref(), "api_per_address")
}

fn count(
    request: &HttpRequest,
    limit: Option<&RateLimit<Client>>,
    name: &'static str,
) -> Result<(), ApiError> {
    let Some(limit) = limit else {
        return Ok(());
    };
    let Some(client) = client_of(request) else {
        return Ok(());
    };
    limit.check(&client.into()).map_err(|seconds| {
        telemetry::rate_limited(name);
        tracing::debug!(target: "bff::trail", %client, limit = name, "a request was one too many");
        ApiError::TooManyRequests(seconds)
    })
}
