//! `GET /bff/sessions`, `DELETE /bff/sessions/{handle}` and `DELETE /bff/sessions`.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use crate::logout::endpoint::{Logout, signed_out_to};
use crate::parameters::Parameters;
use crate::problem::ApiError;
use crate::session::registry::{EndReason, Living};
use crate::session::shown::shown;
use crate::session::ticket::{Presented, Ticket};
use crate::session::{OpenSession, SessionKey, SessionRegistry};

/// Lists the living sessions of the user, the newest first.
#[tracing::instrument(name = "bff.sessions.list", skip_all)]
pub async fn list(
    request: HttpRequest,
    presented: Presented,
    registry: web::Data<SessionRegistry>,
) -> Result<HttpResponse, ApiError> {
    let parameters = Parameters::parse(request.query_string()).map_err(|_| ApiError::InvalidParameter)?;
    let slide = parameters.one("slide") != Some("false");
    let session = current(&presented, &registry, slide).await?;
    let living = registry
        .living_sessions(&session.content.subject, &session.key)
        .await?;
    let sessions = living.sessions.iter().rev();
    let told: Vec<_> = sessions.map(|living| told(living, &session.key)).collect();
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(json!({"sessions": told, "complete": living.are_all})))
}

/// Ends one session of the user. That it is somebody else's, has ended or never was is all the same to who asks.
#[tracing::instrument(name = "bff.sessions.end", skip_all)]
pub async fn end_one(
    handle: web::Path<String>,
    ticket: Ticket,
    presented: Presented,
    logout: web::Data<Logout>,
) -> Result<HttpResponse, ApiError> {
    let session = current(&presented, &logout.registry, true).await?;
    let key = SessionKey::parse(&handle).ok_or(ApiError::SessionNotFound)?;
    if key == session.key {
        let onward = logout.end(session, EndReason::EndedByUser).await?;
        ticket.withdraw();
        return Ok(signed_out_to(onward.as_ref()));
    }
    if !logout.registry.end_if_of(&session.content.subject, &key).await? {
        return Err(ApiError::SessionNotFound);
    }
    Ok(HttpResponse::NoContent()
        .insert_header((CACHE_CONTROL, "no-store"))
        .finish())
}

/// Ends every session of the user, this one last: whoever could not be signed out everywhere can ask again.
#[tracing::instrument(name = "bff.sessions.end_all", skip_all)]
pub async fn end_all(
    ticket: Ticket,
    presented: Presented,
    logout: web::Data<Logout>,
) -> Result<HttpResponse, ApiError> {
    let session = current(&presented, &logout.registry, true).await?;
    let ended = logout.end(session, EndReason::Everywhere).await;
    let onward = ended.map_err(|error| match error {
        ApiError::StoreUnavailable(cause, _) => ApiError::SignOutIncomplete(cause),
        other => other,
    })?;
    ticket.withdraw();
    Ok(signed_out_to(onward.as_ref()))
}

async fn current(
    presented: &Presented,
    registry: &SessionRegistry,
    slide: bool,
) -> Result<OpenSession, ApiError> {
    let found = registry.find_presented(presented, slide).await?;
    found.ok_or(ApiError::SessionRequired)
}

fn told(living: &Living, current: &SessionKey) -> Value {
    let mut told = shown(living);
    told.insert("handle".to_owned(), json!(living.key));
    told.insert("current".to_owned(), json!(living.key == *current));
    told.into()
}
