//! `GET /health/live`, `GET /health/ready` and `GET /metrics`, on the management address.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER};
use actix_web::{HttpResponse, web};

use super::metrics;
use crate::provider::Provider;
use crate::session::store::SessionStore;

/// How long readiness waits for the store and the provider's metadata.
const PATIENCE: Duration = Duration::from_secs(2);

/// What readiness looks at.
#[derive(Debug, Clone)]
pub struct Health {
    /// The store of the sessions.
    pub store: Arc<dyn SessionStore>,
    /// The OpenID provider.
    pub provider: Arc<Provider>,
    /// Set when the program begins to stop.
    pub is_draining: Arc<AtomicBool>,
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
    let store = tokio::time::timeout(PATIENCE, health.store.check()).await;
    let provider = tokio::time::timeout(PATIENCE, health.provider.discovered()).await;
    let (store, provider) = (matches!(store, Ok(Ok(()))), matches!(provider, Ok(Ok(_))));
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
