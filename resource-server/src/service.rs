//! The notes service as a whole: composes it, starts it and stops it.

mod health;
mod metrics;
mod running;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::{App, HttpResponse, HttpServer, middleware, web};
use anyhow::Context as _;

use crate::actix::{Protection, ResourceMetadata};
use crate::config::{Config, IssuerConfig, StatusListConfig, StatusUse, TokenConfig};
use crate::http_keys::HttpKeys;
use crate::issuers::Issuers;
use crate::key_cache::KeyCache;
use crate::notes::{self, FileStore, MemoryStore, NoteStore, READ_SCOPE, WRITE_SCOPE};
use crate::problem::Problem;
use crate::status_list::{HttpStatusLists, ListPlaces, StatusLists, StatusPolicy};
use crate::time::Clock;
use crate::verifier::Verifier;
pub use running::{Running, StopHandle};

/// How long a client may take to send the head of a request.
const REQUEST_HEAD_DEADLINE: Duration = Duration::from_secs(5);

/// How long an idle connection is kept. Longer than the upstream pools of usual proxies keep theirs, so that it is
/// they who close it, and no request meets a connection that is just being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long requests in flight may take when the service stops.
const DRAIN_SECONDS: u64 = 10;

/// The sockets a service answers on; bound by the caller, so that a port may be chosen by the system.
#[derive(Debug)]
pub struct Listeners {
    /// For the API.
    pub public: TcpListener,
    /// For the health endpoints, if they are wanted.
    pub management: Option<TcpListener>,
}

/// Starts the service. Has to be called within a tokio runtime, which goes on to drive it.
///
/// The provider need not be up: keys are fetched when the first token comes, and until they can be had the answer is
/// 503.
///
/// # Errors
/// When the notes file cannot be opened, TLS cannot be set up, or a listener cannot be used.
pub async fn start(config: Config, listeners: Listeners, clock: Arc<dyn Clock>) -> anyhow::Result<Running> {
    // Another server of this process may have done it: all use the same provider.
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok();
    let metadata = metadata(&config.token);
    let (protection, status_lists) = protection(&config, metadata.as_ref(), &clock)?;
    let store = open_store(config.notes_path).await?;
    let protection = web::Data::new(protection);
    let health_of = protection.clone();

    let address = listeners.public.local_addr()?;
    let mut running = Running::new(address, store.clone());
    let api = serve(listeners.public, config.workers, move |app| {
        app.app_data(protection.clone());
        notes::configure(app, store.clone(), clock.clone());
        if let Some(metadata) = &metadata {
            metadata.configure(app);
        }
    })?;
    running.drive(api);
    if let Some(listener) = listeners.management {
        let management_address = listener.local_addr()?;
        let health = serve(listener, 1, move |app| {
            health::configure(app, health_of.clone());
            metrics::configure(app, &status_lists);
        });
        running.drive(health?);
        tracing::info!(%management_address, "health endpoints are up");
    }
    let issuers: Vec<&str> = config
        .token
        .issuers
        .iter()
        .map(|one| one.issuer.as_str())
        .collect();
    tracing::info!(%address, issuers = issuers.join(" "), "the notes service is up");
    Ok(running)
}

async fn open_store(path: Option<PathBuf>) -> anyhow::Result<Arc<dyn NoteStore>> {
    let Some(path) = path else {
        return Ok(Arc::new(MemoryStore::default()));
    };
    // Opening may repair what a crash left behind, which takes its time.
    let store = tokio::task::spawn_blocking(move || {
        FileStore::open(&path).with_context(|| format!("cannot open the notes file {}", path.display()))
    });
    Ok(Arc::new(store.await??))
}

/// An audience that is no address has no place for metadata.
fn metadata(token: &TokenConfig) -> Option<ResourceMetadata> {
    let issuers = token.issuers.iter().map(|one| one.issuer.as_str());
    let metadata = ResourceMetadata::new(&token.audience, issuers).ok()?;
    Some(metadata.scopes([READ_SCOPE, WRITE_SCOPE]))
}

/// Who is let in, and the status lists that are asked about it, one for each issuer of which they are followed.
fn protection(
    config: &Config,
    metadata: Option<&ResourceMetadata>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<(Protection, Vec<StatusLists>)> {
    let token = &config.token;
    let client = HttpKeys::client().context("cannot set up the client that fetches the issuers' keys")?;
    let mut issuers = Vec::with_capacity(token.issuers.len());
    let mut status_lists = Vec::new();
    for one in &token.issuers {
        let verifier = Verifier::access_token(one.issuer.as_str(), &one.audience);
        let verifier = verifier
            .algorithms(&one.algorithms)
            .leeway(token.leeway)
            .build()?;
        let source = HttpKeys::of_issuer(one.issuer.url().clone(), client.clone());
        let keys = KeyCache::new(Arc::new(source), Arc::clone(clock));
        if one.status != StatusUse::Ignored {
            status_lists.push(lists_of(&verifier, one, keys.clone(), &config.status_list)?);
        }
        issuers.push((verifier, keys));
    }
    let mut protection = Protection::of(Issuers::several(issuers)?, &token.audience);
    for lists in &status_lists {
        protection = protection.with_status_lists(lists.clone())?;
    }
    if let Some(metadata) = metadata {
        protection = protection.with_metadata(metadata);
    }
    Ok((protection, status_lists))
}

fn lists_of(
    verifier: &Verifier,
    issuer: &IssuerConfig,
    keys: KeyCache,
    config: &StatusListConfig,
) -> anyhow::Result<StatusLists> {
    let source = HttpStatusLists::new(config.policy.max_list_bytes);
    let source = Arc::new(source.context("cannot set up the client that fetches status lists")?);
    let places = ListPlaces::at_issuer(issuer.issuer.url());
    let places = places
        .and_below(config.places.clone())
        .map_err(anyhow::Error::msg)?;
    let policy = StatusPolicy {
        require: issuer.status == StatusUse::Required,
        ..config.policy
    };
    Ok(StatusLists::new(verifier, places, source, keys, policy))
}

fn serve(
    listener: TcpListener,
    workers: usize,
    routes: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> anyhow::Result<Server> {
    let server = HttpServer::new(move || {
        App::new()
            .wrap(middleware::DefaultHeaders::new().add(("X-Content-Type-Options", "nosniff")))
            .configure(routes.clone())
            .default_service(web::to(not_found))
    });
    let server = server
        .workers(workers)
        .disable_signals()
        .tcp_nodelay(true)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(REQUEST_HEAD_DEADLINE)
        // A client that closes its side has gone away; otherwise its request would run on unnoticed.
        .h1_allow_half_closed(false)
        .shutdown_timeout(DRAIN_SECONDS);
    Ok(server.listen(listener)?.run())
}

async fn not_found() -> HttpResponse {
    const NOT_FOUND: Problem = Problem::new(StatusCode::NOT_FOUND, "not-found", "There is nothing here.");
    NOT_FOUND.response()
}

#[cfg(test)]
mod tests;
