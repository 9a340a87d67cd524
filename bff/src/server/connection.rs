//! One connection, from its first byte to its end.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use actix_http::error::DispatchError;
use actix_service::Service;
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::activity::{Activity, GivenUp, Rests};
use super::http2::{self, Bridge};
use super::limits::{FAREWELL, KEEP_ALIVE, KEEP_ALIVE_INTERVAL, KEEP_ALIVE_RETRIES, LAST_WORDS, Limits};
use super::socket::Socket;
use super::turns::Turns;
use crate::telemetry;

/// The HTTP/1.1 connection that is just being made. actix asks for a signal of its end without saying for which one.
pub(super) type BeingMade = Rc<RefCell<Option<Rc<Activity>>>>;

/// What the connections of a worker share.
pub(super) struct Connections<A, H> {
    pub(super) app: A,
    pub(super) http1: H,
    pub(super) being_made: BeingMade,
    pub(super) turns: Rc<Turns>,
    pub(super) rests: Rests,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) limits: Limits,
    /// The server takes no more connections, and those that are here come to their end.
    pub(super) draining: CancellationToken,
}

/// When a connection begins to end: with its next answer. One that rests is closed soon, but not at once, for its next
/// request may be on its way, and a client cannot tell what has become of a request that meets a closed connection.
pub(super) async fn last_words(activity: Option<Rc<Activity>>, draining: CancellationToken) {
    draining.cancelled().await;
    if let Some(activity) = activity {
        let _ = timeout(LAST_WORDS, activity.is_asked()).await;
    }
}

fn keep_alive() -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(KEEP_ALIVE)
        .with_interval(KEEP_ALIVE_INTERVAL)
        .with_retries(KEEP_ALIVE_RETRIES)
}

impl<A, H> Connections<A, H>
where
    A: Service<
            actix_http::Request,
            Response = actix_http::Response<super::service::CountedBody>,
            Error = actix_web::Error,
        > + Clone
        + 'static,
    A::Future: 'static,
    H: Service<(Socket, Option<SocketAddr>), Response = (), Error = DispatchError>,
{
    /// Serves a connection until it ends or is given up.
    pub(super) async fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        // Small answers wait up to 40 ms for an acknowledgement otherwise.
        let _ = stream.set_nodelay(true);
        // Whoever vanishes without a word is noticed, also where nothing is said to them.
        let _ = SockRef::from(&stream).set_tcp_keepalive(&keep_alive());
        let activity = Activity::begin();
        let begun = timeout(self.limits.head_timeout, self.begin(stream, &activity));
        let begun = tokio::select! {
            begun = begun => begun,
            () = self.last_call() => return,
        };
        let (socket, is_http2) = match begun {
            Ok(Ok(Some(begun))) => begun,
            Ok(Ok(None)) => return,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a connection did not come about");
                return;
            }
            Err(_) => return report(GivenUp::SlowHead),
        };
        if is_http2 {
            // Boxed, so that who does not speak it takes no room for it.
            Box::pin(self.serve_http2(socket, peer)).await;
        } else {
            self.serve_http1(socket, peer).await;
        }
    }

    /// Who has connected and says nothing is not waited for long when the server stops.
    async fn last_call(&self) {
        self.draining.cancelled().await;
        sleep(LAST_WORDS).await;
    }

    /// Finds out the protocol; `None` if the client went away.
    async fn begin(&self, stream: TcpStream, activity: &Rc<Activity>) -> io::Result<Option<(Socket, bool)>> {
        let (activity, turns) = (Rc::clone(activity), Rc::clone(&self.turns));
        let Some(tls) = &self.tls else {
            return Socket::plain(stream, activity, turns).await;
        };
        let stream = tls.accept(stream).await?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Some((Socket::tls(stream, activity, turns), is_http2)))
    }

    /// Serves HTTP/1.1; while the connection rests, with nothing at hand but its socket.
    async fn serve_http1(&self, socket: Socket, peer: SocketAddr) {
        while self.serve_until_rest(&socket, peer).await && self.rest(&socket).await {}
    }

    /// Whether the connection rests now; otherwise it is over.
    async fn serve_until_rest(&self, socket: &Socket, peer: SocketAddr) -> bool {
        let activity = socket.activity();
        *self.being_made.borrow_mut() = Some(Rc::clone(activity));
        // Boxed, so that a connection that rests has no room for it.
        let connection = Box::pin(self.http1.call((socket.clone(), Some(peer))));
        self.being_made.borrow_mut().take();
        tokio::select! {
            // The connection first: what it has read and laid aside it looks at before it may rest.
            biased;
            ended = connection => {
                if let Err(error) = ended {
                    if matches!(error, DispatchError::Parse(_)) {
                        telemetry::connection_given_up("malformed");
                    }
                    tracing::debug!(%error, "a connection ended with an error");
                }
                false
            }
            reason = activity.given_up(&self.limits, &self.rests) => {
                let rests = reason == GivenUp::Resting;
                if !rests {
                    report(reason);
                }
                rests
            }
        }
    }

    /// Waits for the next request of a connection that rests; whether there is one.
    async fn rest(&self, socket: &Socket) -> bool {
        tokio::select! {
            biased;
            spoken_to = socket.is_spoken_to() => spoken_to.unwrap_or(false),
            () = socket.activity().is_idle(&self.limits) => {
                report(GivenUp::Idle);
                false
            }
            () = self.last_call() => false,
        }
    }

    async fn serve_http2(&self, socket: Socket, peer: SocketAddr) {
        let activity = Rc::clone(socket.activity());
        activity.speaks_http2();
        let bridge = Bridge {
            app: self.app.clone(),
            activity: Rc::clone(&activity),
            peer: Some(peer),
        };
        let connection = http2::protocol().serve_connection(TokioIo::new(socket), bridge);
        let mut connection = std::pin::pin!(connection);
        let last_words = last_words(Some(Rc::clone(&activity)), self.draining.clone());
        let mut last_words = std::pin::pin!(last_words);
        let mut is_told = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended with an error");
                    }
                    return;
                }
                () = last_words.as_mut(), if !is_told => {
                    is_told = true;
                    connection.as_mut().graceful_shutdown();
                }
                reason = activity.given_up(&self.limits, &self.rests) => {
                    report(reason);
                    if reason == GivenUp::Idle {
                        connection.as_mut().graceful_shutdown();
                        let _ = timeout(FAREWELL, connection.as_mut()).await;
                    }
                    return;
                }
            }
        }
    }
}

fn report(reason: GivenUp) {
    telemetry::connection_given_up(match reason {
        GivenUp::Idle => "idle",
        GivenUp::SlowHead => "slow_head",
        GivenUp::Stalled => "stalled",
        GivenUp::Resting => return,
    });
    tracing::debug!(?reason, "a connection was given up");
}
