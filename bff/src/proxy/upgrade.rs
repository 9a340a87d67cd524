//! WebSockets: the handshake goes to the upstream like any other request, and what both ends say to each other after it
//! passes untouched, sub-protocols, extensions and close codes included.

mod frames;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::RequestHead;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use actix_web::http::{Method, StatusCode, Version};
use actix_web::web::{self, Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt};
use http::HeaderMap;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;

use self::frames::Frames;
use super::ends::{Ending, GOING_AWAY, StreamKind};
use super::forward::AnswerBody;
use super::{headers, http_types};
use crate::session::watch::Uses;

const WEBSOCKET: &str = "websocket";
/// How many pieces may wait for the browser; beyond that the upstream is held back.
const PIECES_IN_FLIGHT: usize = 2;
/// What a WebSocket that says little needs for reading, and one that says much.
const SMALL_PIECE: usize = 4 * 1024;
const LARGE_PIECE: usize = 64 * 1024;
/// How long the rest of a frame, and our own close frame, may take when a WebSocket has to end.
const LAST_FRAME: Duration = Duration::from_secs(1);

/// What a request says of upgrading its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing that we know.
    Nothing,
    /// A WebSocket.
    WebSocket,
    /// A WebSocket, in a way that no browser asks for one. From here on the server reads the connection as a WebSocket,
    /// so that nothing that follows is a body or a next request.
    Unfit,
}

impl Asked {
    /// Reads a request.
    pub(super) fn by(head: &RequestHead) -> Self {
        let is_named = head.headers.get_all(UPGRADE).any(|value| {
            value
                .to_str()
                .is_ok_and(|value| value.trim().eq_ignore_ascii_case(WEBSOCKET))
        });
        // HTTP/2 knows no such header (RFC 9113 §8.2.2).
        if !is_named || head.version > Version::HTTP_11 {
            return Self::Nothing;
        }
        let has_body =
            head.headers.contains_key(CONTENT_LENGTH) || head.headers.contains_key(TRANSFER_ENCODING);
        let is_fit =
            head.version == Version::HTTP_11 && head.method == Method::GET && head.upgrade() && !has_body;
        if is_fit { Self::WebSocket } else { Self::Unfit }
    }
}

/// Asks the upstream for a WebSocket.
pub(super) fn ask(headers: &mut HeaderMap) {
    headers.insert(
        http::header::CONNECTION,
        http::HeaderValue::from_static("upgrade"),
    );
    headers.insert(http::header::UPGRADE, http::HeaderValue::from_static(WEBSOCKET));
}

/// Whether an upstream's answer begins a WebSocket.
pub(super) fn is_agreed<B>(answer: &http::Response<B>) -> bool {
    let upgrade = answer.headers().get(http::header::UPGRADE);
    answer.status() == http::StatusCode::SWITCHING_PROTOCOLS
        && upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes()))
}

/// Answers the browser's handshake as the upstream did and connects both.
///
/// `None` when the headers cannot be told.
pub(super) fn tunnel(
    answer: http::Response<AnswerBody>,
    carried_token: bool,
    browser: web::Payload,
    ending: Ending,
) -> Option<HttpResponse> {
    let mut response = HttpResponse::build(StatusCode::SWITCHING_PROTOCOLS);
    for (name, value) in headers::for_browser(answer.headers(), carried_token) {
        response.append_header((http_types::old_name(name)?, http_types::old_value(value)?));
    }
    response.upgrade(WEBSOCKET);
    let (to_browser, pieces) = mpsc::channel(PIECES_IN_FLIGHT);
    let upgrade = hyper::upgrade::on(answer);
    actix_web::rt::spawn(async move {
        match upgrade.await {
            Ok(upstream) => Tunnel::new(upstream, browser, to_browser).run(ending).await,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "an upstream agreed to a WebSocket and broke off");
            }
        }
    });
    Some(response.body(TunnelBody(pieces)))
}

/// What the upstream says, as the body of the answer to the handshake.
struct TunnelBody(mpsc::Receiver<Bytes>);

impl MessageBody for TunnelBody {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.0.poll_recv(context).map(|piece| piece.map(Ok))
    }
}

/// A WebSocket between a browser and an upstream.
struct Tunnel {
    down: Down,
    up: Up,
}

/// Why a WebSocket is over.
enum Over {
    UpstreamGone,
    BrowserGone,
    /// With the code and the reason that its browser is told.
    HasToEnd((u16, &'static str)),
}

/// From the upstream to the browser.
struct Down {
    upstream: ReadHalf<TokioIo<Upgraded>>,
    buffer: BytesMut,
    frames: Frames,
    browser: mpsc::Sender<Bytes>,
}

/// From the browser to the upstream.
struct Up {
    browser: web::Payload,
    /// What the browser said and the upstream has not taken yet.
    pending: Bytes,
    frames: Frames,
    upstream: WriteHalf<TokioIo<Upgraded>>,
}

impl Tunnel {
    fn new(upstream: Upgraded, browser: web::Payload, to_browser: mpsc::Sender<Bytes>) -> Self {
        let (read, write) = tokio::io::split(TokioIo::new(upstream));
        Self {
            down: Down {
                upstream: read,
                buffer: BytesMut::new(),
                frames: Frames::default(),
                browser: to_browser,
            },
            up: Up {
                browser,
                pending: Bytes::new(),
                frames: Frames::default(),
                upstream: write,
            },
        }
    }

    /// Carries until one end is gone or the WebSocket has to end.
    async fn run(mut self, ending: Ending) {
        let (uses, gone) = (Uses::default(), self.down.browser.clone());
        let (down, up) = (&mut self.down, &mut self.up);
        let over = tokio::select! {
            biased;
            end = ending.end(&uses, StreamKind::WebSocket) => Over::HasToEnd(end),
            () = down.carry() => Over::UpstreamGone,
            () = up.carry(&uses) => Over::BrowserGone,
            () = gone.closed() => Over::BrowserGone,
        };
        match over {
            Over::UpstreamGone => {}
            // It may have said something in its last moment: that it closes, for one.
            Over::BrowserGone => {
                let _ = tokio::time::timeout(LAST_FRAME, self.up.carry_the_rest()).await;
            }
            Over::HasToEnd((code, reason)) => {
                let _ = tokio::time::timeout(LAST_FRAME, self.down.close(code, reason)).await;
                let _ = tokio::time::timeout(LAST_FRAME, self.up.close()).await;
            }
        }
    }
}

impl Down {
    async fn carry(&mut self) {
        while let Some(piece) = self.next().await {
            self.frames.take(&piece);
            // There is room: `next` has seen to it.
            if self.browser.try_send(piece).is_err() {
                return;
            }
        }
    }

    /// The next piece, once the browser has room for it. Nothing is lost when this is dropped.
    async fn next(&mut self) -> Option<Bytes> {
        let _room = self.browser.reserve().await.ok()?;
        // Many WebSockets are silent most of the time, so each holds little until it says much.
        let size = if self.buffer.capacity() >= LARGE_PIECE {
            LARGE_PIECE
        } else {
            SMALL_PIECE
        };
        self.buffer.reserve(size);
        match self.upstream.read_buf(&mut self.buffer).await {
            Ok(length @ 1..) => {
                let was_filled = length >= SMALL_PIECE;
                let piece = self.buffer.split().freeze();
                self.buffer = BytesMut::with_capacity(if was_filled { LARGE_PIECE } else { 0 });
                Some(piece)
            }
            Ok(0) | Err(_) => None,
        }
    }

    /// Lets the frame that is under way pass to its end, and closes.
    async fn close(&mut self, code: u16, reason: &str) {
        while !self.frames.is_between_frames() {
            let Some(mut piece) = self.next().await else {
                return;
            };
            piece.truncate(self.frames.take_frame(&piece));
            if self.browser.send(piece).await.is_err() {
                return;
            }
        }
        if !self.frames.is_closing() {
            let close = frames::close(code, reason, None);
            let _ = self.browser.send(close.into()).await;
        }
    }
}

impl Up {
    async fn carry(&mut self, uses: &Uses) {
        while let Some(Ok(piece)) = self.browser.next().await {
            self.pending = piece;
            let before = self.frames.data_frames();
            if self.write().await.is_err() {
                // It is gone. What it said before, that it closes for one, is on its way down and ends this.
                return std::future::pending().await;
            }
            if self.frames.data_frames() > before {
                uses.note();
            }
        }
        let _ = self.upstream.shutdown().await;
    }

    /// Writes what has come from a browser that is gone; nothing more comes, and nothing may say so.
    async fn carry_the_rest(&mut self) {
        while self.write().await.is_ok()
            && let Some(Some(Ok(piece))) = self.browser.next().now_or_never()
        {
            self.pending = piece;
        }
        let _ = self.upstream.shutdown().await;
    }

    /// Writes what is pending. Nothing is lost when this is dropped.
    async fn write(&mut self) -> std::io::Result<()> {
        while !self.pending.is_empty() {
            let written = self.upstream.write(&self.pending).await?;
            if written == 0 {
                return Err(std::io::ErrorKind::WriteZero.into());
            }
            self.frames.take(&self.pending.split_to(written));
        }
        self.upstream.flush().await
    }

    /// Tells the upstream that the browser is gone, unless the browser is in the middle of saying something: then the
    /// connection just ends.
    async fn close(&mut self) {
        if self.write().await.is_ok() && self.frames.is_between_frames() && !self.frames.is_closing() {
            let close = frames::close(GOING_AWAY, "", Some(crate::random::bytes()));
            let _ = self.upstream.write_all(&close).await;
        }
        let _ = self.upstream.shutdown().await;
    }
}
