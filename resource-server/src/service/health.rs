use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use crate::actix::Protection;
use crate::issuers::IssuerKeys;
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

/// Tokens can be judged, of one issuer at least: a reason to send requests here. Whose cannot, the body says.
async fn ready(protection: web::Data<Protection>) -> HttpResponse {
    const NOT_READY: Problem = Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "not-ready",
        "The issuer's keys cannot be had.",
    );
    const LACKING: &str = "issuers_without_keys";
    let issuers = protection.issuers();
    let outcome = issuers.ready().await;
    let lacking = issuers.keys().filter(|keys| !keys.are_usable);
    let lacking: Vec<Value> = lacking.map(told).collect();
    match outcome {
        Ok(()) if lacking.is_empty() => up(),
        Ok(()) => ok(json!({ "status": "degraded", LACKING: lacking })),
        Err(_) => NOT_READY.response_telling(LACKING, lacking.into()),
    }
}

/// The reasons are fixed texts, which tell no address.
fn told(keys: IssuerKeys<'_>) -> Value {
    let reason = keys.fault.map(|fault| fault.to_string());
    let reason = reason.unwrap_or_else(|| "the key endpoint is being asked".to_owned());
    json!({ "issuer": keys.issuer, "reason": reason })
}

fn up() -> HttpResponse {
    ok(json!({ "status": "up" }))
}

fn ok(body: Value) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(body)
}
