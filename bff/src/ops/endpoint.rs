//! `GET /health/live`, `GET /health/ready` and `GET /metrics`, on the management address.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER};
use actix_web::{HttpResponse, web};

use tokio::time::Instant;

use super::metrics;
use crate::errors::chain;
use crate::outage::Outage;
use crate::provider::Provider;
use crate::session::store::SessionStore;
use crate::telemetry;

/// How long readiness waits for the store and the provider's metadata.
const PATIENCE: Duration = Duration::from_secs(2);
const SILENCE: &str = "no answer within 2 s";

/// What readiness looks at.
#[derive(Debug, Clone)]
pub struct Health {
    /// The store of the sessions.
    pub store: Arc<dyn SessionStore>,
    /// The OpenID provider.
    pub provider: Arc<Provider>,
    /// Set when the program begins to stop.
    pub is_draining: Arc<AtomicBool>,
    /// What the log is told of a node that is not ready.
    pub outage: Arc<Outage>,
}

impl Health {
    /// Looks at this store and this provider.
    #[must_use]
    pub fn new(store: Arc<dyn SessionStore>, provider: Arc<Provider>) -> Self {
        Self {
            store,
            provider,
            is_draining: Arc::default(),
            outage: Arc::new(Outage::new(Duration::ZERO)),
        }
    }

    /// What keeps the store from serving.
    async fn ask_store(&self) -> Result<(), String> {
        match tokio::time::timeout(PATIENCE, self.store.check()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(chain(&error)),
            Err(_) => Err(SILENCE.to_owned()),
        }
    }

    /// What keeps the provider from being known.
    async fn ask_provider(&self) -> Result<(), String> {
        match tokio::time::timeout(PATIENCE, self.provider.discovered()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(chain(&error)),
            Err(_) => Err(SILENCE.to_owned()),
        }
    }

    /// Tells the log why this node is not ready, once for each cause, and that it is again.
    fn tell(&self, store: &Result<(), String>, provider: &Result<(), String>) {
        let mut works = true;
        for (what, asked) in [("store", store), ("provider", provider)] {
            let Err(cause) = asked else { continue };
            works = false;
            if self.outage.failed(Instant::now(), &format!("{what}: {cause}")) {
                tracing::warn!(what, cause, "this node is not ready");
            }
        }
        if works && let Some(lasted) = self.outage.worked(Instant::now()) {
            let duration_ms = telemetry::millis(lasted);
            tracing::info!(duration_ms, "this node is ready again");
        }
    }
}

/// Adds the endpoints.
pub fn configure(config: &mut web::ServiceConfig) {
    config.route("/health/live", web::get().to(live));
    config.route("/health/ready", web::get().to(ready));
    config.route("/metrics", web::get().to(exposition));
}

/// The process runs. It says nothing about anybody else, so that an outage elsewhere restarts nothing.
async fn live() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(serde_json::json!({"status": "live"}))
}

/// What is counted, in the text format of Prometheus (version 0.0.4).
async fn exposition() -> HttpResponse {
    metrics::text().map_or_else(
        || HttpResponse::ServiceUnavailable().finish(),
        |text| {
            HttpResponse::Ok()
                .insert_header((CACHE_CONTROL, "no-store"))
                .content_type("text/plain; version=0.0.4; charset=utf-8")
                .body(text)
        },
    )
}

/// The store answers, and the provider's metadata has been loaded once. A provider that goes away later leaves a
/// node ready: live sessions do not need it.
async fn ready(health: web::Data<Health>) -> HttpResponse {
    let (store, provider) = (health.ask_store().await, health.ask_provider().await);
    health.tell(&store, &provider);
    let (store, provider) = (store.is_ok(), provider.is_ok());
    let draining = health.is_draining.load(Ordering::SeqCst);
    let is_ready = store && provider && !draining;
    let mut answer = if is_ready {
        HttpResponse::Ok()
    } else {
        HttpResponse::ServiceUnavailable()
    };
    if !is_ready {
        answer.insert_header((RETRY_AFTER, "1"));
    }
    answer
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(serde_json::json!({
            "status": if is_ready { "ready" } else { "not ready" },
            "store": store,
            "provider": provider,
            "draining": draining,
        }))
}
