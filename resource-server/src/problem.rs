//! Bodies of errors: RFC 9457 problem documents.

use actix_web::HttpResponse;
use actix_web::HttpResponseBuilder;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use serde_json::{Value, json};

/// What went wrong, in words for people (`title`) and in a word for programs (`code`).
///
/// Both are fixed texts: nothing of a request, and no text of an internal error, reaches the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// The last part of `type`, and the member `code`.
    pub code: &'static str,
    /// A short sentence.
    pub title: &'static str,
}

impl Problem {
    /// What nobody foresaw; the log says more.
    pub const INTERNAL: Self = Self::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "Something went wrong here.",
    );

    /// A problem of this kind.
    #[must_use]
    pub const fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        Self { status, code, title }
    }

    /// The answer to a method that a path does not have; `allowed` names those it has.
    #[must_use]
    pub fn method_not_allowed(allowed: &'static str) -> HttpResponse {
        const NOT_ALLOWED: Problem = Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "This method is not allowed here.",
        );
        NOT_ALLOWED.response_with(|response| {
            response.insert_header((ALLOW, allowed));
        })
    }

    /// The answer that carries the problem.
    #[must_use]
    pub fn response(&self) -> HttpResponse {
        self.response_with(|_| {})
    }

    /// The answer that carries the problem, with more headers.
    pub fn response_with(&self, headers: impl FnOnce(&mut HttpResponseBuilder)) -> HttpResponse {
        self.build(headers, &self.document())
    }

    /// The answer that carries the problem, and one more member (RFC 9457 §3.2).
    #[must_use]
    pub fn response_telling(&self, name: &str, value: Value) -> HttpResponse {
        let mut document = self.document();
        document[name] = value;
        self.build(|_| {}, &document)
    }

    fn build(&self, headers: impl FnOnce(&mut HttpResponseBuilder), document: &Value) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((CONTENT_TYPE, "application/problem+json"));
        response.insert_header((CACHE_CONTROL, "no-store"));
        headers(&mut response);
        response.body(document.to_string())
    }

    fn document(&self) -> Value {
        json!({
            "type": format!("https://cloakroom.dev/problems/{}", self.code),
            "title": self.title,
            "status": self.status.as_u16(),
            "code": self.code,
        })
    }
}
