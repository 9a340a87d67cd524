//! `/health/live`, `/health/ready` and `/metrics`, on their own address.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};

use super::metrics;
use crate::state::Shared;

/// The process answers.
pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("live\n")
}

/// The process can do its work: most of it writes.
pub(crate) async fn ready(shared: web::Data<Shared>) -> HttpResponse {
    match shared.store.check_writable().await {
        Ok(()) => HttpResponse::Ok().content_type("text/plain").body("ready\n"),
        Err(error) => {
            tracing::warn!(%error, cause = ?error, "not ready");
            HttpResponse::ServiceUnavailable()
                .content_type("text/plain")
                .body("the database does not answer or takes nothing\n")
        }
    }
}

/// What is counted, in the text format of Prometheus (version 0.0.4).
pub(crate) async fn exposition() -> HttpResponse {
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
