//! `/health/live` and `/health/ready`, on their own address.

use actix_web::{HttpResponse, web};

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
