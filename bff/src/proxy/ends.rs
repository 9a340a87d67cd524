//! When what goes on for long has to end although both ends would go on: its session is over, or this program stops.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio_util::sync::CancellationToken;

use super::body::{AnswerBroke, UpstreamResponseBody};
use crate::session::watch::{Over, Uses};
use crate::session::{OpenSession, SessionKey, SessionRegistry};
use crate::telemetry;

/// Close codes of a WebSocket (RFC 6455 §7.4.1 and its registry).
pub(super) const GOING_AWAY: u16 = 1001;
const TRY_AGAIN_LATER: u16 = 1013;
/// For how long streams that end because of one outage are counted before the log is told.
const GATHERING: Duration = Duration::from_secs(5);
/// Answers that are over sooner are not watched: most are, and watching costs.
const SHORT: Duration = Duration::from_millis(300);
/// Nor are those below this size, unless they stop half-way.
const SMALL: usize = 256 * 1024;

/// What long answers are held to.
#[derive(Debug)]
pub struct Streams {
    registry: Arc<SessionRegistry>,
    stopping: CancellationToken,
    grace: Duration,
    close_code: u16,
    unvouched: AtomicU64,
    stopped: AtomicU64,
}

/// What goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamKind {
    WebSocket,
    /// `text/event-stream`: has no end of its own, and its client comes back.
    Events,
    /// Any other body.
    Download,
}

/// Why it has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    SessionOver,
    Unvouched,
    Stopping,
}

/// The end of one stream that may come.
#[derive(Debug)]
pub(super) struct Ending {
    streams: Arc<Streams>,
    session: Option<Box<OpenSession>>,
}

impl Streams {
    /// `grace` is how long a stream goes on when nobody can say whether its session lives; `close_code` is what a
    /// WebSocket is closed with when its session is over.
    #[must_use]
    pub fn new(registry: Arc<SessionRegistry>, grace: Duration, close_code: u16) -> Self {
        Self {
            registry,
            stopping: CancellationToken::new(),
            grace,
            close_code,
            unvouched: AtomicU64::new(0),
            stopped: AtomicU64::new(0),
        }
    }

    /// Ends what has no end of its own, now and from now on.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// Tells the log how many streams were ended together since it was told last.
    pub fn tell(&self) {
        for (why, count) in [(Why::Unvouched, &self.unvouched), (Why::Stopping, &self.stopped)] {
            let streams = count.swap(0, Ordering::Relaxed);
            if streams > 0 {
                telemetry::streams_ended(why.as_str(), streams);
            }
        }
    }

    fn ended(self: &Arc<Self>, kind: StreamKind, why: Why, key: Option<&SessionKey>) {
        telemetry::stream_ended(kind.as_str(), why.as_str(), key, why != Why::SessionOver);
        match why {
            Why::SessionOver => {}
            // Whoever stops the program tells of them when all have ended.
            Why::Stopping => {
                self.stopped.fetch_add(1, Ordering::Relaxed);
            }
            Why::Unvouched => {
                if self.unvouched.fetch_add(1, Ordering::Relaxed) == 0 {
                    let streams = Arc::clone(self);
                    actix_web::rt::spawn(async move {
                        tokio::time::sleep(GATHERING).await;
                        streams.tell();
                    });
                }
            }
        }
    }

    /// The end of a stream of this session, or of nobody.
    pub(super) fn ending(self: &Arc<Self>, session: Option<Box<OpenSession>>) -> Ending {
        Ending {
            streams: Arc::clone(self),
            session,
        }
    }
}

impl Ending {
    /// Waits until a stream has to end; with the close code and the reason that a browser is told.
    pub(super) async fn end(self, uses: &Uses, kind: StreamKind) -> (u16, &'static str) {
        let Self { streams, session } = self;
        let key = session.as_ref().map(|session| session.key.clone());
        let over = async {
            match session {
                Some(session) => streams.registry.over(*session, uses, streams.grace).await,
                None => std::future::pending().await,
            }
        };
        let why = tokio::select! {
            over = over => match over {
                Over::Ended => Why::SessionOver,
                Over::Unvouched => Why::Unvouched,
            },
            // A download has an end of its own, and a stop waits for it.
            () = streams.stopping.cancelled(), if kind != StreamKind::Download => Why::Stopping,
        };
        streams.ended(kind, why, key.as_ref());
        match why {
            Why::SessionOver => (streams.close_code, "the session has ended"),
            Why::Unvouched => (TRY_AGAIN_LATER, "sessions cannot be read for the moment"),
            Why::Stopping => (GOING_AWAY, "the server goes away"),
        }
    }
}

impl StreamKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Events => "events",
            Self::Download => "download",
        }
    }
}

impl Why {
    const fn as_str(self) -> &'static str {
        match self {
            Self::SessionOver => "session_over",
            Self::Unvouched => "store_unavailable",
            Self::Stopping => "stopping",
        }
    }
}

/// Why a body was not sent to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum CutShort {
    #[error(transparent)]
    Upstream(#[from] AnswerBroke),
    #[error("the session is over, or nobody can say that it lives")]
    Session,
}

/// An upstream's body that ends when it has to: events as if there were no more, so that their client asks again and is
/// told why; anything else by a broken connection, so that nobody takes a part for the whole.
pub(super) struct EndingBody {
    body: UpstreamResponseBody,
    kind: StreamKind,
    passed: usize,
    watch: Watch,
}

enum Watch {
    NotYet(Ending),
    Began(LocalBoxFuture<'static, ()>),
    Over,
}

impl EndingBody {
    pub(super) const fn new(body: UpstreamResponseBody, kind: StreamKind, ending: Ending) -> Self {
        Self {
            body,
            kind,
            passed: 0,
            watch: Watch::NotYet(ending),
        }
    }

    /// Whether the end has come; if not, whoever polls is woken when it does.
    fn has_to_end(&mut self, context: &mut Context<'_>) -> bool {
        let Watch::Began(end) = &mut self.watch else {
            return false;
        };
        let is_over = end.as_mut().poll(context).is_ready();
        if is_over {
            self.watch = Watch::Over;
        }
        is_over
    }

    fn begin_to_watch(&mut self) {
        match std::mem::replace(&mut self.watch, Watch::Over) {
            Watch::NotYet(ending) => {
                let kind = self.kind;
                let end = async move {
                    tokio::time::sleep(SHORT).await;
                    let _ = ending.end(&Uses::default(), kind).await;
                };
                self.watch = Watch::Began(end.boxed_local());
            }
            as_it_was => self.watch = as_it_was,
        }
    }

    fn cut(&self) -> Poll<Option<Result<Bytes, CutShort>>> {
        Poll::Ready(match self.kind {
            StreamKind::Events => None,
            StreamKind::WebSocket | StreamKind::Download => Some(Err(CutShort::Session)),
        })
    }
}

impl MessageBody for EndingBody {
    type Error = CutShort;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if matches!(self.watch, Watch::Over) || self.has_to_end(context) {
            return self.cut();
        }
        match Pin::new(&mut self.body).poll_next(context) {
            Poll::Pending => {
                self.begin_to_watch();
                if self.has_to_end(context) {
                    self.cut()
                } else {
                    Poll::Pending
                }
            }
            Poll::Ready(Some(Ok(piece))) => {
                self.passed += piece.len();
                if self.passed > SMALL {
                    self.begin_to_watch();
                }
                Poll::Ready(Some(Ok(piece)))
            }
            Poll::Ready(end) => Poll::Ready(end.map(|piece| piece.map_err(CutShort::Upstream))),
        }
    }
}
