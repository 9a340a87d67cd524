//! The endpoint that gateways ask: 202 with who it is, 401 without a session, 403 for a request of another site.

use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderMap, HeaderValue, UPGRADE};
use actix_web::{HttpRequest, HttpResponse, web};

use super::identity::identity;
use super::original::{is_safe, judge};
use crate::config::{AdminToken, OriginalMethod};
use crate::guard::RequestFacts;
use crate::guard::csrf::Refusal;
use crate::guard::middleware::{OwnOrigin, lines, single};
use crate::problem::ApiError;
use crate::refresh::{Keeper, RefreshError};
use crate::session::ticket::Presented;
use crate::session::tokens::Target;
use crate::session::{OpenSession, SessionRegistry};

/// What gateways are told, and which of them.
#[derive(Debug)]
pub struct ForwardAuth {
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) original_method: OriginalMethod,
    /// Only who has it is answered at all.
    pub(crate) gateway_secret: Option<AdminToken>,
    pub(crate) tells_access_token: bool,
    pub(crate) tells_unverified_email: bool,
}

/// Says whether the request that a gateway holds may pass, and whose it is.
///
/// # Errors
/// 401 without a live session, 403 when it comes from another site, 404 for who is not the gateway, 503 when nobody can
/// tell.
#[tracing::instrument(name = "bff.forward_auth", skip_all)]
pub async fn answer(
    request: HttpRequest,
    presented: Presented,
    registry: web::Data<SessionRegistry>,
    forward_auth: web::Data<ForwardAuth>,
    own: web::Data<OwnOrigin>,
) -> Result<HttpResponse, ApiError> {
    let headers = request.headers();
    if let Some(secret) = &forward_auth.gateway_secret
        && !single(headers, "x-gateway-secret").is_some_and(|presented| secret.is(presented))
    {
        return Err(ApiError::NotFound);
    }
    // Who shows nothing has nothing to lose, and may be sent to sign in wherever the link stands that was followed.
    if matches!(presented, Presented::Nothing) {
        return Err(ApiError::SessionRequired);
    }
    let facts = original_facts(&request, forward_auth.original_method);
    judge(&own.origin, &facts, opens_websocket(headers)).map_err(|refusal| match refusal {
        Refusal::CrossSite => ApiError::CrossSite,
        Refusal::NoProof => ApiError::CsrfRequired,
    })?;
    let session = registry.find_presented(&presented, true).await?;
    let session = session.ok_or(ApiError::SessionRequired)?;
    let session = if forward_auth.tells_access_token {
        match forward_auth.keeper.serve(session, &Target::default()).await {
            Ok(session) => session,
            Err(RefreshError::SessionEnded) => return Err(ApiError::SessionRequired),
            Err(error) => return Err(ApiError::from(&error)),
        }
    } else {
        session
    };
    told(&session, &forward_auth)
}

fn original_facts(request: &HttpRequest, original: OriginalMethod) -> RequestFacts<'_> {
    let headers = request.headers();
    let told = ["x-forwarded-method", "x-original-method"];
    let told = told.into_iter().filter_map(|name| single(headers, name));
    let is_safe = is_safe(original, request.method().as_str(), told);
    RequestFacts::read(is_safe, lines(headers))
}

/// Gateways take `Upgrade` away, which is for the next hop only, and leave what a browser adds to it.
fn opens_websocket(headers: &HeaderMap) -> bool {
    headers.contains_key(UPGRADE)
        || headers.contains_key("sec-websocket-key")
        || single(headers, "sec-fetch-mode") == Some("websocket")
}

fn told(session: &OpenSession, forward_auth: &ForwardAuth) -> Result<HttpResponse, ApiError> {
    let content = &session.content;
    let identity = identity(
        &content.subject,
        &content.claims,
        forward_auth.tells_unverified_email,
    );
    // Envoy takes nothing but 200 for a yes.
    let mut response = match forward_auth.original_method {
        OriginalMethod::Header => HttpResponse::Accepted(),
        OriginalMethod::Request => HttpResponse::Ok(),
    };
    response.insert_header((CACHE_CONTROL, "no-store"));
    for (name, value) in identity.map_err(|error| ApiError::Internal(error.into()))? {
        let value = HeaderValue::from_bytes(value.as_bytes());
        response.insert_header((name, value.map_err(|error| ApiError::Internal(error.into()))?));
    }
    if forward_auth.tells_access_token
        && let Some(held) = content.tokens.get(&Target::default())
    {
        let value = HeaderValue::from_str(&format!("Bearer {}", held.token.expose()));
        let mut value = value.map_err(|error| ApiError::Internal(error.into()))?;
        value.set_sensitive(true);
        response.insert_header((AUTHORIZATION, value));
    }
    Ok(response.finish())
}
