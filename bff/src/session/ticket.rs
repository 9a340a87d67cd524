//! The ticket: how a session is carried in the cookie.
//!
//! actix-session reads, signs and sets the cookie; this file is its storage backend and the only one that names its
//! `Session`. Of its storage calls only `load` works: the session and its ticket are stored by
//! [`SessionRegistry::start`](super::SessionRegistry::start) before the answer, in an order that leaves nothing
//! unreachable, and ended by `end`. So a failing store is met in a handler, which can say 503, and not in the
//! middleware, which could only say 500.

use std::collections::HashMap;
use std::sync::Arc;

use actix_session::config::{BrowserSession, CookieContentSecurity, TtlExtensionPolicy};
use actix_session::storage::{LoadError, SaveError, SessionKey as CookieValue, UpdateError};
use actix_session::{Session, SessionExt, SessionMiddleware};
use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Key, SameSite};
use actix_web::dev::Payload;
use actix_web::http::header::{HeaderValue, USER_AGENT};
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::store::StoreError;
use super::{SessionId, SessionKey, SessionRegistry};
use crate::cookies;
use crate::errors::chain;

const ID: &str = "id";
const KEY: &str = "key";
const OUTAGE: &str = "outage";

/// The middleware that reads the ticket before a handler and sets or removes the cookie after it.
#[must_use]
pub fn middleware(
    registry: Arc<SessionRegistry>,
    signing_key: &[u8; 64],
) -> SessionMiddleware<TicketBackend> {
    SessionMiddleware::builder(TicketBackend { registry }, Key::from(signing_key))
        .cookie_name(cookies::SESSION.to_owned())
        .cookie_secure(true)
        .cookie_http_only(true)
        .cookie_same_site(SameSite::Strict)
        .cookie_path("/".to_owned())
        .cookie_content_security(CookieContentSecurity::Signed)
        .session_lifecycle(
            BrowserSession::default().state_ttl_extension_policy(TtlExtensionPolicy::OnStateChanges),
        )
        .build()
}

/// What the browser's cookie turned out to be.
#[derive(Debug)]
pub enum Presented {
    /// No cookie, or none that names a session.
    Nothing,
    /// A ticket that names this session, which may have ended; and who presented it.
    Ticket(SessionId, SessionKey, UserAgent),
    /// There is a ticket, but the store could not be asked what it names.
    Outage,
}

impl Presented {
    /// The session that a ticket names.
    #[must_use]
    pub const fn key(&self) -> Option<&SessionKey> {
        match self {
            Self::Ticket(_, key, _) => Some(key),
            Self::Nothing | Self::Outage => None,
        }
    }
}

/// What the one who presented a ticket calls itself.
#[derive(Debug, Clone)]
pub struct UserAgent(Option<HeaderValue>);

impl UserAgent {
    /// The header, if it is there and text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_ref()?.to_str().ok()
    }
}

/// The ticket of the request at hand. Not `Send`; nothing spawned may hold it.
pub struct Ticket {
    session: Session,
    request: HttpRequest,
}

/// The session that a request's ticket names, left with the request for the log.
#[derive(Debug, Clone)]
pub struct Named(pub SessionKey);

impl Ticket {
    /// What the browser presented.
    #[must_use]
    pub fn presented(&self) -> Presented {
        let session = &self.session;
        if session.contains_key(OUTAGE) {
            return Presented::Outage;
        }
        let (Ok(Some(id)), Ok(Some(key))) = (session.get::<String>(ID), session.get::<SessionKey>(KEY))
        else {
            return Presented::Nothing;
        };
        let Some(id) = SessionId::parse(&id) else {
            return Presented::Nothing;
        };
        self.request.extensions_mut().insert(Named(key.clone()));
        let agent = UserAgent(self.request.headers().get(USER_AGENT).cloned());
        Presented::Ticket(id, key, agent)
    }

    /// Gives the browser the ticket of a session that has been stored.
    pub fn issue(&self, id: &SessionId, key: &SessionKey) {
        self.session.clear();
        self.session.renew();
        let inserted = self
            .session
            .insert(ID, id.to_cookie_value())
            .and_then(|()| self.session.insert(KEY, key));
        if inserted.is_err() {
            // Texts always have a JSON form. Should that fail, the browser stays without a ticket.
            self.session.purge();
        }
    }

    /// Takes the cookie away from the browser.
    pub fn withdraw(&self) {
        self.session.purge();
    }
}

impl FromRequest for Ticket {
    type Error = actix_web::Error;
    type Future = std::future::Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self {
            session: request.get_session(),
            request: request.clone(),
        }))
    }
}

/// The storage backend behind the middleware.
pub struct TicketBackend {
    registry: Arc<SessionRegistry>,
}

impl actix_session::storage::SessionStore for TicketBackend {
    async fn load(&self, cookie_value: &CookieValue) -> Result<Option<HashMap<String, String>>, LoadError> {
        let Some(id) = SessionId::parse(cookie_value.as_ref()) else {
            return Ok(None);
        };
        match self.registry.session_of(&id.record_key()).await {
            Ok(None) => Ok(None),
            Ok(Some(key)) => Ok(Some(HashMap::from([
                (ID.to_owned(), json_text(cookie_value.as_ref())),
                (KEY.to_owned(), json_text(key.as_str())),
            ]))),
            Err(error) => {
                report(&error, "a ticket could not be looked up");
                Ok(Some(HashMap::from([(OUTAGE.to_owned(), "true".to_owned())])))
            }
        }
    }

    /// The session is stored already; this only tells the middleware what to write into the cookie.
    async fn save(
        &self,
        state: HashMap<String, String>,
        _: &CookieDuration,
    ) -> Result<CookieValue, SaveError> {
        let id = state
            .get(ID)
            .and_then(|json| serde_json::from_str::<String>(json).ok());
        id.and_then(|id| CookieValue::try_from(id).ok())
            .ok_or_else(|| SaveError::Other(anyhow::anyhow!("a ticket was saved that nobody issued")))
    }

    /// Never called: a ticket is issued once and does not change.
    async fn update(
        &self,
        _: CookieValue,
        _: HashMap<String, String>,
        _: &CookieDuration,
    ) -> Result<CookieValue, UpdateError> {
        Err(UpdateError::Other(anyhow::anyhow!("a ticket does not change")))
    }

    async fn update_ttl(&self, _: &CookieValue, _: &CookieDuration) -> Result<(), anyhow::Error> {
        Ok(())
    }

    /// The session has been ended or replaced by now, so what is left of its ticket is garbage: failing to drop it is
    /// worth a line in the log and not the answer.
    async fn delete(&self, cookie_value: &CookieValue) -> Result<(), anyhow::Error> {
        if let Some(id) = SessionId::parse(cookie_value.as_ref())
            && let Err(error) = self.registry.drop_ticket(&id.record_key()).await
        {
            report(&error, "a ticket could not be dropped");
        }
        Ok(())
    }
}

/// Of an outage the log has been told already, once and not for each request.
fn report(error: &StoreError, what: &'static str) {
    match error {
        StoreError::Unreachable(_) => tracing::debug!(error = chain(error), what),
        StoreError::Unreadable(_) => tracing::error!(error = chain(error), what),
    }
}

/// actix-session keeps every value as JSON text; base64url needs no escaping.
fn json_text(plain: &str) -> String {
    format!("\"{plain}\"")
}
