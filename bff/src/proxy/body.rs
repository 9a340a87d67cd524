//! Bodies between actix-web and hyper, a chunk at a time and never faster than the slower side.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::{self, Bytes, BytesMut};
use futures_util::StreamExt;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};

use super::forward::AnswerBody;
use super::trailers;
use crate::server::Trailers;

/// How many chunks of a request may wait for the upstream; beyond that the browser is held back.
const CHUNKS_IN_FLIGHT: usize = 4;

/// The body of a request to an upstream.
pub(super) type UpstreamRequestBody = BoxBody<Bytes, BodyError>;

/// Why a request body broke off.
#[derive(Debug, thiserror::Error)]
#[error("the browser's request body broke off")]
pub(super) struct BodyError;

/// When something last moved, so that a long upload is not taken for a silent upstream; and whose turn it is, so that neither
/// is a slow browser.
#[derive(Debug, Clone)]
pub(super) struct Progress(Rc<Moves>);

#[derive(Debug)]
struct Moves {
    last: Cell<Instant>,
    arrival: Cell<Arrival>,
}

/// How far the browser is with its request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is the upstream's turn: there is no body, all of it has come, or what has come waits to be taken.
    Here,
    /// More of it has to come.
    Awaited,
    /// It broke off, or is longer than it may be.
    BrokenOff,
}

impl Progress {
    pub(super) fn begin() -> Self {
        Self(Rc::new(Moves {
            last: Cell::new(Instant::now()),
            arrival: Cell::new(Arrival::Here),
        }))
    }

    pub(super) fn last(&self) -> Instant {
        self.0.last.get()
    }

    /// Something moves now.
    pub(super) fn note(&self) {
        self.0.last.set(Instant::now());
    }

    pub(super) fn arrival(&self) -> Arrival {
        self.0.arrival.get()
    }

    fn arrives(&self, arrival: Arrival) {
        self.0.arrival.set(arrival);
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

    /// Whether all of it has passed.
    pub(super) fn is_whole(&self) -> bool {
        self.bytes.borrow().len() == self.length
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

/// What a request body has to do on its way besides passing.
pub(super) struct Passing {
    pub(super) progress: Progress,
    /// Where it is copied to.
    pub(super) kept: Option<Kept>,
    /// How many bytes it may have.
    pub(super) limit: Option<u64>,
    /// Where the trailer fields behind it will be.
    pub(super) trailers: Option<Trailers>,
}

type Chunk = Result<Frame<Bytes>, BodyError>;

/// A request body that streams. Until some of it has left it can be begun anew, for another address.
pub(super) struct Upload {
    queue: Arc<Mutex<mpsc::Receiver<Chunk>>>,
    /// Which of its bodies counts: the last one that was taken.
    turn: Arc<AtomicU64>,
    has_begun: Arc<AtomicBool>,
    is_too_long: Rc<Cell<bool>>,
}

impl Upload {
    /// Begins to read. actix's payload belongs to its worker and hyper wants a body it can send, so a small bounded
    /// channel lies between them.
    pub(super) fn begin(payload: web::Payload, passing: Passing) -> Self {
        let (chunks, queue) = mpsc::channel(CHUNKS_IN_FLIGHT);
        let is_too_long = Rc::new(Cell::new(false));
        actix_web::rt::spawn(pass(payload, passing, chunks, Rc::clone(&is_too_long)));
        Self {
            queue: Arc::new(Mutex::new(queue)),
            turn: Arc::default(),
            has_begun: Arc::default(),
            is_too_long,
        }
    }

    /// Whether nothing of it has left yet.
    pub(super) fn is_whole(&self) -> bool {
        !self.has_begun.load(Ordering::SeqCst)
    }

    /// The body, unless some of it has left already. One that was taken before breaks off: its request was refused from its
    /// head, and must not get a piece of what is for its successor.
    pub(super) fn body(&self) -> Option<UpstreamRequestBody> {
        if !self.is_whole() {
            return None;
        }
        let (queue, has_begun) = (Arc::clone(&self.queue), Arc::clone(&self.has_begun));
        let turns = Arc::clone(&self.turn);
        let turn = turns.fetch_add(1, Ordering::SeqCst) + 1;
        let frames = futures_util::stream::poll_fn(move |context| {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            if turns.load(Ordering::SeqCst) != turn {
                return Poll::Ready(Some(Err(BodyError)));
            }
            let frame = ready!(queue.poll_recv(context));
            has_begun.store(true, Ordering::SeqCst);
            Poll::Ready(frame)
        });
        Some(BoxBody::new(StreamBody::new(frames)))
    }

    /// Whether it was broken off because it is longer than it may be.
    pub(super) fn is_too_long(&self) -> bool {
        self.is_too_long.get()
    }
}

async fn pass(
    mut payload: web::Payload,
    passing: Passing,
    chunks: mpsc::Sender<Chunk>,
    is_too_long: Rc<Cell<bool>>,
) {
    let (progress, mut length) = (passing.progress, 0);
    loop {
        progress.arrives(Arrival::Awaited);
        let Some(chunk) = payload.next().await else {
            progress.arrives(Arrival::Here);
            break;
        };
        let mut frame = chunk.map(Frame::data).map_err(|_| BodyError);
        if let Some(data) = frame.as_ref().ok().and_then(Frame::data_ref) {
            length += data.len() as u64;
            if passing.limit.is_some_and(|limit| length > limit) {
                is_too_long.set(true);
                frame = Err(BodyError);
            } else if let Some(kept) = &passing.kept {
                kept.keep(data);
            }
        }
        let has_failed = frame.is_err();
        progress.arrives(if has_failed {
            Arrival::BrokenOff
        } else {
            Arrival::Here
        });
        // A closed channel means that the upstream wants no more of it.
        if chunks.send(frame).await.is_err() || has_failed {
            return;
        }
        progress.note();
    }
    let trailers = passing.trailers.and_then(|trailers| trailers.take());
    if let Some(fields) = trailers.and_then(|fields| trailers::for_upstream(&fields)) {
        let _ = chunks.send(Ok(Frame::trailers(fields))).await;
    }
}

/// Why an answer's body broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerBroke {
    #[error("the upstream broke off")]
    Off(#[source] hyper::Error),
    #[error("the upstream paused for too long")]
    Silent,
}

/// An upstream's body on its way to the browser.
pub(super) struct UpstreamResponseBody {
    incoming: AnswerBody,
    size: BodySize,
    pause: Option<Pause>,
    trailers: Option<Trailers>,
}

impl UpstreamResponseBody {
    /// `length` is what the upstream declared, if it did. Trailer fields behind the body are left in `trailers`, if anybody takes them.
    pub(super) fn new(
        incoming: AnswerBody,
        length: Option<u64>,
        pause: Option<Pause>,
        trailers: Option<Trailers>,
    ) -> Self {
        let size = match length {
            Some(length) => BodySize::Sized(length),
            None => BodySize::Stream,
        };
        Self {
            incoming,
            size,
            pause,
            trailers,
        }
    }
}

impl MessageBody for UpstreamResponseBody {
    type Error = AnswerBroke;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        loop {
            let frame = match Pin::new(&mut self.incoming).poll_frame(context) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    let is_over = self.pause.as_mut().is_some_and(|pause| pause.is_over(context));
                    return if is_over {
                        Poll::Ready(Some(Err(AnswerBroke::Silent)))
                    } else {
                        Poll::Pending
                    };
                }
            };
            if let Some(pause) = &mut self.pause {
                pause.ends();
            }
            match frame {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(AnswerBroke::Off(error)))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => return Poll::Ready(Some(Ok(data))),
                    Err(frame) => {
                        if let Some(trailers) = &self.trailers
                            && let Ok(fields) = frame.into_trailers()
                            && let Some(fields) = trailers::for_browser(&fields)
                        {
                            trailers.put(fields);
                        }
                    }
                },
            }
        }
    }
}

/// How long an answer's body may pause. A pause begins when the browser waits for more and there is none, so that a slow
/// browser is not held against the upstream; a request body that moves is no pause.
pub(super) struct Pause {
    longest: Duration,
    progress: Progress,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Pause {
    pub(super) const fn new(longest: Duration, progress: Progress) -> Self {
        Self {
            longest,
            progress,
            waiting: None,
        }
    }

    fn ends(&mut self) {
        self.waiting = None;
    }

    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        let longest = self.longest;
        let (began, sleep) = self.waiting.get_or_insert_with(|| {
            let now = Instant::now();
            (now, Box::pin(tokio::time::sleep_until(now + longest)))
        });
        while sleep.as_mut().poll(context).is_ready() {
            let ends = self.progress.last().max(*began) + longest;
            if ends <= Instant::now() {
                return true;
            }
            sleep.as_mut().reset(ends);
        }
        false
    }
}
