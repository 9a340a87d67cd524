//! The composition root: what is made at start, and which path leads where.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use anyhow::Context as _;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use resource_server::time::Clock;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use crate::client::assertion::Assertions;
use crate::client::registry::Registry;
use crate::config::{Config, Registrations};
use crate::discovery::endpoint::Metadata;
use crate::http::Outbound;
use crate::key::Keeper;
use crate::logout::notifier::Notifier;
use crate::ops::rotation::Rotation;
use crate::ops::{health, metrics, middleware, sweeper};
use crate::page::Stylesheet;
use crate::signin::form_token::FormTokens;
use crate::signin::middleware::{SignInStore, sessions};
use crate::state::Shared;
use crate::status_list::{self, StatusLists};
use crate::store::Store;
use crate::token::own_tokens::OwnTokens;
use crate::user::password::PasswordChecker;
use crate::{account, authorize, discovery, key, logout, page, signin, token};

/// How long requests in flight are waited for when the server stops.
const GRACE_SECONDS: u64 = 10;

/// Longer than proxies hold an idle connection (nginx: 60 s): it is the proxy that closes, never we while it sends.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long the head of a request may take.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);

/// Sockets that are bound already, so that a test can let the system choose the ports.
#[derive(Debug)]
pub struct Listeners {
    /// For browsers and clients.
    pub public: TcpListener,
    /// For health checks.
    pub management: Option<TcpListener>,
}

/// A server that runs until it is stopped.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: StopHandle,
    servers: Vec<JoinHandle<io::Result<()>>>,
    sweeper: JoinHandle<((), ())>,
    notifier: Notifier,
    store: Store,
}

/// Stops a [`Running`] server from elsewhere.
#[derive(Debug, Clone)]
pub struct StopHandle(Vec<ServerHandle>);

/// Starts the server.
///
/// # Errors
/// When the keys are missing, damaged or readable by others, when the database cannot be opened, or when a socket
/// cannot be used.
pub async fn start(config: Config, listeners: Listeners, clock: Arc<dyn Clock>) -> anyhow::Result<Running> {
    let keys = key::file::load_or_create(&config.keys.path)?;
    let store = Store::open(&config.storage)
        .await
        .with_context(|| format!("cannot open {}", config.storage))?;
    let issuer = &config.issuer;
    let registry = Registry::open(Registrations::of(&config), &store, clock.now()).await?;
    let clients = registry.current();
    let metadata = Metadata::new(discovery::metadata::document(&config, &clients).to_string());
    let keeper = Keeper::new(store.clone(), keys.sealing_key(), config.keys.policy());
    let mut algorithms = clients.algorithms();
    let of_lists = &config.status_list;
    if of_lists.enabled && !algorithms.contains(&of_lists.signing) {
        algorithms.push(of_lists.signing);
    }
    let rotation = Rotation::start(keeper, &keys.legacy, algorithms, Arc::clone(&clock)).await?;
    let signer = Arc::clone(rotation.signer());
    let own_tokens = OwnTokens::new(Arc::clone(&signer), issuer.as_str())?;
    let status_lists = StatusLists::new(store.clone(), Arc::clone(&signer), &config);
    let cookie_key = keys.cookie_key();
    let forms = FormTokens::new(&keys.form_key());
    let workers = config.server.workers;
    let outbound = Outbound::new(config.outbound.clone());
    let assertions = Assertions::new(issuer.as_str(), Arc::clone(&clock), outbound.clone());
    let shared = web::Data::new(Shared {
        clock: Arc::clone(&clock),
        store: store.clone(),
        rotation: Arc::new(rotation),
        signer,
        status_lists,
        outbound,
        registry,
        assertions,
        own_tokens,
        checker: PasswordChecker::new(&config.passwords, &store.sample_password_hashes().await?),
        forms,
        stylesheet: Stylesheet::new(),
        config,
    });

    let address = listeners.public.local_addr()?;
    let mut servers = vec![public_server(
        listeners.public,
        workers,
        &shared,
        &metadata,
        &cookie_key,
    )?];
    if let Some(listener) = listeners.management {
        tracing::info!(address = %listener.local_addr()?, "serving health checks");
        servers.push(management_server(listener, &shared)?);
    }
    let handles = servers.iter().map(actix_web::dev::Server::handle).collect();
    tracing::info!(%address, issuer = %shared.config.issuer, "serving");
    Ok(Running {
        address,
        stop: StopHandle(handles),
        servers: servers.into_iter().map(tokio::spawn).collect(),
        sweeper: tokio::spawn({
            let store = store.clone();
            async { tokio::join!(sweeper::sweep_forever(store, clock), metrics::keep_up()) }
        }),
        notifier: Notifier::start(shared.into_inner()),
        store,
    })
}

impl Running {
    /// Where the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A handle that can stop the server while [`Running::wait`] waits for it.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Stops gracefully: requests in flight are answered, then the database is closed.
    pub async fn stop(self) {
        self.stop.stop().await;
        // The servers have been told to stop; what they return is an error of a listener that is closed anyway.
        if let Err(error) = self.wait().await {
            tracing::warn!(%error, "a listener failed while it was stopped");
        }
    }

    /// Waits until the server is down: told to stop, or by itself, which only a failing listener brings about. When one
    /// listener is down the other is stopped, since half a server helps nobody.
    ///
    /// # Errors
    /// The listener's error.
    pub async fn wait(self) -> io::Result<()> {
        let mut outcome = Ok(());
        let mut servers: FuturesUnordered<_> = self.servers.into_iter().collect();
        while let Some(ended) = servers.next().await {
            self.stop.stop().await;
            let ended = ended.unwrap_or_else(|panicked| Err(io::Error::other(panicked)));
            outcome = outcome.and(ended);
        }
        self.sweeper.abort();
        self.notifier.stop().await;
        self.store.close().await;
        outcome
    }
}

impl StopHandle {
    /// Takes no more requests and lets those in flight come to their end.
    pub async fn stop(&self) {
        for server in &self.0 {
            server.stop(true).await;
        }
    }
}

fn public_server(
    listener: TcpListener,
    workers: usize,
    shared: &web::Data<Shared>,
    metadata: &Metadata,
    cookie_key: &Zeroizing<[u8; 64]>,
) -> io::Result<actix_web::dev::Server> {
    let shared = shared.clone();
    let metadata = web::Data::new(metadata.clone());
    let cookie_key = cookie_key.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .app_data(metadata.clone())
            .wrap(from_fn(middleware::around))
            .configure(|routes| add_routes(routes, &shared, &cookie_key))
            .default_service(web::to(page::endpoint::nothing_here))
    })
    .workers(workers)
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(HEAD_DEADLINE)
    .disable_signals()
    .shutdown_timeout(GRACE_SECONDS)
    .tcp_nodelay(true)
    .h1_allow_half_closed(false)
    .listen(listener)?;
    Ok(server.run())
}

fn management_server(
    listener: TcpListener,
    shared: &web::Data<Shared>,
) -> io::Result<actix_web::dev::Server> {
    let shared = shared.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .route("/health/live", web::get().to(health::live))
            .route("/health/ready", web::get().to(health::ready))
            .route("/metrics", web::get().to(health::exposition))
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(GRACE_SECONDS)
    .listen(listener)?;
    Ok(server.run())
}

/// The table of paths. All but one are below the issuer's path.
fn add_routes(routes: &mut web::ServiceConfig, shared: &web::Data<Shared>, cookie_key: &[u8; 64]) {
    let issuer = &shared.config.issuer;
    let at = |path: &str| issuer.endpoint_path(path);
    let method_not_allowed = || web::route().to(token::endpoint::method_not_allowed);
    let metadata = |path: String| {
        web::resource(path)
            .route(web::get().to(discovery::endpoint::metadata))
            .route(web::head().to(discovery::endpoint::metadata))
            .default_service(method_not_allowed())
    };
    routes
        .service(metadata(at("/.well-known/openid-configuration")))
        .service(metadata(at("/.well-known/oauth-authorization-server")))
        // RFC 8414 §3.1: the issuer's path comes after the well-known part.
        .service(metadata(format!(
            "/.well-known/oauth-authorization-server{}",
            issuer.path()
        )))
        .service(
            web::resource(at("/jwks"))
                .route(web::get().to(discovery::endpoint::key_set))
                .route(web::head().to(discovery::endpoint::key_set))
                .default_service(method_not_allowed()),
        )
        .service(
            web::resource(at("/token"))
                .route(web::post().to(token::endpoint::token))
                .default_service(method_not_allowed()),
        )
        .service(
            web::resource(at("/par"))
                .route(web::post().to(authorize::pushed::endpoint::par))
                .default_service(method_not_allowed()),
        )
        .service(
            web::resource(at("/revoke"))
                .route(web::post().to(token::endpoint::revoke))
                .default_service(method_not_allowed()),
        )
        .service(
            web::resource(at("/introspect"))
                .route(web::post().to(token::endpoint::introspect))
                .default_service(method_not_allowed()),
        )
        .service(
            web::resource(at("/userinfo"))
                .route(web::get().to(token::endpoint::user_info))
                .route(web::post().to(token::endpoint::user_info))
                .default_service(method_not_allowed()),
        );
    if shared.config.status_list.enabled {
        add_status_lists(routes, shared);
    }
    add_pages(routes, shared, cookie_key);
}

/// What resource servers ask for.
fn add_status_lists(routes: &mut web::ServiceConfig, shared: &web::Data<Shared>) {
    let at = |path: &str| shared.config.issuer.endpoint_path(path);
    let method_not_allowed = || web::route().to(status_list::endpoint::method_not_allowed);
    routes
        .service(
            web::resource(at("/statuslists"))
                .route(web::get().to(status_list::endpoint::aggregation))
                .route(web::head().to(status_list::endpoint::aggregation))
                .default_service(method_not_allowed()),
        )
        .service(
            web::resource(at("/statuslists/{list}"))
                .route(web::get().to(status_list::endpoint::list))
                .route(web::head().to(status_list::endpoint::list))
                .default_service(method_not_allowed()),
        );
}

/// The endpoints for browsers, which look at the sign-in session.
fn add_pages(routes: &mut web::ServiceConfig, shared: &web::Data<Shared>, cookie_key: &[u8; 64]) {
    let at = |path: &str| shared.config.issuer.endpoint_path(path);
    let with_session = || {
        let store = SignInStore {
            store: shared.store.clone(),
            lifetimes: shared.config.sign_in,
            clock: Arc::clone(&shared.clock),
        };
        sessions(store, cookie_key)
    };
    let page = |path: &str| {
        web::resource(at(path))
            .wrap(with_session())
            .wrap(from_fn(middleware::outage_is_503))
    };
    let start_again = || web::route().to(page::endpoint::start_again);
    routes
        .service(
            page("/authorize")
                .route(web::get().to(authorize::endpoint::authorize))
                .route(web::post().to(authorize::endpoint::authorize))
                .default_service(start_again()),
        )
        .service(
            page("/sign-in")
                .route(web::post().to(signin::endpoint::submit))
                .default_service(start_again()),
        )
        .service(
            page("/continue")
                .route(web::post().to(authorize::question::endpoint::submit))
                .default_service(start_again()),
        )
        .service(
            page("/end_session")
                .route(web::get().to(logout::endpoint::end_session))
                .route(web::post().to(logout::endpoint::end_session))
                .default_service(start_again()),
        )
        .service(
            page("/account")
                .route(web::get().to(account::endpoint::show))
                .route(web::post().to(account::endpoint::submit))
                .default_service(start_again()),
        )
        .service(
            page("/account/sign-in")
                .route(web::post().to(account::sign_in::endpoint::submit))
                .default_service(start_again()),
        )
        .service(
            page("/account/password")
                .route(web::get().to(account::password::endpoint::show))
                .route(web::post().to(account::password::endpoint::submit))
                .default_service(start_again()),
        )
        .service(
            page("/sign-out")
                .route(web::post().to(logout::endpoint::submit))
                .default_service(start_again()),
        );
}

#[cfg(test)]
mod tests {
    use resource_server::time::SystemClock;

    use super::*;

    #[tokio::test]
    async fn when_one_listener_is_down_all_is_down() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let toml = format!(
            "issuer = \"http://127.0.0.1:9000\"\nserver.workers = 1\nstorage.path = \"{path}/db\"\n\
             keys.path = \"{path}/keys\""
        );
        for down in [0, 1] {
            let config = Config::parse(&toml, &|_| None).unwrap();
            let listeners = Listeners {
                public: TcpListener::bind("127.0.0.1:0").unwrap(),
                management: Some(TcpListener::bind("127.0.0.1:0").unwrap()),
            };
            let running = start(config, listeners, Arc::new(SystemClock)).await.unwrap();
            let address = running.address();
            running.stop.0[down].stop(true).await;
            let ended = tokio::time::timeout(Duration::from_secs(30), running.wait()).await;
            ended.expect("it ends").unwrap();
            assert!(TcpListener::bind(address).is_ok());
        }
    }
}
