use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};

use crate::actix::Protection;
use crate::problem::Problem;

pub(super) fn configure(app: &mut web::ServiceConfig, protection: web::Data<Protection>) {
    app.app_data(protection);
    let only = || web::to(async || Problem::method_not_allowed("GET, HEAD"));
    app.service(
        web::resource("/health/live")
            .get(live)
            .head(live)
            .default_service(only()),
    );
    app.service(
        web::resource("/health/ready")
            .get(ready)
            .head(ready)
            .default_service(only()),
    );
}

/// The process answers: a reason not to restart it.
async fn live() -> HttpResponse {
    up()
}

/// Tokens can be judged: a reason to send requests here.
async fn ready(protection: web::Data<Protection>) -> HttpResponse {
    const NOT_READY: Problem = Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "not-ready",
        "The issuer's keys cannot be had.",
    );
    match protection.issuers().ready().await {
        Ok(()) => up(),
        Err(_) => NOT_READY.response(),
    }
}

fn up() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(serde_json::json!({ "status": "up" }))
}
