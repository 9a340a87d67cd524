//! A thread with an application of its own, and the connections it was given.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::{HttpService, KeepAlive, Request};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, fn_factory};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, ServiceResponse};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::activity::Rests;
use super::connection::{BeingMade, Connections, last_words};
use super::limits::{LINGER, Limits};
use super::remembered::Remembered;
use super::service::Application;
use super::socket::Socket;
use crate::telemetry;

/// A connection on its way to a worker, and its place among those that there may be.
pub(super) struct Accepted {
    pub(super) stream: std::net::TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) place: OwnedSemaphorePermit,
}

/// What all workers are told.
#[derive(Clone)]
pub(super) struct Orders {
    pub(super) limits: Limits,
    pub(super) tls: Option<Arc<rustls::ServerConfig>>,
    pub(super) draining: CancellationToken,
    /// How long connections may take to end once they are draining.
    pub(super) patience: Duration,
}

/// Serves what comes until nothing comes any more and all is done, or patience ends.
///
/// # Errors
/// When the application cannot be made.
pub(super) async fn work<F, I, S, B>(
    make: &F,
    mut accepted: mpsc::UnboundedReceiver<Accepted>,
    orders: Orders,
) -> anyhow::Result<()>
where
    F: Fn() -> I,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<
            Request,
            Config = AppConfig,
            Response = ServiceResponse<B>,
            Error = actix_web::Error,
            InitError = (),
        > + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let failed = || anyhow::anyhow!("the application could not be made");
    let made = make().into_factory().new_service(AppConfig::default()).await;
    let app = Application::new(Rc::new(made.map_err(|()| failed())?), orders.draining.clone());
    let being_made = BeingMade::default();
    let signal = {
        let (being_made, draining) = (Rc::clone(&being_made), orders.draining.clone());
        move || last_words(being_made.borrow().clone(), draining.clone())
    };
    let shared = app.clone();
    // Time-outs of connections are the business of `Activity`, for both protocols and for every head.
    let http1 = HttpService::<Socket, _, _>::build()
        .keep_alive(KeepAlive::Os)
        .client_request_timeout(Duration::ZERO)
        // Not of clients that go: of those whose body is not wanted any more.
        .client_disconnect_timeout(LINGER)
        // A browser that goes away is then noticed at once, and its upstream call is dropped.
        .h1_allow_half_closed(false)
        .graceful_shutdown_signal(signal)
        .on_connect_ext(|socket: &Socket, data| {
            data.insert(Rc::clone(socket.activity()));
            data.insert(Remembered::default());
        })
        .h1(fn_factory(move || {
            let app = shared.clone();
            async move { Ok::<_, ()>(app) }
        }))
        .new_service(())
        .await
        .map_err(|()| failed())?;
    let connections = Rc::new(Connections {
        app,
        http1,
        being_made,
        turns: Rc::default(),
        rests: Rests::begin(),
        tls: orders.tls.map(TlsAcceptor::from),
        limits: orders.limits,
        draining: orders.draining,
    });
    let tracker = TaskTracker::new();
    while let Some(Accepted { stream, peer, place }) = accepted.recv().await {
        let stream = match TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken over");
                continue;
            }
        };
        let connections = Rc::clone(&connections);
        tracker.spawn_local(async move {
            let _open = Open::counted();
            connections.serve(stream, peer).await;
            drop(place);
        });
    }
    tracker.close();
    if tokio::time::timeout(orders.patience, tracker.wait())
        .await
        .is_err()
    {
        tracing::warn!(connections = tracker.len(), "connections were cut at shutdown");
    }
    Ok(())
}

/// A connection that is counted, however it ends.
struct Open;

impl Open {
    fn counted() -> Self {
        telemetry::connections_changed(1.0);
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        telemetry::connections_changed(-1.0);
    }
}
