//! The client of the proxy path: one for each worker, with its own connections.

mod connector;
mod lines;
mod together;

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::header::UPGRADE;
use http::{Request, Response};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use self::connector::{ConnectError, Connector};
use self::lines::{LineBody, Lines};
use super::body::{Arrival, Progress, UpstreamRequestBody};
use crate::routing::{Destination, Protocol, Tls};

/// Idle connections are dropped before common servers close them (Node after 5 s, actix-web after 5 s), so that a
/// request is not sent into a connection that is just going away. One that is all the same is sent again if nothing of it had
/// left.
const IDLE_LIMIT: Duration = Duration::from_secs(4);
/// What nobody has asked for so long is forgotten: a reload may have taken it out of the routes.
const LINK_LIMIT: Duration = Duration::from_secs(600);
/// How much of one answer an HTTP/2 upstream may send ahead of a slow browser.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The most that the protocol allows. Each stream is bounded by its own window; a smaller one for all together would let
/// a few slow browsers hold up everybody else.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
const SEND_BUFFER: usize = 256 * 1024;
const HEADER_LIST: u32 = 64 * 1024;

/// Sends requests to upstreams. It follows no redirect, knows no proxy variables and changes no URI.
#[derive(Clone, Default)]
pub struct ForwardClient(Rc<RefCell<Vec<Link>>>);

/// The connections to one destination.
struct Link {
    destination: Arc<Destination>,
    protocol: Protocol,
    is_for_upgrades: bool,
    client: Rc<LinkClient>,
    used: Cell<Instant>,
}

/// HTTP/1.1 is the common case, and costs a quarter less this way. The other knows HTTP/2 and upgrades.
enum LinkClient {
    Lines(Lines),
    Pooled(Box<Client<Connector, UpstreamRequestBody>>),
}

/// The body of an upstream's answer.
pub(super) enum AnswerBody {
    Line(LineBody),
    Pooled(Incoming),
}

/// Why an upstream gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ForwardError {
    #[error("no connection to the upstream could be made")]
    Unconnected(#[source] ConnectError),
    #[error("the upstream did not take the request up")]
    Unprocessed(#[source] hyper_util::client::legacy::Error),
    #[error("the upstream broke off")]
    BrokeOff(#[source] Box<dyn Error + Send + Sync>),
    #[error("the upstream was silent for too long")]
    Silent,
    /// It is the browser's failure, and says nothing of the upstream.
    #[error("the request's body did not come to its end")]
    BodyMissing,
    #[error("a client for the upstream could not be made")]
    NoClient(#[source] anyhow::Error),
}

impl ForwardError {
    fn of(error: hyper_util::client::legacy::Error) -> Self {
        if error.is_connect() {
            Self::Unconnected(error.into())
        } else if is_unprocessed(&error) {
            Self::Unprocessed(error)
        } else {
            Self::BrokeOff(error.into())
        }
    }
}

/// Whether an HTTP/2 upstream promises that it has done nothing (RFC 9113 §8.7): it refused the stream, or is going away and
/// had come to an end before it.
fn is_unprocessed(error: &(dyn Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes
        .filter_map(|cause| cause.downcast_ref::<h2::Error>())
        .any(|cause| {
            let reason = cause.reason();
            cause.is_remote()
                && (reason == Some(h2::Reason::REFUSED_STREAM)
                    || (cause.is_go_away() && reason == Some(h2::Reason::NO_ERROR)))
        })
}

impl ForwardClient {
    /// A client whose connections belong to the calling worker.
    ///
    /// # Errors
    /// When the trust roots of this machine cannot be used.
    pub fn new() -> Result<Self, rustls::Error> {
        connector::tls(&Tls::default())?;
        Ok(Self::default())
    }

    /// Sends a request and waits until the answer begins. The upstream may be silent for `timeout` at a stretch; while a
    /// request body is moving, it is not silent; while it is awaited, it is the browser that is.
    pub(super) async fn send(
        &self,
        to: &Arc<Destination>,
        request: Request<UpstreamRequestBody>,
        timeout: Duration,
        progress: &Progress,
        now: Instant,
    ) -> Result<Response<AnswerBody>, ForwardError> {
        let client = self.link(to, &request, now).map_err(ForwardError::NoClient)?;
        let mut answer = std::pin::pin!(client.send(request, now));
        loop {
            let silent_at = progress.last() + timeout;
            tokio::select! {
                biased;
                answer = &mut answer => return answer.map_err(|error| match progress.arrival() {
                    Arrival::BrokenOff => ForwardError::BodyMissing,
                    Arrival::Here | Arrival::Awaited => error,
                }),
                () = tokio::time::sleep_until(silent_at) => {
                    if progress.last() + timeout <= silent_at {
                        return Err(match progress.arrival() {
                            Arrival::Here => ForwardError::Silent,
                            Arrival::Awaited | Arrival::BrokenOff => ForwardError::BodyMissing,
                        });
                    }
                }
            }
        }
    }

    fn link(
        &self,
        to: &Arc<Destination>,
        request: &Request<UpstreamRequestBody>,
        now: Instant,
    ) -> Result<Rc<LinkClient>, anyhow::Error> {
        let is_upgrade = request.headers().contains_key(UPGRADE);
        // An upgrade is a thing of HTTP/1.1; over HTTP/2 it would need RFC 8441, which few servers know.
        let protocol = if is_upgrade {
            Protocol::Http1
        } else {
            to.connecting.protocol
        };
        let mut links = self.0.borrow_mut();
        let known = links.iter().find(|link| {
            let is_same = Arc::ptr_eq(&link.destination, to) || link.destination == *to;
            is_same && link.protocol == protocol && link.is_for_upgrades == is_upgrade
        });
        if let Some(link) = known {
            link.used.set(now);
            return Ok(Rc::clone(&link.client));
        }
        links.retain(|link| now.duration_since(link.used.get()) < LINK_LIMIT);
        let client = Rc::new(if protocol == Protocol::Http1 && !is_upgrade {
            LinkClient::Lines(Lines::new(Connector::new(to, protocol)?))
        } else {
            LinkClient::Pooled(Box::new(pooled(to, protocol)?))
        });
        links.push(Link {
            destination: Arc::clone(to),
            protocol,
            is_for_upgrades: is_upgrade,
            client: Rc::clone(&client),
            used: Cell::new(now),
        });
        Ok(client)
    }
}

fn pooled(
    to: &Destination,
    protocol: Protocol,
) -> Result<Client<Connector, UpstreamRequestBody>, anyhow::Error> {
    let connector = Connector::new(to, protocol)?;
    Ok(Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE_LIMIT)
        .pool_timer(TokioTimer::new())
        .http2_only(protocol == Protocol::H2)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_send_buf_size(SEND_BUFFER)
        .http2_max_header_list_size(HEADER_LIST)
        .build(connector))
}

impl LinkClient {
    async fn send(
        &self,
        request: Request<UpstreamRequestBody>,
        now: Instant,
    ) -> Result<Response<AnswerBody>, ForwardError> {
        match self {
            Self::Lines(lines) => Ok(lines.send(request, now).await?.map(AnswerBody::Line)),
            Self::Pooled(client) => {
                let answer = client.request(request).await.map_err(ForwardError::of)?;
                Ok(answer.map(AnswerBody::Pooled))
            }
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            Self::Line(body) => Pin::new(body).poll_frame(context),
            Self::Pooled(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Line(body) => body.is_end_stream(),
            Self::Pooled(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Line(body) => body.size_hint(),
            Self::Pooled(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for ForwardClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let links = self.0.borrow();
        let destinations = links.iter().map(|link| &link.destination.authority);
        f.debug_list().entries(destinations).finish()
    }
}
