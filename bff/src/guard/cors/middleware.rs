//! CORS in terms of actix: preflights are answered here, and nothing that an upstream grants stands beside our own word.

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use actix_web::{HttpResponse, web};

use super::{AllowedOrigins, PREFLIGHT_LIFETIME, grants_headers, grants_method};

/// That pages of other origins may read our answers, and whether this request's page is one of them.
#[derive(Debug)]
pub struct Sharing(Option<HeaderValue>);

/// How an answer is shared with other origins; `None` where no page of another origin may call us at all.
#[must_use]
pub fn sharing_with(request: &ServiceRequest) -> Option<Sharing> {
    let allowed = request.app_data::<web::Data<AllowedOrigins>>()?;
    (!allowed.is_empty()).then(|| Sharing(allowed_origin(allowed, request.headers())))
}

impl Sharing {
    /// The answer to a preflight of an allowed page.
    #[must_use]
    pub fn preflight(&self, request: &ServiceRequest) -> Option<HttpResponse> {
        (self.0.is_some() && is_preflight(request)).then(|| preflight(request.headers()))
    }

    /// Says in an answer to browsers who may read it.
    pub fn grant(self, headers: &mut HeaderMap) {
        // Also for strangers: a cache must not show one origin what was meant for another.
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if let Self(Some(origin)) = self {
            // `insert` replaces: an upstream's own grant would be a second one, which browsers refuse.
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
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
