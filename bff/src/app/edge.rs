//! What happens to every request before the endpoint that it is for, and to every answer after it.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, ResponseError};

use crate::guard::cors::middleware::{Sharing, sharing_with};
use crate::guard::middleware::{add_security_headers, part_cookies};
use crate::problem::ApiError;
use crate::problem::middleware::tell_problem;
use crate::proxy::endpoint::{in_words_of_grpc, match_route};
use crate::server::middleware::is_head_too_long;

/// One middleware and not seven, because each of them costs every request an allocation and a look at its extensions.
///
/// # Errors
/// Only those of what it wraps: a refusal is an answer.
pub(super) async fn edge(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let sharing = sharing_with(&request);
    let mut answer = match admit(&mut request, sharing.as_ref()) {
        None => next.call(request).await?.map_into_boxed_body(),
        Some(answer) => request.into_response(answer),
    };
    if let Some(sharing) = sharing {
        sharing.grant(answer.headers_mut());
    }
    tell_problem(&answer);
    add_security_headers(&mut answer);
    Ok(answer)
}

/// Prepares a request for its endpoint; or answers it, when no endpoint is to see it.
fn admit(request: &mut ServiceRequest, sharing: Option<&Sharing>) -> Option<HttpResponse> {
    if is_head_too_long(request.head()) {
        return Some(ApiError::HeadTooLong.error_response());
    }
    let preflight = sharing.and_then(|sharing| sharing.preflight(request));
    if preflight.is_some() {
        return preflight;
    }
    part_cookies(request);
    let refusal = match_route(request).err()?;
    Some(in_words_of_grpc(request.head(), refusal.error_response()))
}
