//! `GET /bff/logout?sid=…` (a navigation), `POST /bff/logout` (with `X-CSRF: 1`) and the return from the provider.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, COOKIE, LOCATION, SET_COOKIE};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use serde_json::json;
use url::Url;

use super::departure::{self, Departures};
use crate::background::Background;
use crate::parameters::Parameters;
use crate::problem::ApiError;
use crate::provider::Provider;
use crate::session::registry::{EndReason, Endable};
use crate::session::ticket::{Presented, Ticket};
use crate::session::{OpenSession, SessionError, SessionRegistry};
use crate::telemetry;

/// How long a logout waits for the provider; the revocation goes on afterwards, in its own task.
const PATIENCE: Duration = Duration::from_secs(1);

/// What ending a session needs.
#[derive(Debug, Clone)]
pub struct Logout {
    pub(crate) registry: Arc<SessionRegistry>,
    pub(crate) provider: Arc<Provider>,
    pub(crate) background: Background,
    pub(crate) departures: Departures,
    pub(crate) post_logout_redirect_uri: String,
    /// Some providers insist on an `id_token_hint`; it goes through the browser's address bar, so it is off by default.
    pub(crate) sends_id_token_hint: bool,
}

/// Ends the session that `sid` names, if it is this browser's, and sends the browser to the provider's logout.
#[tracing::instrument(name = "bff.logout", skip_all)]
pub async fn navigate(
    request: HttpRequest,
    ticket: Ticket,
    presented: Presented,
    logout: web::Data<Logout>,
) -> Result<HttpResponse, ApiError> {
    let parameters = Parameters::parse(request.query_string()).map_err(|_| ApiError::InvalidParameter)?;
    let sid = parameters.one("sid");
    let session = logout.registry.find_to_end(&presented).await?;
    // Without a session nobody can be signed out against their will, so a stale link is no error.
    if session
        .as_ref()
        .is_some_and(|session| sid != Some(session.key().as_str()))
    {
        return Err(ApiError::WrongSid);
    }
    let onward = logout.end_found(session).await?;
    ticket.withdraw();
    let location = onward
        .as_ref()
        .map_or_else(|| "/".to_owned(), |onward| onward.url.to_string());
    Ok(signed_out(HttpResponse::SeeOther(), onward.as_ref())
        .insert_header((LOCATION, location))
        .finish())
}

/// Ends this browser's session and says where its page should navigate to sign out at the provider too.
#[tracing::instrument(name = "bff.logout", skip_all)]
pub async fn post(
    ticket: Ticket,
    presented: Presented,
    logout: web::Data<Logout>,
) -> Result<HttpResponse, ApiError> {
    let session = logout.registry.find_to_end(&presented).await?;
    let onward = logout.end_found(session).await?;
    ticket.withdraw();
    Ok(signed_out_to(onward.as_ref()))
}

/// Takes the browser back from the provider's logout and goes on to the front page, whatever came with it: the session
/// ended before it left. `state` tells whether it was this browser that left; nothing but the log depends on that.
#[tracing::instrument(name = "bff.logout.return", skip_all)]
pub async fn come_back(request: HttpRequest, logout: web::Data<Logout>) -> HttpResponse {
    let parameters = Parameters::parse(request.query_string()).ok();
    let state = parameters.as_ref().and_then(|parameters| parameters.one("state"));
    let cookies = request
        .headers()
        .get(COOKIE)
        .and_then(|value| value.to_str().ok());
    let mut answer = HttpResponse::SeeOther();
    answer
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((LOCATION, "/"));
    match logout
        .departures
        .returned(state.unwrap_or_default(), cookies.unwrap_or_default())
    {
        Some(session) => {
            telemetry::logout_asked("return", "done");
            tracing::info!(session.key = %session, "a browser came back from the provider's logout");
            answer.append_header((SET_COOKIE, departure::forget()));
        }
        None => {
            telemetry::logout_asked("return", "refused");
            tracing::debug!("somebody came back from a logout that their browser did not begin");
        }
    }
    answer.finish()
}

/// Where a browser signs out at the provider, and what it has to remember meanwhile.
pub(super) struct Onward {
    url: Url,
    cookie: String,
}

impl Logout {
    /// Ends the session that a browser leaves, if it had one.
    async fn end_found(&self, found: Option<Endable>) -> Result<Option<Onward>, ApiError> {
        match found {
            None => Ok(None),
            Some(Endable::Open(session)) => self.end(*session, EndReason::Logout).await,
            Some(Endable::Sealed(key)) => {
                self.registry.end(&key, EndReason::Logout).await?;
                Ok(None)
            }
        }
    }

    /// Ends the session here, which is what counts; revokes its refresh token (RFC 7009); and names the provider's
    /// logout (OpenID Connect RP-Initiated Logout 1.0 §2) if the provider can be asked where that is. To sign out
    /// everywhere, the other sessions of its user end first; their refresh tokens are sealed for other browsers, so they
    /// are not revoked but gone with the records.
    ///
    /// Ending and revoking run in tasks of their own: a tab that closes while it signs out must not leave a refresh
    /// token alive. Nor must a store whose answer is lost: its error is the user's answer, and the token is revoked. The
    /// provider may be slow or down; the user waits a moment at most.
    pub(super) async fn end(
        &self,
        session: OpenSession,
        reason: EndReason,
    ) -> Result<Option<Onward>, ApiError> {
        let (registry, provider) = (Arc::clone(&self.registry), Arc::clone(&self.provider));
        let background = self.background.clone();
        let ending = self.background.spawn(async move {
            if reason == EndReason::Everywhere {
                registry.end_others(&session).await?;
            }
            let ended = registry.end_latest(session.clone(), reason).await;
            // A store that fails may have ended the session all the same, and then nobody comes again to revoke its token.
            let newest = ended.as_ref().unwrap_or(&session);
            let token = newest.content.tokens.refresh_token.clone();
            let revocation = background.spawn(async move {
                if let Some(token) = token {
                    provider.revoke_or_report(&token).await;
                }
            });
            Ok::<_, SessionError>((ended?, revocation))
        });
        let (ended, revocation) = ending.await.map_err(|error| ApiError::Internal(error.into()))??;
        let _ = tokio::time::timeout(PATIENCE, revocation).await;
        let Ok(Ok(discovered)) = tokio::time::timeout(PATIENCE, self.provider.discovered()).await else {
            return Ok(None);
        };
        let endpoint = discovered.metadata.end_session_endpoint.as_ref();
        Ok(endpoint.map(|endpoint| self.onward(endpoint, &ended)))
    }

    fn onward(&self, endpoint: &Url, session: &OpenSession) -> Onward {
        let (state, cookie) = self.departures.begin(&session.key);
        let mut url = endpoint.clone();
        let mut query = url.query_pairs_mut();
        query
            .append_pair("client_id", self.provider.client_id())
            .append_pair("post_logout_redirect_uri", &self.post_logout_redirect_uri)
            .append_pair("state", &state);
        if let Some(id_token) = session
            .content
            .tokens
            .id_token
            .as_ref()
            .filter(|_| self.sends_id_token_hint)
        {
            query.append_pair("id_token_hint", id_token.expose());
        }
        drop(query);
        Onward { url, cookie }
    }
}

/// Says where the page should navigate to sign out at the provider too.
pub(super) fn signed_out_to(onward: Option<&Onward>) -> HttpResponse {
    let redirect_to = onward.map(|onward| onward.url.as_str());
    signed_out(HttpResponse::Ok(), onward).json(json!({"redirect_to": redirect_to}))
}

/// What the browser has cached of the signed-in pages goes too.
fn signed_out(mut answer: HttpResponseBuilder, onward: Option<&Onward>) -> HttpResponseBuilder {
    if let Some(onward) = onward {
        answer.append_header((SET_COOKIE, onward.cookie.as_str()));
    }
    answer
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("Clear-Site-Data", "\"cache\""));
    answer
}
