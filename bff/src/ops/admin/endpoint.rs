//! `GET /admin/sessions` and `DELETE /admin/sessions`.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::Administration;
use super::middleware::require_admin_token;
use super::selector::{InvalidSelector, Listing, ending};
use crate::problem::ApiError;
use crate::session::registry::Living;
use crate::session::shown::{rfc3339, shown};

/// Adds the endpoints, if there is somebody who may use them.
pub fn configure(config: &mut web::ServiceConfig, admin: Option<&Administration>) {
    let Some(admin) = admin else { return };
    let sessions = web::resource("/sessions")
        .route(web::get().to(list))
        .route(web::delete().to(end))
        .default_service(web::to(other_method));
    config.app_data(web::Data::new(admin.clone())).service(
        web::scope("/admin")
            .service(sessions)
            .default_service(web::to(nothing_here))
            .wrap(from_fn(require_admin_token)),
    );
}

/// Lists a page of the living sessions that are chosen, the newest of them first.
#[tracing::instrument(name = "bff.admin.sessions.list", skip_all)]
async fn list(request: HttpRequest, admin: web::Data<Administration>) -> Result<HttpResponse, ApiError> {
    let listing = Listing::parse(request.query_string()).map_err(invalid)?;
    let page = admin
        .registry
        .living_page(&listing.chosen, listing.after.as_deref())
        .await?;
    let sessions: Vec<_> = page.sessions.iter().map(told).collect();
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(json!({"sessions": sessions, "next": page.next})))
}

/// Ends the sessions that are chosen, to the last of them, whether or not the one who asked for it stays to hear of it.
#[tracing::instrument(name = "bff.admin.sessions.end", skip_all)]
async fn end(request: HttpRequest, admin: web::Data<Administration>) -> Result<HttpResponse, ApiError> {
    let chosen = ending(request.query_string()).map_err(invalid)?;
    let registry = admin.registry.clone();
    let ending = admin
        .background
        .spawn(async move { registry.end_chosen(&chosen).await });
    let ended = ending.await.map_err(|error| ApiError::Internal(error.into()))??;
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(json!({"ended": ended})))
}

fn told(living: &Living) -> Value {
    let mut told = shown(living);
    told.insert("key".to_owned(), json!(living.key));
    told.insert("sub".to_owned(), json!(living.subject));
    told.insert("ends_at".to_owned(), rfc3339(living.times.ends_at));
    told.into()
}

fn invalid(_: InvalidSelector) -> ApiError {
    ApiError::InvalidSelector
}

async fn other_method() -> Result<HttpResponse, ApiError> {
    Err(ApiError::MethodNotAllowed("GET, DELETE".to_owned()))
}

async fn nothing_here() -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotFound)
}
