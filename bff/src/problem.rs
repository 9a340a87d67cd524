//! Every refusal and failure that a browser may see, and how each becomes an RFC 9457 problem document.
//!
//! This is the one place that maps errors to answers. A cause goes to the log, once, by the middleware; never into a body.

mod causes;
pub mod middleware;

use std::error::Error as StdError;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_RANGE, CONTENT_SECURITY_POLICY, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde::Serialize;

use crate::errors::chain;
use crate::provider::ProviderError;
use crate::telemetry;

/// A refusal or failure on its way to the browser.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// There is no live session.
    #[error("this needs a session")]
    SessionRequired,
    /// The request does not carry `X-CSRF: 1`.
    #[error("the request lacks the header that proves it comes from our own pages")]
    CsrfRequired,
    /// The request comes from another site.
    #[error("the request comes from another site")]
    CrossSite,
    /// Only a navigation may do this.
    #[error("only a navigation may begin a login")]
    NavigationRequired,
    /// `returnUrl` is not a path of this site.
    #[error("the return URL is not a local path")]
    InvalidReturnUrl,
    /// `sid` does not name the session of this browser.
    #[error("the sid is not that of this session")]
    WrongSid,
    /// A parameter is not what it may be.
    #[error("a parameter has an unusable value")]
    InvalidParameter,
    /// No login of this browser waits for this callback.
    #[error("no login waits for this callback")]
    LoginExpired,
    /// The user or the provider refused the login.
    #[error("the login was refused")]
    LoginDenied,
    /// What came back from the provider does not prove who signed in.
    #[error("the login failed")]
    LoginFailed(#[source] anyhow::Error),
    /// The user has as many sessions as allowed.
    #[error("the user has too many sessions")]
    SessionLimit,
    /// The user has no session of this name.
    #[error("the user has no such session")]
    SessionNotFound,
    /// Some sessions of the user may have ended and others not.
    #[error("not every session of the user has ended")]
    SignOutIncomplete(#[source] anyhow::Error),
    /// The request does not carry the token of administrators.
    #[error("this needs the admin token")]
    AdminTokenRequired,
    /// Which sessions an operator means is not said, or said twice.
    #[error("the sessions that are meant are not named in exactly one way")]
    InvalidSelector,
    /// Some of the sessions that an operator meant have ended, as many as this says, and others not.
    #[error("not every session that was meant has ended")]
    EndIncomplete(#[source] anyhow::Error, usize),
    /// No route, no endpoint, no file.
    #[error("nothing is here")]
    NotFound,
    /// A path that has more than one reading.
    #[error("the path is ambiguous")]
    InvalidPath,
    /// The connection is to become a WebSocket, in a way that no browser asks for.
    #[error("the upgrade is not one to a WebSocket")]
    InvalidUpgrade,
    /// The route does not take this method; the value lists those it takes.
    #[error("the method is not allowed here")]
    MethodNotAllowed(String),
    /// The file is not the one that the client wants.
    #[error("the file has changed")]
    PreconditionFailed,
    /// The file, of this length, has no such part.
    #[error("the file has no such part")]
    RangeNotSatisfiable(u64),
    /// This client or session asks too often; seconds until it may again.
    #[error("too many requests")]
    TooManyRequests(u64),
    /// As many as can be served at a time are being served.
    #[error("too much is going on at once")]
    Busy,
    /// The request has been here before.
    #[error("a route leads back to this BFF")]
    LoopDetected,
    /// The request's body is longer than the route allows.
    #[error("the request's body is too long")]
    BodyTooLong,
    /// The request's body did not come to its end in time.
    #[error("the request's body did not come")]
    RequestTimeout,
    /// The session store does not answer.
    #[error("the session store does not answer")]
    StoreUnavailable(#[source] anyhow::Error, Known),
    /// The provider does not answer usefully; seconds until it is worth trying again.
    #[error("the OpenID provider does not answer")]
    ProviderUnavailable(#[source] anyhow::Error, Known, u64),
    /// The upstream cannot be reached or broke off.
    #[error("the upstream does not answer")]
    UpstreamUnavailable(#[source] anyhow::Error),
    /// The upstream took too long.
    #[error("the upstream took too long")]
    UpstreamTimeout,
    /// The header lines of the request are longer than anybody needs.
    #[error("the head of the request is too long")]
    HeadTooLong,
    /// A fault of this program.
    #[error("something went wrong")]
    Internal(#[source] anyhow::Error),
}

/// Whether the log has been told of an outage, once, so that it need not be told of each request that meets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It has.
    Already,
    /// This request found something out.
    ByThis,
}

/// What the log is told of an answer; left with it for the middleware, which knows the request.
#[derive(Debug, Clone)]
struct Told {
    severity: Severity,
    status: u16,
    code: &'static str,
    cause: Option<String>,
    oauth_error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Severity {
    Failure,
    Refusal,
    /// That somebody is not signed in, or that an outage goes on.
    Nothing,
}

/// Status, code and title of a problem, as documented in docs/architecture.md.
struct Kind {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
}

const fn kind(status: StatusCode, code: &'static str, title: &'static str) -> Kind {
    Kind { status, code, title }
}

impl ApiError {
    #[expect(clippy::too_many_lines, reason = "it is a table: one row for each problem")]
    fn kind(&self) -> Kind {
        use StatusCode as S;
        match self {
            Self::SessionRequired => kind(S::UNAUTHORIZED, "session-required", "Sign in first"),
            Self::CsrfRequired => kind(S::FORBIDDEN, "csrf-required", "The header X-CSRF: 1 is missing"),
            Self::CrossSite => kind(S::FORBIDDEN, "cross-site", "The request comes from another site"),
            Self::NavigationRequired => kind(
                S::BAD_REQUEST,
                "navigation-required",
                "Only a navigation can begin a login",
            ),
            Self::InvalidReturnUrl => kind(
                S::BAD_REQUEST,
                "invalid-return-url",
                "returnUrl must be a path of this site",
            ),
            Self::WrongSid => kind(S::BAD_REQUEST, "wrong-sid", "sid is not that of this session"),
            Self::InvalidParameter => kind(S::BAD_REQUEST, "invalid-parameter", "A parameter cannot be used"),
            Self::LoginExpired => kind(
                S::BAD_REQUEST,
                "login-expired",
                "This sign-in is over or not yours",
            ),
            Self::LoginDenied => kind(S::FORBIDDEN, "login-denied", "The sign-in was refused"),
            Self::LoginFailed(_) => kind(S::BAD_REQUEST, "login-failed", "The sign-in failed"),
            Self::SessionLimit => kind(S::FORBIDDEN, "session-limit", "You are signed in too many times"),
            Self::SessionNotFound => kind(S::NOT_FOUND, "session-not-found", "You have no such session"),
            Self::SignOutIncomplete(_) => kind(
                S::SERVICE_UNAVAILABLE,
                "sign-out-incomplete",
                "Some sessions may go on; try again",
            ),
            Self::AdminTokenRequired => kind(
                S::UNAUTHORIZED,
                "admin-token-required",
                "The admin token is needed",
            ),
            Self::InvalidSelector => kind(
                S::BAD_REQUEST,
                "invalid-selector",
                "Name exactly one of user, sid, key and all=true, and nothing else",
            ),
            Self::EndIncomplete(..) => kind(
                S::SERVICE_UNAVAILABLE,
                "end-incomplete",
                "Some sessions go on; doing it again ends the rest",
            ),
            Self::NotFound => kind(S::NOT_FOUND, "route-not-found", "Nothing is here"),
            Self::InvalidPath => kind(S::BAD_REQUEST, "invalid-path", "The path is ambiguous"),
            Self::InvalidUpgrade => kind(S::BAD_REQUEST, "invalid-upgrade", "No WebSocket handshake"),
            Self::MethodNotAllowed(_) => kind(
                S::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "The method is not allowed here",
            ),
            Self::PreconditionFailed => kind(
                S::PRECONDITION_FAILED,
                "precondition-failed",
                "The file has changed",
            ),
            Self::RangeNotSatisfiable(_) => kind(
                S::RANGE_NOT_SATISFIABLE,
                "range-not-satisfiable",
                "The file has no such part",
            ),
            Self::TooManyRequests(_) => kind(
                S::TOO_MANY_REQUESTS,
                "too-many-requests",
                "Slow down and try again later",
            ),
            Self::Busy => kind(S::SERVICE_UNAVAILABLE, "busy", "Too much is going on; try again"),
            Self::LoopDetected => kind(S::LOOP_DETECTED, "loop-detected", "The route leads back here"),
            Self::BodyTooLong => kind(S::PAYLOAD_TOO_LARGE, "body-too-long", "The request is too long"),
            Self::RequestTimeout => kind(
                S::REQUEST_TIMEOUT,
                "request-timeout",
                "The request did not come to its end",
            ),
            Self::StoreUnavailable(..) => kind(
                S::SERVICE_UNAVAILABLE,
                "store-unavailable",
                "Sessions cannot be read for the moment",
            ),
            Self::ProviderUnavailable(..) => kind(
                S::SERVICE_UNAVAILABLE,
                "provider-unavailable",
                "The sign-in service does not answer",
            ),
            Self::UpstreamUnavailable(_) => {
                kind(S::BAD_GATEWAY, "upstream-unavailable", "The API does not answer")
            }
            Self::UpstreamTimeout => kind(S::GATEWAY_TIMEOUT, "upstream-timeout", "The API took too long"),
            Self::HeadTooLong => kind(
                S::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "head-too-long",
                "The header lines of the request are too long",
            ),
            Self::Internal(_) => kind(S::INTERNAL_SERVER_ERROR, "internal", "Something went wrong"),
        }
    }

    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::StoreUnavailable(..)
            | Self::SignOutIncomplete(_)
            | Self::EndIncomplete(..)
            | Self::Busy => Some(1),
            Self::TooManyRequests(seconds) => Some((*seconds).max(1)),
            Self::ProviderUnavailable(_, _, seconds) => Some((*seconds).max(1)),
            _ => None,
        }
    }

    /// What the log is told and the body must not say.
    fn told(&self, kind: &Kind) -> Told {
        let known = matches!(
            self,
            Self::StoreUnavailable(_, Known::Already)
                | Self::ProviderUnavailable(_, Known::Already, _)
                // A flood is counted (`bff_problems_total`), and not told of ten thousand times.
                | Self::Busy
        );
        let cause = self.source();
        let severity = match (kind.status.is_server_error(), cause) {
            _ if known => Severity::Nothing,
            (true, _) => Severity::Failure,
            (false, Some(_)) => Severity::Refusal,
            (false, None) => Severity::Nothing,
        };
        Told {
            severity,
            status: kind.status.as_u16(),
            code: kind.code,
            oauth_error: cause.and_then(oauth_error),
            cause: cause.map(chain),
        }
    }

    /// What it is called, in words for people.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.kind().title
    }

    /// The answer for a person whose browser navigated here: same status as the problem document, but a page.
    #[must_use]
    pub fn page(&self, html: String, policy: &'static str) -> HttpResponse {
        self.answer()
            .insert_header((CONTENT_SECURITY_POLICY, policy))
            .content_type("text/html; charset=utf-8")
            .body(html)
    }

    /// Status and headers, and what the middleware is to tell.
    fn answer(&self) -> HttpResponseBuilder {
        let kind = self.kind();
        telemetry::problem_answered(kind.code);
        let mut answer = HttpResponse::build(kind.status);
        answer.extensions_mut().insert(self.told(&kind));
        if let Some(seconds) = self.retry_after() {
            answer.insert_header((RETRY_AFTER, seconds));
        }
        if let Self::MethodNotAllowed(methods) = self
            && let Ok(methods) = HeaderValue::from_str(methods)
        {
            answer.insert_header((ALLOW, methods));
        }
        if let Self::RangeNotSatisfiable(length) = self {
            answer.insert_header((CONTENT_RANGE, format!("bytes */{length}")));
        }
        if matches!(self, Self::RequestTimeout) {
            // What comes after all would be taken for the next request (RFC 9110 §15.5.9).
            answer.force_close();
        }
        if matches!(self, Self::AdminTokenRequired) {
            answer.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        answer.insert_header((CACHE_CONTROL, "no-store"));
        answer
    }
}

/// The provider's own word, if its refusal is among the causes.
fn oauth_error(cause: &(dyn StdError + 'static)) -> Option<String> {
    let mut next = Some(cause);
    while let Some(cause) = next {
        let of_provider = cause.downcast_ref::<ProviderError>();
        if let Some(word) = of_provider.and_then(ProviderError::oauth_error) {
            return Some(word.as_str().to_owned());
        }
        next = cause.source();
    }
    None
}

#[derive(Serialize)]
struct Problem {
    r#type: String,
    title: &'static str,
    status: u16,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<usize>,
}

// Actix's default body is the `Display` text, hence this.
impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.kind().status
    }

    fn error_response(&self) -> HttpResponse {
        let kind = self.kind();
        let problem = Problem {
            r#type: format!("https://cloakroom.dev/problems/{}", kind.code),
            title: kind.title,
            status: kind.status.as_u16(),
            code: kind.code,
            ended: match self {
                Self::EndIncomplete(_, ended) => Some(*ended),
                _ => None,
            },
        };
        let body = serde_json::to_string(&problem).unwrap_or_default();
        self.answer().content_type("application/problem+json").body(body)
    }
}
