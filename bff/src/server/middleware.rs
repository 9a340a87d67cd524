//! Refuses heads that are longer than anybody needs.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError};

use super::limits::{MAX_HEAD_BYTES, MAX_HEAD_LINES};
use crate::problem::ApiError;

/// A header line's `: ` and its end.
const LINE_OVERHEAD: usize = 4;

/// HTTP/1.1 heads of up to twice this length come through `actix_http`, and are refused here; those of HTTP/2 are by h2. With the
/// lines it is the other way around.
///
/// # Errors
/// Only those of what it wraps.
pub async fn refuse_long_heads(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let lines = request.headers().iter();
    let lines = lines.map(|(name, value)| name.as_str().len() + value.len() + LINE_OVERHEAD);
    let target = request
        .uri()
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    let is_too_long = target + lines.sum::<usize>() > MAX_HEAD_BYTES;
    if is_too_long || request.headers().len() > MAX_HEAD_LINES {
        return Ok(request.into_response(ApiError::HeadTooLong.error_response()));
    }
    next.call(request).await.map(ServiceResponse::map_into_boxed_body)
}
