//! Reads a JSON body that is bounded in size and in time.

use std::future::{Ready, ready};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{FromRequest, HttpRequest};
use bytes::BytesMut;
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// Enough for the longest note, even if every character is written as an escape.
const MAX_BYTES: usize = 128 * 1024;

/// A body that trickles in for longer holds a connection for nothing.
const DEADLINE: Duration = Duration::from_secs(10);

/// A body that has not been read yet: whether the request may do what it asks for is decided first.
pub(crate) struct JsonBody {
    is_json: bool,
    announced_bytes: Option<usize>,
    payload: Payload,
}

impl JsonBody {
    pub(crate) async fn read<T: DeserializeOwned>(self) -> Result<T, BodyError> {
        if !self.is_json {
            return Err(BodyError::NotAnnouncedAsJson);
        }
        if self.announced_bytes.is_some_and(|bytes| bytes > MAX_BYTES) {
            return Err(BodyError::TooLarge);
        }
        let read = tokio::time::timeout(DEADLINE, collect(self.payload)).await;
        let body = read.unwrap_or(Err(BodyError::TooSlow))?;
        serde_json::from_slice(&body).map_err(BodyError::Json)
    }
}

async fn collect(mut payload: Payload) -> Result<BytesMut, BodyError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk?;
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

impl FromRequest for JsonBody {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let media_type = header(CONTENT_TYPE).and_then(|value| value.split(';').next());
        ready(Ok(Self {
            is_json: media_type.is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json")),
            announced_bytes: header(CONTENT_LENGTH).and_then(|bytes| bytes.parse().ok()),
            payload: payload.take(),
        }))
    }
}

/// Why a body cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is not announced as JSON")]
    NotAnnouncedAsJson,
    #[error("the body is larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("the body did not arrive in time")]
    TooSlow,
    #[error("the body broke off")]
    BrokeOff(#[from] PayloadError),
    #[error("the body is not the expected JSON")]
    Json(#[source] serde_json::Error),
}

impl BodyError {
    pub(crate) fn problem(&self) -> Problem {
        match self {
            Self::NotAnnouncedAsJson => Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "The body has to be application/json.",
            ),
            Self::TooLarge => Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body-too-large",
                "The body is too large.",
            ),
            Self::TooSlow => Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "body-too-slow",
                "The body did not arrive in time.",
            ),
            Self::BrokeOff(_) => Problem::new(StatusCode::BAD_REQUEST, "invalid-body", "The body broke off."),
            Self::Json(_) => Problem::new(
                StatusCode::BAD_REQUEST,
                "invalid-body",
                "The body is not the expected JSON.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::FromRequest as _;
    use actix_web::dev::Payload;
    use actix_web::test::TestRequest;
    use bytes::Bytes;
    use futures_util::FutureExt as _;
    use futures_util::stream::{self, StreamExt as _};
    use serde_json::Value;
    use tokio::time::Instant;

    use super::{BodyError, DEADLINE, JsonBody, MAX_BYTES};

    /// A body that begins like this and then never goes on.
    async fn unending(begin: &'static str, announced: usize) -> JsonBody {
        let request = TestRequest::post()
            .insert_header(("Content-Type", "application/json"))
            .insert_header(("Content-Length", announced.to_string()))
            .to_http_request();
        let chunks = stream::iter([Ok(Bytes::from_static(begin.as_bytes()))]).chain(stream::pending());
        let mut payload = Payload::Stream {
            payload: chunks.boxed_local(),
        };
        JsonBody::from_request(&request, &mut payload).await.unwrap()
    }

    #[tokio::test]
    async fn a_body_that_is_announced_too_large_is_not_waited_for() {
        let body = unending("{", MAX_BYTES + 1).await;
        assert!(matches!(
            body.read::<Value>().now_or_never(),
            Some(Err(BodyError::TooLarge))
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for_long() {
        let begun = Instant::now();
        let body = unending("{", 100).await;
        assert!(matches!(body.read::<Value>().await, Err(BodyError::TooSlow)));
        assert_eq!(begun.elapsed().as_secs(), DEADLINE.as_secs());
    }
}
