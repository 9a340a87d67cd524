//! The limits for each client address as actix middleware; what is one too many costs nothing further.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, ResponseError, web};

use super::{Client, RateLimit, RateLimits};
use crate::guard::client_address::middleware::ClientAddress;
use crate::problem::ApiError;
use crate::telemetry;

/// Counts beginnings and endings of logins.
///
/// # Errors
/// Only those of what it wraps: a refusal is an answer.
pub async fn limit_logins(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    limit(request, next, "login_per_address", |limits| {
        limits.login_per_address.as_ref()
    })
    .await
}

/// Counts calls to routes.
///
/// # Errors
/// Only those of what it wraps: a refusal is an answer.
pub async fn limit_calls(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    limit(request, next, "api_per_address", |limits| {
        limits.api_per_address.as_ref()
    })
    .await
}

async fn limit(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    name: &'static str,
    choose: fn(&RateLimits) -> Option<&RateLimit<Client>>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let client = request.extensions().get::<ClientAddress>().copied();
    let limits = request.app_data::<web::Data<RateLimits>>();
    let checked = match (client, limits.and_then(|limits| choose(limits))) {
        (Some(ClientAddress(address)), Some(limit)) => {
            let checked = limit.check(&address.into());
            checked.inspect_err(|_| {
                telemetry::rate_limited(name);
                tracing::debug!(target: "bff::trail", client = %address, limit = name, "a request was one too many");
            })
        }
        _ => Ok(()),
    };
    match checked {
        Ok(()) => next.call(request).await.map(ServiceResponse::map_into_boxed_body),
        Err(seconds) => Ok(request.into_response(ApiError::TooManyRequests(seconds).error_response())),
    }
}
