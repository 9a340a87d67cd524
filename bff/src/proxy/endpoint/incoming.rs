//! An upstream's answer on its way to the browser.

use actix_web::http::{Method, StatusCode, Version};
use actix_web::{HttpRequest, HttpResponse, web};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use hyper::body::Body;

use crate::proxy::body::{Pause, Progress, UpstreamResponseBody};
use crate::proxy::ends::{Ending, EndingBody, StreamKind};
use crate::proxy::forward::AnswerBody;
use crate::proxy::{grpc, headers, http_types};
use crate::routing::Route;
use crate::server::Trailers;

/// The browser's answer. `None` when the upstream answers with a status that no request asked for.
pub(super) fn incoming(
    request: &HttpRequest,
    answer: http::Response<AnswerBody>,
    carried_token: bool,
    route: &Route,
    progress: Progress,
    ending: Ending,
) -> Option<HttpResponse> {
    let (head, incoming) = answer.into_parts();
    let status = http_types::status(head.status)?;
    if status.is_informational() {
        return None;
    }
    let has_no_body = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let declared = head
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    let mut response = HttpResponse::build(status);
    for (name, value) in headers::for_browser(&head.headers, carried_token) {
        // actix writes the length itself, from the body's size; a 304 has none and may say what the body would have.
        if *name != CONTENT_LENGTH || status == StatusCode::NOT_MODIFIED {
            response.append_header((http_types::old_name(name)?, http_types::old_value(value)?));
        }
    }
    // The listener writes no trailers by HTTP/1.1.
    let trailers = (request.version() == Version::HTTP_2).then(Trailers::default);
    // gRPC without messages: clients look for the outcome in the headers only if these end the stream.
    let is_only_an_outcome =
        request.version() == Version::HTTP_2 && incoming.is_end_stream() && is_grpc(&head.headers);
    Some(if status == StatusCode::RESET_CONTENT {
        // Of a body that it does not have it has to say so (RFC 9112 §6.3).
        response.body(web::Bytes::new())
    } else if has_no_body || is_only_an_outcome {
        response.body(actix_web::body::None::new())
    } else {
        // What hyper decodes decides: beside chunks, a declared length counts for nothing (RFC 9112 §6.3).
        let length = if request.method() == Method::HEAD {
            declared
        } else {
            incoming.size_hint().exact()
        };
        let pause = route.idle_timeout.map(|longest| Pause::new(longest, progress));
        let kind = stream_kind(&head.headers);
        let body = UpstreamResponseBody::new(incoming, length, pause, trailers.clone());
        let mut response = response.body(EndingBody::new(body, kind, ending));
        if let Some(trailers) = trailers {
            response.extensions_mut().insert(trailers);
        }
        response
    })
}

fn stream_kind(headers: &http::HeaderMap) -> StreamKind {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next());
    if essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("text/event-stream")) {
        StreamKind::Events
    } else {
        StreamKind::Download
    }
}

fn is_grpc(headers: &http::HeaderMap) -> bool {
    let content_type = headers.get(http::header::CONTENT_TYPE);
    content_type.is_some_and(|value| grpc::is_grpc(value.as_bytes()))
}
