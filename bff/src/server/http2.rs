//! HTTP/2 by hyper, in front of an application that speaks actix: the one file that knows both.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_http::body::{BodySize, MessageBody};
use actix_http::error::PayloadError;
use actix_http::{
    BoxedPayloadStream, HttpMessage, Method as OldMethod, Payload, Request, Response, Uri, Version,
};
use actix_service::Service;
use actix_web::http::header::{HeaderName as OldName, HeaderValue as OldValue};
use bytes::Bytes;
use futures_util::Stream;
use futures_util::future::LocalBoxFuture;
use http::header::{CONNECTION, CONTENT_LENGTH, COOKIE, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::TokioTimer;

use super::activity::{Activity, InFlight};
use super::limits::{
    H2_CONNECTION_WINDOW, H2_LOCAL_RESETS, H2_PENDING_RESETS, H2_PING, H2_SEND_BUFFER, H2_STREAM_WINDOW,
    H2_STREAMS, MAX_HEAD_BYTES, WRITE_STALL,
};
use super::service::CountedBody;
use super::stall::{Stall, watched};
use super::trailers::Trailers;
use crate::telemetry;

/// HTTP/2 with every limit decided.
pub(super) fn protocol() -> http2::Builder<OnThisThread> {
    let mut protocol = http2::Builder::new(OnThisThread);
    protocol
        .timer(TokioTimer::new())
        .max_concurrent_streams(H2_STREAMS)
        .initial_stream_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_send_buf_size(H2_SEND_BUFFER)
        .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(H2_PENDING_RESETS)
        .max_local_error_reset_streams(H2_LOCAL_RESETS)
        .keep_alive_interval(H2_PING)
        .keep_alive_timeout(H2_PING);
    protocol
}

/// Runs streams beside their connection: an application of actix stays on its thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnThisThread;

impl<F: Future + 'static> hyper::rt::Executor<F> for OnThisThread {
    fn execute(&self, stream: F) {
        tokio::task::spawn_local(async {
            if !watched(stream, WRITE_STALL).await {
                telemetry::connection_given_up("stalled_stream");
            }
        });
    }
}

/// Calls the application for the requests of one connection.
pub(super) struct Bridge<S> {
    pub(super) app: S,
    pub(super) activity: Rc<Activity>,
    pub(super) peer: Option<SocketAddr>,
}

impl<S> hyper::service::Service<http::Request<Incoming>> for Bridge<S>
where
    S: Service<Request, Response = Response<CountedBody>, Error = actix_web::Error>,
    S::Future: 'static,
{
    type Response = http::Response<AnswerBody>;
    type Error = Untellable;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn call(&self, request: http::Request<Incoming>) -> Self::Future {
        let in_flight = self.activity.begin_request(false);
        let to_head = *request.method() == http::Method::HEAD;
        let Some(mut request) = incoming(request) else {
            return Box::pin(async move { Ok(malformed(in_flight)) });
        };
        request.head_mut().peer_addr = self.peer;
        let answer = self.app.call(request);
        Box::pin(async move {
            let answer = answer.await.map_err(|_| Untellable)?;
            outgoing(answer, to_head, in_flight).ok_or(Untellable)
        })
    }
}

/// An answer that has no form in HTTP/2: its stream is reset.
#[derive(Debug, thiserror::Error)]
#[error("an answer cannot be told in HTTP/2")]
pub(super) struct Untellable;

/// The request as it would have come by HTTP/1.1, so that whatever looks at it looks at one form: a target without an
/// authority, one `Host`, one `Cookie`, and a length or `Transfer-Encoding` if there is a body. `None` if it has no such form.
fn incoming(request: http::Request<Incoming>) -> Option<Request> {
    let (head, body) = request.into_parts();
    let host = host(&head)?;
    let target = head.uri.path_and_query()?.as_str();
    let has_body = !body.is_end_stream();
    let trailers = Trailers::default();
    let payload: BoxedPayloadStream = Box::pin(RequestBody {
        incoming: body,
        trailers: trailers.clone(),
    });
    let mut request = Request::with_payload(if has_body {
        Payload::Stream { payload }
    } else {
        Payload::None
    });
    request.extensions_mut().insert(trailers);
    let old = request.head_mut();
    old.method = OldMethod::from_bytes(head.method.as_str().as_bytes()).ok()?;
    old.uri = Uri::try_from(target).ok()?;
    old.version = Version::HTTP_2;
    let headers = &mut old.headers;
    headers.append(
        actix_http::header::HOST,
        OldValue::from_bytes(host.as_bytes()).ok()?,
    );
    for (name, value) in &head.headers {
        if *name != HOST && *name != COOKIE {
            headers.append(old_name(name)?, OldValue::from_bytes(value.as_bytes()).ok()?);
        }
    }
    if let Some(cookies) = cookies(&head.headers) {
        headers.append(actix_http::header::COOKIE, OldValue::from_bytes(&cookies).ok()?);
    }
    if has_body && !head.headers.contains_key(CONTENT_LENGTH) {
        headers.append(
            actix_http::header::TRANSFER_ENCODING,
            OldValue::from_static("chunked"),
        );
    }
    Some(request)
}

/// What the request is addressed to; a `Host` that says something else than `:authority` is a trick (RFC 9113 §8.3.1).
fn host(head: &http::request::Parts) -> Option<String> {
    let mut named = head.headers.get_all(HOST).iter();
    let header = named.next();
    if named.next().is_some() {
        return None;
    }
    match (head.uri.authority(), header) {
        (Some(authority), Some(header)) if authority.as_str().as_bytes() != header.as_bytes() => None,
        (Some(authority), _) => Some(authority.as_str().to_owned()),
        (None, Some(header)) => header.to_str().ok().map(str::to_owned),
        (None, None) => None,
    }
}

/// Browsers split cookies to compress them better; everybody else reads one line (RFC 9113 §8.2.3).
fn cookies(headers: &HeaderMap) -> Option<Vec<u8>> {
    let lines: Vec<_> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    (!lines.is_empty()).then(|| lines.join(b"; ".as_slice()))
}

fn old_name(name: &HeaderName) -> Option<OldName> {
    OldName::from_bytes(name.as_str().as_bytes()).ok()
}

/// What the application answers; `in_flight` ends with its body.
fn outgoing(
    answer: Response<CountedBody>,
    to_head: bool,
    in_flight: InFlight,
) -> Option<http::Response<AnswerBody>> {
    let trailers = answer.extensions().get::<Trailers>().cloned();
    let (answer, body) = answer.into_parts();
    let size = body.size();
    let stall = Stall::of_this_stream();
    let body = (!to_head && !matches!(size, BodySize::None)).then_some(body);
    if body.is_some() {
        stall.offer();
    }
    let mut response = http::Response::new(AnswerBody {
        body,
        trailers,
        stall,
        _in_flight: in_flight,
    });
    *response.status_mut() = StatusCode::from_u16(answer.status().as_u16()).ok()?;
    let headers = response.headers_mut();
    for (name, value) in answer.headers() {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        // They speak of an HTTP/1.1 connection (RFC 9113 §8.2.2).
        if ![CONNECTION, TRANSFER_ENCODING, UPGRADE].contains(&name) {
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
        }
    }
    if let BodySize::Sized(length) = size
        && !headers.contains_key(CONTENT_LENGTH)
    {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Some(response)
}

fn malformed(in_flight: InFlight) -> http::Response<AnswerBody> {
    let mut response = http::Response::new(AnswerBody {
        body: None,
        trailers: None,
        stall: Rc::default(),
        _in_flight: in_flight,
    });
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

/// A request's body, which leaves its trailers in their slot.
struct RequestBody {
    incoming: Incoming,
    trailers: Trailers,
}

impl Stream for RequestBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(Pin::new(&mut self.incoming).poll_frame(context)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(PayloadError::Io(io::Error::other(error))))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => return Poll::Ready(Some(Ok(data))),
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            self.trailers.put(trailers);
                        }
                    }
                },
            }
        }
    }
}

/// An answer's body, and then its trailers.
pub(super) struct AnswerBody {
    body: Option<CountedBody>,
    trailers: Option<Trailers>,
    stall: Rc<Stall>,
    _in_flight: InFlight,
}

/// An answer's body broke off, and so does its stream.
#[derive(Debug, thiserror::Error)]
#[error("an answer broke off")]
pub(super) struct BrokenOff;

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        self.stall.note_taken();
        if let Some(body) = &mut self.body {
            match ready!(Pin::new(body).poll_next(context)) {
                Some(Ok(data)) => {
                    self.stall.offer();
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "an answer broke off");
                    return Poll::Ready(Some(Err(BrokenOff)));
                }
                None => self.body = None,
            }
        }
        let trailers = self.trailers.take().and_then(|slot| slot.take());
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.body.as_ref().map(MessageBody::size) {
            Some(BodySize::Sized(length)) => SizeHint::with_exact(length),
            Some(BodySize::Stream) => SizeHint::default(),
            Some(BodySize::None) | None => SizeHint::with_exact(0),
        }
    }
}
