//! Bodies between actix-web and hyper, a chunk at a time and never faster than the slower side.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::{self, Bytes, BytesMut};
use futures_util::StreamExt;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How many chunks of a request may wait for the upstream; beyond that the browser is held back.
const CHUNKS_IN_FLIGHT: usize = 4;

/// The body of a request to an upstream.
pub(super) type UpstreamRequestBody = BoxBody<Bytes, BodyError>;

/// Why a request body broke off.
#[derive(Debug, thiserror::Error)]
#[error("the browser's request body broke off")]
pub(super) struct BodyError;

/// When something last moved, so that a long upload is not taken for a silent upstream.
#[derive(Debug, Clone)]
pub(super) struct Progress(Rc<Cell<Instant>>);

impl Progress {
    pub(super) fn begin() -> Self {
        Self(Rc::new(Cell::new(Instant::now())))
    }

    pub(super) fn last(&self) -> Instant {
        self.0.get()
    }

    /// Something moves now.
    pub(super) fn note(&self) {
        self.0.set(Instant::now());
    }
}

/// A copy of a request body, made while it passes, in case the request has to be sent again.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    bytes: Rc<RefCell<BytesMut>>,
    length: usize,
}

impl Kept {
    /// Of a body that will be this long.
    pub(super) fn new(length: usize) -> Self {
        Self {
            bytes: Rc::default(),
            length,
        }
    }

    fn keep(&self, chunk: &[u8]) {
        self.bytes.borrow_mut().extend_from_slice(chunk);
    }

    /// The body once more, if all of it has passed.
    pub(super) fn again(&self) -> Option<UpstreamRequestBody> {
        let bytes = self.bytes.borrow();
        (bytes.len() == self.length).then(|| {
            Full::new(Bytes::copy_from_slice(&bytes))
                .map_err(|never| match never {})
                .boxed()
        })
    }
}

pub(super) fn empty() -> UpstreamRequestBody {
    Empty::new().map_err(|never| match never {}).boxed()
}

/// Streams a request body. actix's payload belongs to its worker and hyper wants a body it can send, so a small bounded
/// channel lies between them.
pub(super) fn stream(
    mut payload: web::Payload,
    progress: Progress,
    kept: Option<Kept>,
) -> UpstreamRequestBody {
    let (chunks, mut queue) = mpsc::channel::<Result<Frame<Bytes>, BodyError>>(CHUNKS_IN_FLIGHT);
    actix_web::rt::spawn(async move {
        while let Some(chunk) = payload.next().await {
            let failed = chunk.is_err();
            if let (Ok(chunk), Some(kept)) = (&chunk, &kept) {
                kept.keep(chunk);
            }
            let frame = chunk.map(Frame::data).map_err(|_| BodyError);
            // A closed channel means that the upstream wants no more of it.
            if chunks.send(frame).await.is_err() || failed {
                return;
            }
            progress.note();
        }
    });
    let frames = futures_util::stream::poll_fn(move |context| queue.poll_recv(context));
    BoxBody::new(StreamBody::new(frames))
}

/// An upstream's body on its way to the browser.
pub(super) struct UpstreamResponseBody {
    incoming: Incoming,
    size: BodySize,
}

impl UpstreamResponseBody {
    /// `length` is what the upstream declared, if it did.
    pub(super) const fn new(incoming: Incoming, length: Option<u64>) -> Self {
        let size = match length {
            Some(length) => BodySize::Sized(length),
            None => BodySize::Stream,
        };
        Self { incoming, size }
    }
}

impl MessageBody for UpstreamResponseBody {
    type Error = hyper::Error;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        loop {
            let frame = ready!(Pin::new(&mut self.incoming).poll_frame(context));
            match frame {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                // What is not data is trailers, which HTTP/1.1 clients have not asked for.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }
}
