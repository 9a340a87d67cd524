//! Reads forms, never more of them than a form can be, and never for longer than one takes.

use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, web};
use futures_util::StreamExt as _;

use crate::params::Params;

/// More than any request here needs, and little to hold in memory.
const LIMIT: usize = 64 * 1024;

/// A body that trickles in for longer holds a connection for nothing.
const DEADLINE: Duration = Duration::from_secs(10);

/// Why a body is no form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    NotAForm,
    TooLarge,
    TooSlow,
    Broken,
}

impl BodyError {
    /// The status of a page that says so.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NotAForm | Self::Broken => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
        }
    }
}

/// Reads `application/x-www-form-urlencoded`, with or without a charset.
pub(crate) async fn read_form(request: &HttpRequest, payload: web::Payload) -> Result<Params, BodyError> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    if !header(header::CONTENT_TYPE).is_some_and(is_form) {
        return Err(BodyError::NotAForm);
    }
    let announced = header(header::CONTENT_LENGTH).and_then(|bytes| bytes.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > LIMIT) {
        return Err(BodyError::TooLarge);
    }
    let read = tokio::time::timeout(DEADLINE, collect(payload)).await;
    let body = read.unwrap_or(Err(BodyError::TooSlow))?;
    Ok(Params::parse(&body))
}

async fn collect(mut payload: web::Payload) -> Result<web::BytesMut, BodyError> {
    let mut body = web::BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| BodyError::Broken)?;
        if body.len() + chunk.len() > LIMIT {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn is_form(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use actix_web::FromRequest as _;
    use actix_web::dev::Payload;
    use actix_web::test::TestRequest;
    use futures_util::{FutureExt as _, stream};
    use tokio::time::Instant;

    use super::*;

    /// A form that begins and then never goes on.
    async fn unending(announced: usize) -> (HttpRequest, web::Payload) {
        let request = TestRequest::post()
            .insert_header(("Content-Type", "application/x-www-form-urlencoded"))
            .insert_header(("Content-Length", announced.to_string()))
            .to_http_request();
        let chunks = stream::iter([Ok(web::Bytes::from_static(b"a="))]).chain(stream::pending());
        let mut payload = Payload::Stream {
            payload: chunks.boxed_local(),
        };
        let payload = web::Payload::from_request(&request, &mut payload).await.unwrap();
        (request, payload)
    }

    #[tokio::test]
    async fn a_form_that_is_announced_too_large_is_not_waited_for() {
        let (request, payload) = unending(LIMIT + 1).await;
        let outcome = read_form(&request, payload).now_or_never().unwrap();
        assert_eq!(outcome.unwrap_err(), BodyError::TooLarge);
    }

    #[tokio::test(start_paused = true)]
    async fn a_form_that_does_not_come_is_not_waited_for_long() {
        let begun = Instant::now();
        let (request, payload) = unending(100).await;
        let outcome = read_form(&request, payload).await;
        assert_eq!(outcome.unwrap_err(), BodyError::TooSlow);
        assert_eq!(begun.elapsed(), DEADLINE);
    }

    #[test]
    fn a_charset_does_not_matter() {
        assert!(is_form("application/x-www-form-urlencoded"));
        assert!(is_form("Application/X-WWW-Form-Urlencoded; charset=UTF-8"));
        assert!(!is_form("application/json"));
        assert!(!is_form(""));
    }
}
