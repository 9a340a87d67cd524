//! The lists over HTTP (draft-ietf-oauth-status-list §8, §9), the same for everybody.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, EntityTag};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use serde_json::json;

use super::published::StatusListError;
use crate::discovery::endpoint::{Public, public};
use crate::params::Params;
use crate::secret::{Digest, base64url};
use crate::state::Shared;

const MEDIA_TYPE: &str = "application/statuslist+jwt";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("there is no such status list")]
    Unknown,
    /// §8.4.
    #[error("only what a status list says now can be asked for")]
    NoHistory,
    #[error("the method must be GET or HEAD")]
    Method,
    #[error("the status lists cannot be read now")]
    Unavailable(#[from] StatusListError),
}

/// `GET` and `HEAD /statuslists/{list}`.
pub(crate) async fn list(
    request: HttpRequest,
    number: web::Path<String>,
    shared: web::Data<Shared>,
) -> Result<HttpResponse, Refusal> {
    let number = parse(&number).ok_or(Refusal::Unknown)?;
    if Params::parse(request.query_string().as_bytes())
        .get_all("time")
        .next()
        .is_some()
    {
        return Err(Refusal::NoHistory);
    }
    let lists = &shared.status_lists;
    let document = lists.list(number, shared.now()).await?.ok_or(Refusal::Unknown)?;
    let is = Public {
        content_type: MEDIA_TYPE,
        tag: EntityTag::new_weak(document.etag),
        max_age: lists.ttl(),
    };
    Ok(public(&request, is, || {
        web::Bytes::copy_from_slice(document.text.as_bytes())
    }))
}

/// `GET` and `HEAD /statuslists`: which lists there are (§9).
pub(crate) async fn aggregation(
    request: HttpRequest,
    shared: web::Data<Shared>,
) -> Result<HttpResponse, Refusal> {
    let lists = &shared.status_lists;
    let uris = lists.uris(shared.now()).await?;
    let text = json!({ "status_lists": uris }).to_string();
    let is = Public {
        content_type: "application/json",
        tag: EntityTag::new_strong(base64url(&Digest::of(text.as_bytes()).as_bytes()[..16])),
        max_age: lists.ttl(),
    };
    Ok(public(&request, is, || text.into()))
}

/// Any other method.
pub(crate) async fn method_not_allowed() -> Result<HttpResponse, Refusal> {
    Err(Refusal::Method)
}

/// A number as [`super::uri`] writes it; no other spelling leads to a list.
fn parse(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Unknown => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoHistory => StatusCode::NOT_IMPLEMENTED,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        match self {
            Self::Unavailable(_) => response.insert_header((header::RETRY_AFTER, "1")),
            Self::Method => response.insert_header((header::ALLOW, "GET, HEAD")),
            Self::Unknown | Self::NoHistory => &mut response,
        };
        let status = self.status_code();
        // RFC 9457.
        let problem = json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": self.to_string(),
        });
        response
            .content_type("application/problem+json")
            .body(problem.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_one_address() {
        assert_eq!((parse("0"), parse("17")), (Some(0), Some(17)));
        for other in ["", "00", "01", "+1", "-1", "1 ", "1.0", "18446744073709551616"] {
            assert_eq!(parse(other), None, "{other:?}");
        }
    }
}
