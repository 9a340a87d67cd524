//! Bodies of the lab that need no story to speak them.

use bytes::Bytes;
use futures_util::stream;
use http::header::{ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_RANGE, ETAG, HeaderValue, IF_NONE_MATCH, RANGE};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};

use super::{PIECE, streaming};
use crate::http_server::{Body, Cut, answer};

/// Sends `?bytes=` bytes as fast as they are taken: all the same, so that making them costs nothing.
pub(super) fn flood(uri: &Uri) -> Response<Body> {
    let bytes = uri
        .query()
        .and_then(|query| query.strip_prefix("bytes=")?.parse().ok())
        .unwrap_or(0);
    let piece = Bytes::from(vec![7; PIECE]);
    let frames = (0..bytes / PIECE).map(move |_| Ok(Frame::data(piece.clone())));
    streaming(BodyExt::boxed(StreamBody::new(stream::iter(frames))))
}

/// Reads everything and answers how much it was.
pub(super) async fn swallow(request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let (mut body, mut bytes) = (request.into_body(), 0);
    while let Some(frame) = body.frame().await {
        bytes += frame.map_err(|_| Cut)?.data_ref().map_or(0, Bytes::len);
    }
    Ok(answer(StatusCode::OK, "text/plain", bytes.to_string()))
}

/// Ten digits, whole, in part, or not changed.
pub(super) fn stored(headers: &HeaderMap) -> Response<Body> {
    const DIGITS: &str = "0123456789";
    let mut response = if headers.contains_key(IF_NONE_MATCH) {
        answer(StatusCode::NOT_MODIFIED, "text/plain", "")
    } else if headers.contains_key(RANGE) {
        let mut part = answer(StatusCode::PARTIAL_CONTENT, "text/plain", &DIGITS[2..6]);
        let range = HeaderValue::from_static("bytes 2-5/10");
        part.headers_mut().insert(CONTENT_RANGE, range);
        part
    } else {
        answer(StatusCode::OK, "text/plain", DIGITS)
    };
    let headers = response.headers_mut();
    headers.insert(ETAG, HeaderValue::from_static("\"v1\""));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    response
}

/// Says that it is compressed. Whoever believes it and looks inside fails.
pub(super) fn compressed() -> Response<Body> {
    let mut response = answer(StatusCode::OK, "text/plain", "no gzip at all");
    let gzip = HeaderValue::from_static("gzip");
    response.headers_mut().insert(CONTENT_ENCODING, gzip);
    response
}
