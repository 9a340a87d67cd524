//! Between the http 0.2 types of actix-web and the http 1.x types of hyper: the one file that knows both.

use actix_web::http as old;
use http::header as new;

/// What nearly every answer has: these names need not be read again.
static TOLD_BY_EVERY_SERVER: [(http::HeaderName, old::header::HeaderName); 12] = [
    (new::ACCEPT_RANGES, old::header::ACCEPT_RANGES),
    (new::CACHE_CONTROL, old::header::CACHE_CONTROL),
    (new::CONTENT_ENCODING, old::header::CONTENT_ENCODING),
    (new::CONTENT_LENGTH, old::header::CONTENT_LENGTH),
    (new::CONTENT_TYPE, old::header::CONTENT_TYPE),
    (new::DATE, old::header::DATE),
    (new::ETAG, old::header::ETAG),
    (new::LAST_MODIFIED, old::header::LAST_MODIFIED),
    (new::LOCATION, old::header::LOCATION),
    (new::SERVER, old::header::SERVER),
    (new::SET_COOKIE, old::header::SET_COOKIE),
    (new::VARY, old::header::VARY),
];

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
    match TOLD_BY_EVERY_SERVER.iter().find(|(known, _)| known == name) {
        Some((_, old)) => Some(old.clone()),
        None => old::header::HeaderName::from_bytes(name.as_str().as_bytes()).ok(),
    }
}

pub(super) fn old_value(value: &http::HeaderValue) -> Option<old::header::HeaderValue> {
    old::header::HeaderValue::from_bytes(value.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_in_both() {
        for (new, old) in &TOLD_BY_EVERY_SERVER {
            assert_eq!(new.as_str(), old.as_str());
        }
        let rare = http::HeaderName::from_static("x-rare");
        assert_eq!(old_name(&rare).unwrap().as_str(), "x-rare");
        assert_eq!(old_name(&new::ETAG).unwrap().as_str(), "etag");
    }
}
