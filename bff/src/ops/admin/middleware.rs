//! Who may administer.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError, web};

use super::Administration;
use crate::problem::ApiError;
use crate::telemetry;

/// Lets only requests with the admin token through.
///
/// # Errors
/// Those of what it wraps.
pub(super) async fn require_admin_token(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let admin = request.app_data::<web::Data<Administration>>();
    let presented = bearer(request.headers()).unwrap_or_default();
    if admin.is_some_and(|admin| admin.token.is(presented)) {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    }
    telemetry::operator_refused();
    Ok(request.into_response(ApiError::AdminTokenRequired.error_response()))
}

/// The token of a request that has exactly one (RFC 6750 §2.1; the scheme is in any case, RFC 9110 §11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION);
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_start_matches(' '))
}
