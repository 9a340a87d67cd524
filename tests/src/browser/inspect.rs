//! Looks at every answer of the BFF for what a browser must never get.

use cookie::{Cookie, SameSite};
use url::Url;

use super::Purpose;
use super::answer::Answer;
use crate::secrets::{Kind, Secrets};
use crate::stack::SESSION_COOKIE;

/// The headers a browser may get from the BFF. A header that is not here is a leak until somebody has thought about it.
const LISTED: &[&str] = &[
    "accept-ranges",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "allow",
    "cache-control",
    "clear-site-data",
    "connection",
    "content-disposition",
    "content-encoding",
    "content-length",
    "content-range",
    "content-security-policy",
    "content-type",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "date",
    "etag",
    "last-modified",
    "location",
    "permissions-policy",
    "referrer-policy",
    "retry-after",
    "set-cookie",
    "strict-transport-security",
    "transfer-encoding",
    "vary",
    "www-authenticate",
    "x-content-type-options",
    "x-frame-options",
];

/// What no answer says, whatever went wrong behind it.
const INTERNALS: &[&str] = &["panicked at", "RUST_BACKTRACE", "stack backtrace", ".rs:"];

/// Checks one answer.
///
/// # Panics
/// When the answer shows something that a browser must not see.
#[track_caller]
pub(super) fn inspect(answer: &Answer, purpose: Purpose, secrets: &Secrets) {
    for name in answer.headers.keys() {
        assert!(
            LISTED.contains(&name.as_str()),
            "header {name} is not listed: {}",
            answer.summary()
        );
    }
    if let Some(origin) = answer.header("access-control-allow-origin") {
        assert!(
            origin.starts_with("http")
                && answer
                    .headers
                    .get_all("access-control-allow-origin")
                    .iter()
                    .count()
                    == 1,
            "not one exact origin is allowed: {}",
            answer.summary()
        );
    }
    inspect_text(answer, secrets);
    inspect_cookies(answer, secrets);
    if answer.status >= 400 && purpose != Purpose::HeadersOnly {
        inspect_error(answer, purpose);
    }
}

#[track_caller]
fn inspect_text(answer: &Answer, secrets: &Secrets) {
    let headers = answer
        .headers
        .iter()
        .map(|(_, value)| String::from_utf8_lossy(value.as_bytes()).into_owned());
    for text in headers.chain([answer.text()]) {
        if let Some(finding) = secrets.shown_to_browser(answer.url.as_str(), &text) {
            panic!("the browser was shown a {finding}\n{}", answer.summary());
        }
        for internal in INTERNALS {
            assert!(
                !text.contains(internal),
                "the answer says {internal:?}: {}",
                answer.summary()
            );
        }
    }
}

#[track_caller]
fn inspect_cookies(answer: &Answer, secrets: &Secrets) {
    for header in answer.headers.get_all("set-cookie") {
        let header = header.to_str().expect("Set-Cookie is text");
        let cookie = Cookie::parse(header.to_owned()).expect("Set-Cookie is a cookie");
        learn_cookie(&cookie, secrets);
        let rule = |met: bool, what: &str| assert!(met, "cookie {}: {what}: {header}", cookie.name());

        rule(
            cookie.name().starts_with("__Host-"),
            "the name has no __Host- prefix",
        );
        rule(cookie.secure() == Some(true), "is not Secure");
        rule(cookie.http_only() == Some(true), "is not HttpOnly");
        rule(cookie.path() == Some("/"), "its path is not /");
        rule(cookie.domain().is_none(), "has a Domain");
        rule(cookie.partitioned() != Some(true), "is Partitioned");
        rule(cookie.name().len() + cookie.value().len() <= 4096, "is too large");
        let is_session = cookie.name() == SESSION_COOKIE;
        let wanted = if is_session {
            SameSite::Strict
        } else {
            SameSite::Lax
        };
        rule(
            cookie.same_site() == Some(wanted),
            "has another SameSite than it should",
        );
        let cache_control = answer.header("cache-control").unwrap_or_default();
        rule(cache_control.contains("no-store"), "its answer may be cached");
    }
}

/// Remembers cookies for the log's sake.
pub(super) fn learn_cookie(cookie: &Cookie<'_>, secrets: &Secrets) {
    secrets.learn(Kind::Cookie, cookie.value());
}

/// RFC 9457, or a page where a person is looking.
#[track_caller]
fn inspect_error(answer: &Answer, purpose: Purpose) {
    if purpose == Purpose::Navigation && answer.is_html() {
        return;
    }
    let content_type = answer.header("content-type").unwrap_or_default();
    assert!(
        content_type.starts_with("application/problem+json"),
        "no problem document: {}",
        answer.summary()
    );
    let problem = answer.json();
    assert!(
        problem["type"].is_string(),
        "the problem has no type: {}",
        answer.summary()
    );
    assert!(
        problem["title"].is_string(),
        "the problem has no title: {}",
        answer.summary()
    );
    assert_eq!(
        problem["status"],
        answer.status,
        "the problem names another status: {}",
        answer.summary()
    );
}

/// Whether an address is the BFF's.
pub(super) fn is_of(url: &Url, app: &Url) -> bool {
    url.origin() == app.origin()
}
