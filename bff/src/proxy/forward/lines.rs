//! Kept connections of HTTP/1.1 to one destination.
//!
//! Each is driven by a task of its own, so that what several requests write at once is written together, and the upstream wakes
//! up once for all of them. Whoever sends a request holds the connection until the answer's body has been read.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use http::{Request, Response};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{SendRequest, handshake};

use super::connector::Connector;
use super::together::Together;
use super::{ConnectError, ForwardError, IDLE_LIMIT};
use crate::proxy::body::UpstreamRequestBody;

/// How often those are looked for that have rested for too long.
const SWEEP: Duration = Duration::from_secs(1);

/// The connections to one destination.
pub(super) struct Lines {
    connector: Connector,
    resting: Rc<Resting>,
}

#[derive(Default)]
struct Resting {
    lines: RefCell<Vec<(Line, Instant)>>,
    is_swept: Cell<bool>,
}

/// One connection.
type Line = SendRequest<UpstreamRequestBody>;

impl Lines {
    pub(super) fn new(connector: Connector) -> Self {
        Self {
            connector,
            resting: Rc::default(),
        }
    }

    /// Sends a request on a connection that rests, or else on a new one. Resting ones may be closed by the other end just as they
    /// are used: as long as nothing of the request has left, the next one gets it.
    pub(super) async fn send(
        &self,
        mut request: Request<UpstreamRequestBody>,
        now: Instant,
    ) -> Result<Response<LineBody>, ForwardError> {
        // Servers are asked for a path, and told the host beside it (RFC 9112 §3.2.1).
        if let Some(target) = request.uri().path_and_query().cloned() {
            *request.uri_mut() = target.into();
        }
        loop {
            let rested = self.resting.take(now);
            let has_rested = rested.is_some();
            let mut line = match rested {
                Some(line) => line,
                // Boxed, so that a request on a kept connection has no room for it.
                None => Box::pin(self.connect())
                    .await
                    .map_err(ForwardError::Unconnected)?,
            };
            match line.try_send_request(request).await {
                Ok(answer) => {
                    let resting = Rc::clone(&self.resting);
                    return Ok(answer.map(|incoming| LineBody::new(incoming, line, resting)));
                }
                Err(mut error) => match error.take_message().filter(|_| has_rested) {
                    Some(unsent) => request = unsent,
                    None => return Err(ForwardError::BrokeOff(error.into_error().into())),
                },
            }
        }
    }

    async fn connect(&self) -> Result<Line, ConnectError> {
        let stream = self.connector.connect().await?;
        // hyper reads a hundred header lines of an answer (the stories hold it to that). Told a number, it would keep two lists of
        // that size for each answer.
        let (line, connection) = handshake(Together(stream)).await?;
        // What it ends with is told by whatever was under way.
        tokio::spawn(connection.map(drop));
        Ok(line)
    }
}

impl Resting {
    /// The one that was used last, if it still stands. One whose task has not come around to the end of its answer yet is left
    /// for the next.
    fn take(&self, now: Instant) -> Option<Line> {
        let mut lines = self.lines.borrow_mut();
        let ready = lines
            .iter()
            .rposition(|(line, since)| line.is_ready() && now.duration_since(*since) < IDLE_LIMIT)?;
        Some(lines.remove(ready).0)
    }

    fn put(self: &Rc<Self>, line: Line) {
        self.lines.borrow_mut().push((line, Instant::now()));
        if !self.is_swept.replace(true) {
            tokio::task::spawn_local(Rc::clone(self).sweep());
        }
    }

    /// Closes what has rested for too long, and forgets what the other end has closed, until none rests.
    async fn sweep(self: Rc<Self>) {
        while !self.lines.borrow().is_empty() {
            tokio::time::sleep(SWEEP).await;
            let now = Instant::now();
            self.lines
                .borrow_mut()
                .retain(|(line, since)| !line.is_closed() && now.duration_since(*since) < IDLE_LIMIT);
        }
        self.is_swept.set(false);
    }
}

/// The body of an answer, and the connection by which it comes; when it has come to its end, the connection rests.
pub(in crate::proxy) struct LineBody {
    incoming: Incoming,
    line: Option<Line>,
    resting: Rc<Resting>,
}

impl LineBody {
    fn new(incoming: Incoming, line: Line, resting: Rc<Resting>) -> Self {
        Self {
            incoming,
            line: Some(line),
            resting,
        }
    }

    fn rest(&mut self) {
        if let Some(line) = self.line.take()
            && !line.is_closed()
        {
            self.resting.put(line);
        }
    }
}

impl Body for LineBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.incoming).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) {
            self.rest();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for LineBody {
    /// A body that is not read to its end takes its connection along; one that there is none of does not.
    fn drop(&mut self) {
        if self.incoming.is_end_stream() {
            self.rest();
        }
    }
}
