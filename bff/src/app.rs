//! The composition root: `parts` puts together who uses whom, `paths` says which path leads where, and `edge` what happens to
//! every request.

mod edge;
mod parts;
mod paths;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use anyhow::Context;
use resource_server::settings::Faults;
use resource_server::time::Clock;
use tokio::task::JoinHandle;

use self::parts::Parts;
use crate::background::Background;
use crate::config::{Config, Fixed, read_key_ring};
use crate::ops::admin::{Administration, endpoint as admin_endpoint};
use crate::ops::endpoint::{self as ops_endpoint, Health};
use crate::ops::metrics;
use crate::problem::middleware::tell_problems;
use crate::proxy::Streams;
use crate::proxy::forward::ForwardClient;
use crate::routing::Routes;
use crate::server::{Certificates, Limits, Server, Settings};
use crate::session::Vault;
use crate::telemetry;

/// How long a stop waits for requests. With the tasks after them it stays below the 30 s that orchestrators commonly give.
const REQUESTS_PATIENCE: Duration = Duration::from_secs(20);
/// How long it then waits for tasks that outlive their requests.
const TASKS_PATIENCE: Duration = Duration::from_secs(8);

/// The sockets that are bound already.
#[derive(Debug)]
pub struct Listeners {
    /// For browsers.
    pub public: TcpListener,
    /// For operators; without it there are no health endpoints, and nothing is administered.
    pub management: Option<TcpListener>,
}

/// A BFF that runs.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    management_address: Option<SocketAddr>,
    public: Server,
    management: Option<Served>,
    background: Background,
    health: Health,
    streams: Arc<Streams>,
    vault: Vault,
    key_ring_file: PathBuf,
    certificates: Option<Arc<Certificates>>,
    routes: Arc<Routes>,
    fixed: Fixed,
    drain_delay: Duration,
}

type Served = (ServerHandle, JoinHandle<std::io::Result<()>>);

impl Running {
    /// Where browsers come in.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where operators come in.
    #[must_use]
    pub const fn management_address(&self) -> Option<SocketAddr> {
        self.management_address
    }

    /// Waits until a server ends by itself, which it does only on a failure.
    ///
    /// # Errors
    /// That failure.
    pub async fn failed(&mut self) -> anyhow::Result<()> {
        let Some((_, management)) = &mut self.management else {
            return self.public.failed().await;
        };
        tokio::select! {
            ended = self.public.failed() => ended,
            ended = management => Ok(ended??),
        }
    }

    /// Reads the key ring again, so that sealing keys are rotated without a restart. Whatever is wrong with the file goes to
    /// the log, and the ring in use stays.
    pub fn reload_key_ring(&self) {
        let read = read_key_ring(&self.key_ring_file).and_then(|ring| {
            let taken = self.vault.take_over(Arc::clone(&ring));
            taken.map(|()| ring).map_err(|error| error.to_string())
        });
        match read {
            Ok(ring) => {
                telemetry::key_ring_reloaded("taken");
                tracing::info!(?ring, "the key ring was reloaded");
            }
            Err(fault) => {
                telemetry::key_ring_reloaded("refused");
                let file = self.key_ring_file.display();
                tracing::error!(%file, fault, "the key ring was not reloaded; the one in use stays");
            }
        }
    }

    /// Reads the certificate of the public address again, for connections from now on. Whatever is wrong with it goes to the log,
    /// and the one in use stays.
    pub fn reload_certificates(&self) {
        let Some(certificates) = &self.certificates else {
            return;
        };
        match certificates.reload() {
            Ok(()) => {
                telemetry::certificate_reloaded("taken");
                tracing::info!("the certificate was reloaded");
            }
            Err(error) => {
                telemetry::certificate_reloaded("refused");
                tracing::error!(%error, "the certificate was not reloaded; the one in use stays");
            }
        }
    }

    /// Takes over the routes of a configuration that was read again; a request keeps the one that it began with. Faults go to
    /// the log, and the routes in use stay. So does the name of everything else that has changed, which needs a restart.
    pub fn reload_routes(&self, read: Result<Config, Faults>) {
        match read {
            Ok(config) => {
                let count = config.routes.len();
                self.routes.replace(config.routes);
                telemetry::routes_reloaded("taken");
                tracing::info!(count, "the routes were reloaded");
                let changed = self.fixed.changed_in(&config.fixed);
                if !changed.is_empty() {
                    let changed = changed.join(", ");
                    tracing::warn!(
                        changed,
                        "what else has changed in the configuration needs a restart"
                    );
                }
            }
            Err(faults) => {
                telemetry::routes_reloaded("refused");
                for fault in faults.list() {
                    tracing::error!(%fault, "the routes were not reloaded; those in use stay");
                }
            }
        }
    }

    /// Says on the management address that it is not ready, after `drain_delay` takes no more connections, ends what has no end of its
    /// own (WebSockets, events), lets requests and the tasks behind them finish, and closes the store.
    pub async fn stop(self) {
        self.health.is_draining.store(true, Ordering::SeqCst);
        tokio::time::sleep(self.drain_delay).await;
        self.streams.stop();
        self.public.stop().await;
        self.streams.tell();
        if !self.background.finish(TASKS_PATIENCE).await {
            tracing::warn!("tasks were still running at shutdown");
        }
        if let Some(management) = self.management {
            stop_management(management).await;
        }
        self.health.store.close().await;
    }
}

async fn stop_management((handle, server): Served) {
    handle.stop(true).await;
    if !server.is_finished() {
        let _ = server.await;
    }
}

/// Starts a BFF on sockets that are bound already.
///
/// # Errors
/// When the embedded store cannot be opened, the TLS roots of this machine cannot be used, or what is configured of Redis
/// contradicts what is there. A provider or a Redis that is down is no error: the BFF serves what it can and heals by
/// itself.
pub async fn start(config: Config, listeners: Listeners, clock: Arc<dyn Clock>) -> anyhow::Result<Running> {
    // Somebody else in this process may have installed the same provider; both are the one of this workspace.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (workers, limits) = (config.server.workers, config.server.limits);
    let certificates = config.server.certificates.clone();
    let drain_delay = config.server.drain_delay;
    let background = Background::current();
    let key_ring_file = config.session.key_ring_file.clone();
    let fixed = config.fixed.clone();
    metrics::install();
    metrics::keep_up(&background);
    config
        .store
        .probe()
        .await
        .map_err(|fault| anyhow::anyhow!("{fault}"))?;
    let admin_token = config.management.admin_token.clone();
    let parts = Parts::compose(config, clock, &background)?;
    let admin = admin_token.map(|token| Administration {
        token,
        registry: parts.registry.clone().into_inner(),
        background: background.clone(),
    });
    let vault = parts.vault.clone();
    let address = listeners
        .public
        .local_addr()
        .context("the public socket has no address")?;
    let management_address = listeners.management.as_ref().map(TcpListener::local_addr);
    let management_address = management_address
        .transpose()
        .context("the management socket has no address")?;
    // A client that cannot be built fails here and not in a worker.
    ForwardClient::new().context("the TLS roots of this machine cannot be used")?;

    let health = parts.health.clone();
    let streams = Arc::clone(&parts.proxy.streams);
    let routes = Arc::clone(&parts.routes);
    let public = serve_public(parts, listeners.public, workers, limits, certificates.clone())?;
    let management = match listeners.management {
        Some(listener) => Some(serve_management(health.clone(), admin, listener)?),
        None => None,
    };
    Ok(Running {
        address,
        management_address,
        public,
        management,
        background,
        health,
        streams,
        vault,
        key_ring_file,
        certificates,
        routes,
        fixed,
        drain_delay,
    })
}

fn serve_public(
    parts: Parts,
    listener: TcpListener,
    workers: usize,
    limits: Limits,
    certificates: Option<Arc<Certificates>>,
) -> anyhow::Result<Server> {
    let settings = Settings {
        workers,
        limits,
        certificates,
        patience: REQUESTS_PATIENCE,
    };
    Server::start(listener, settings, move || {
        #[expect(clippy::expect_used, reason = "the same client was built once at start")]
        let client = ForwardClient::new().expect("a client for upstreams");
        let parts = parts.clone();
        App::new()
            .app_data(web::Data::new(client))
            .configure(|app| paths::configure(app, &parts))
            .app_data(parts.guards.trusted_proxies.clone())
            .app_data(parts.guards.allowed_origins.clone())
            .wrap(from_fn(edge::edge))
    })
}

fn serve_management(
    health: Health,
    admin: Option<Administration>,
    listener: TcpListener,
) -> anyhow::Result<Served> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(health.clone()))
            .configure(ops_endpoint::configure)
            .configure(|app| admin_endpoint::configure(app, admin.as_ref()))
            .wrap(from_fn(tell_problems))
    })
    .workers(1)
    .disable_signals()
    // As at the public address: who goes away is waited for by nothing.
    .h1_allow_half_closed(false)
    .shutdown_timeout(1)
    .listen(listener)?
    .run();
    Ok((server.handle(), tokio::spawn(server)))
}
