//! Between the http 0.2 types of actix-web and the http 1.x types of hyper: the one file that knows both.

use actix_web::http as old;

pub(super) fn method(method: &old::Method) -> Option<http::Method> {
    http::Method::from_bytes(method.as_str().as_bytes()).ok()
}

pub(super) fn value(value: &old::header::HeaderValue) -> Option<http::HeaderValue> {
    http::HeaderValue::from_bytes(value.as_bytes()).ok()
}

pub(super) fn status(status: http::StatusCode) -> Option<old::StatusCode> {
    old::StatusCode::from_u16(status.as_u16()).ok()
}

pub(super) fn old_name(name: &http::HeaderName) -> Option<old::header::HeaderName> {
    old::header::HeaderName::from_bytes(name.as_str().as_bytes()).ok()
}

pub(super) fn old_value(value: &http::HeaderValue) -> Option<old::header::HeaderValue> {
    old::header::HeaderValue::from_bytes(value.as_bytes()).ok()
}
