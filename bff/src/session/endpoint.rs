//! `GET /bff/user`.

use std::sync::Arc;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use resource_server::time::Clock;
use serde_json::{Value, json};

use super::ticket::Presented;
use super::{OpenSession, SessionRegistry};
use crate::parameters::Parameters;
use crate::problem::ApiError;

/// Where the logout endpoint is, and the time.
#[derive(Debug, Clone)]
pub struct UserEndpoint {
    pub(crate) base_path: String,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Says who is signed in and for how long: a list of `{"type": …, "value": …}`.
#[tracing::instrument(name = "bff.user", skip_all)]
pub async fn user(
    request: HttpRequest,
    presented: Presented,
    registry: web::Data<SessionRegistry>,
    endpoint: web::Data<UserEndpoint>,
) -> Result<HttpResponse, ApiError> {
    let parameters = Parameters::parse(request.query_string()).map_err(|_| ApiError::InvalidParameter)?;
    let slide = parameters.one("slide") != Some("false");
    let session = registry
        .find_presented(&presented, slide)
        .await?
        .ok_or(ApiError::SessionRequired)?;
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(claims_of(&session, &endpoint)))
}

fn claims_of(session: &OpenSession, endpoint: &UserEndpoint) -> Vec<Value> {
    let now = endpoint.clock.now();
    let claim = |name: &str, value: Value| json!({"type": name, "value": value});
    let mut claims = vec![claim("sub", json!(session.content.subject))];
    let others = session
        .content
        .claims
        .iter()
        .filter(|(name, _)| *name != "sub" && !name.starts_with("bff:"));
    claims.extend(others.map(|(name, value)| claim(name, value.clone())));
    let logout_url = format!("{}/logout?sid={}", endpoint.base_path, session.key);
    claims.extend([
        claim(
            "bff:session_expires_in",
            json!(session.lives_until.since(now).as_secs()),
        ),
        claim(
            "bff:access_token_expires_in",
            json!(session.content.tokens.access.expires_at.since(now).as_secs()),
        ),
        claim("bff:logout_url", json!(logout_url)),
    ]);
    claims
}
