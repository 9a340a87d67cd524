//! CORS as actix middleware: preflights are answered here, and nothing that an upstream grants stands beside our own word.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};

use super::{AllowedOrigins, PREFLIGHT_LIFETIME, grants_headers, grants_method};

/// Says to browsers which pages of other origins may read our answers.
///
/// # Errors
/// Only those of what it wraps.
pub async fn share_with_allowed_origins(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let allowed = request
        .app_data::<web::Data<AllowedOrigins>>()
        .filter(|allowed| !allowed.is_empty())
        .cloned();
    let Some(allowed) = allowed else {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    };
    let origin = allowed_origin(&allowed, request.headers());
    let mut response = match &origin {
        Some(_) if is_preflight(&request) => {
            let answer = preflight(request.headers());
            request.into_response(answer)
        }
        _ => next.call(request).await?.map_into_boxed_body(),
    };
    let headers = response.headers_mut();
    // Also for strangers: a cache must not show one origin what was meant for another.
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        // `insert` replaces: an upstream's own grant would be a second one, which browsers refuse.
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The one `Origin` of a request, if it is listed.
fn allowed_origin(allowed: &AllowedOrigins, headers: &HeaderMap) -> Option<HeaderValue> {
    let mut values = headers.get_all(ORIGIN);
    let value = values.next().filter(|_| values.next().is_none())?;
    allowed.contains(value.to_str().ok()?).then(|| value.clone())
}

fn is_preflight(request: &ServiceRequest) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Grants what is asked for: what a method or a header may do is judged when it comes.
fn preflight(asked: &HeaderMap) -> HttpResponse {
    let mut answer = HttpResponse::NoContent();
    let mut grant = |asks: HeaderName, grants: HeaderName, is_fit: fn(&str) -> bool| {
        if let Some(value) = asked.get(asks)
            && value.to_str().is_ok_and(is_fit)
        {
            answer.insert_header((grants, value.clone()));
        }
    };
    grant(
        ACCESS_CONTROL_REQUEST_METHOD,
        ACCESS_CONTROL_ALLOW_METHODS,
        grants_method,
    );
    grant(
        ACCESS_CONTROL_REQUEST_HEADERS,
        ACCESS_CONTROL_ALLOW_HEADERS,
        grants_headers,
    );
    answer
        .insert_header((ACCESS_CONTROL_MAX_AGE, PREFLIGHT_LIFETIME.as_secs()))
        .finish()
}
