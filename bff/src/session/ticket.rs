//! The ticket: how a session is carried in the cookie.
//!
//! actix-session signs, sets and removes the cookie; this file is its storage backend and the only one that names its
//! `Session`. What a browser presented is read here, by every request and without its middleware, which costs five times as
//! much. Nothing is stored through that either: the session and its ticket are stored by
//! [`SessionRegistry::start`](super::SessionRegistry::start) before the answer, in an order that leaves nothing
//! unreachable, and ended by `end`. So a failing store is met in a handler, which can say 503, and not in the
//! middleware, which could only say 500.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use actix_session::config::{BrowserSession, CookieContentSecurity, TtlExtensionPolicy};
use actix_session::storage::{LoadError, SaveError, SessionKey as CookieValue, UpdateError};
use actix_session::{Session, SessionExt, SessionMiddleware};
use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Key, SameSite};
use actix_web::dev::Payload;
use actix_web::http::header::{COOKIE, HeaderValue, USER_AGENT};
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::future::LocalBoxFuture;
use percent_encoding::percent_decode_str;

use super::store::StoreError;
use super::{SessionId, SessionKey, SessionRegistry};
use crate::cookies;
use crate::errors::chain;
use crate::server::Remembered;

/// The one thing that is told to the middleware: the ticket to be issued.
const ID: &str = "id";

/// The characters of a signature: base64 of HMAC-SHA256.
const SIGNATURE_LENGTH: usize = 44;

/// Beside the ticket there may be cookies of sign-ins that have begun; who comes with many is verified each time.
const LONGEST_REMEMBERED: usize = 1024;

/// What the cookie is signed with.
#[derive(Clone)]
pub struct SigningKey {
    to_sign: Key,
    to_verify: hmac::Key,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(redacted)")
    }
}

impl SigningKey {
    /// Takes over the key's bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 64]) -> Self {
        let to_sign = Key::from(bytes);
        Self {
            to_verify: hmac::Key::new(hmac::HMAC_SHA256, to_sign.signing()),
            to_sign,
        }
    }

    /// The secret in a `Cookie` header, if there is one that we have signed.
    fn presented_in(&self, cookies: &HeaderValue) -> Option<SessionId> {
        let mut values = cookies.to_str().ok()?.split(';').filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let is_ours = name.trim() == cookies::SESSION;
            is_ours.then(|| percent_decode_str(value.trim()).decode_utf8().ok())?
        });
        let value = values.next()?;
        // The form of the library's signed jar: what actix-session sets, this has to read.
        let (signature, id) = value.split_at_checked(SIGNATURE_LENGTH)?;
        let signature = BASE64.decode(signature).ok()?;
        hmac::verify(&self.to_verify, id.as_bytes(), &signature).ok()?;
        SessionId::parse(id)
    }
}

/// The `Cookie` header that a connection brought last, the secret in it, and the session that this names, which it does for
/// ever. Nearly every connection brings the same one all its life, and to read it anew costs more than to see that.
struct Known {
    /// A copy: the value of a request is a part of the buffer that it was read into.
    cookies: Box<[u8]>,
    id: SessionId,
    session: SessionKey,
}

impl Known {
    /// What a connection brought before, if it brings the same again.
    fn again(remembered: Option<&Remembered>, cookies: &HeaderValue) -> Option<(SessionId, SessionKey)> {
        let known = remembered?.read(|last: &Self| {
            last.brought(cookies)
                .then(|| (last.id.clone(), last.session.clone()))
        });
        known?
    }

    /// Connections of a gateway carry the requests of many people: how long the comparison takes tells nothing of the header before
    /// but its length.
    fn brought(&self, cookies: &HeaderValue) -> bool {
        verify_slices_are_equal(&self.cookies, cookies.as_bytes()).is_ok()
    }
}

/// The middleware that sets or removes the cookie after a handler that has the [`Ticket`].
#[must_use]
pub fn middleware(registry: Arc<SessionRegistry>, key: &SigningKey) -> SessionMiddleware<TicketBackend> {
    SessionMiddleware::builder(TicketBackend { registry }, key.to_sign.clone())
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
    /// Reads the cookie of a request, and asks which session it names.
    pub async fn read(request: &HttpRequest, key: &SigningKey, registry: &SessionRegistry) -> Self {
        match named_by(request, key, registry).await {
            Ok(None) => Self::Nothing,
            Ok(Some((id, session))) => {
                request.extensions_mut().insert(Named(session.clone()));
                let agent = UserAgent(request.headers().get(USER_AGENT).cloned());
                Self::Ticket(id, session, agent)
            }
            Err(error) => {
                report(&error, "a ticket could not be looked up");
                Self::Outage
            }
        }
    }

    /// The session that a ticket names.
    #[must_use]
    pub const fn key(&self) -> Option<&SessionKey> {
        match self {
            Self::Ticket(_, key, _) => Some(key),
            Self::Nothing | Self::Outage => None,
        }
    }
}

/// The secret in a request's cookie, if we have signed it, and the session that it names: as the connection knows them, or else as
/// the registry does.
async fn named_by(
    request: &HttpRequest,
    key: &SigningKey,
    registry: &SessionRegistry,
) -> Result<Option<(SessionId, SessionKey)>, StoreError> {
    let Some(cookies) = request.headers().get(COOKIE) else {
        return Ok(None);
    };
    let remembered = request.conn_data::<Remembered>();
    if let Some(known) = Known::again(remembered, cookies) {
        return Ok(Some(known));
    }
    let Some(id) = key.presented_in(cookies) else {
        return Ok(None);
    };
    let Some(session) = registry.session_of(&id.record_key()).await? else {
        return Ok(None);
    };
    if let Some(remembered) = remembered.filter(|_| cookies.len() <= LONGEST_REMEMBERED) {
        remembered.keep(Known {
            cookies: cookies.as_bytes().into(),
            id: id.clone(),
            session: session.clone(),
        });
    }
    Ok(Some((id, session)))
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

/// The session that a request's ticket names, left with the request for the log.
#[derive(Debug, Clone)]
pub struct Named(pub SessionKey);

impl FromRequest for Presented {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let key = web::Data::<SigningKey>::extract(request);
        let registry = web::Data::<SessionRegistry>::extract(request);
        let request = request.clone();
        Box::pin(async move { Ok(Self::read(&request, &*key.await?, &*registry.await?).await) })
    }
}

/// The ticket of the request at hand, to be given or taken away. Not `Send`; nothing spawned may hold it.
pub struct Ticket(Session);

impl Ticket {
    /// Gives the browser the ticket of a session that has been stored.
    pub fn issue(&self, id: &SessionId) {
        let Self(session) = self;
        session.clear();
        session.renew();
        if session.insert(ID, id.to_cookie_value()).is_err() {
            // Texts always have a JSON form. Should that fail, the browser stays without a ticket.
            session.purge();
        }
    }

    /// Takes the cookie away from the browser.
    pub fn withdraw(&self) {
        self.0.purge();
    }
}

impl FromRequest for Ticket {
    type Error = actix_web::Error;
    type Future = std::future::Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self(request.get_session())))
    }
}

/// The storage backend behind the middleware.
pub struct TicketBackend {
    registry: Arc<SessionRegistry>,
}

impl actix_session::storage::SessionStore for TicketBackend {
    /// Whoever needs to know what a ticket names has asked already (see [`Presented`]). The middleware only has to know that there
    /// is one, so that it removes the cookie when the ticket is withdrawn.
    async fn load(&self, cookie_value: &CookieValue) -> Result<Option<HashMap<String, String>>, LoadError> {
        Ok(SessionId::parse(cookie_value.as_ref()).map(|_| HashMap::new()))
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

#[cfg(test)]
mod tests {
    use actix_web::cookie::{Cookie, CookieJar};

    use super::*;

    fn presented(key: &SigningKey, cookie: &str) -> Option<SessionId> {
        key.presented_in(&HeaderValue::from_str(cookie).unwrap())
    }

    /// As actix-session does it.
    fn signed(key: &SigningKey, value: String) -> String {
        let mut jar = CookieJar::new();
        jar.signed_mut(&key.to_sign)
            .add(Cookie::new(cookies::SESSION, value));
        let cookie = jar.delta().next().unwrap();
        cookie.encoded().to_string()
    }

    #[test]
    fn what_the_library_signs_is_read_and_nothing_else() {
        let (key, other) = (SigningKey::new(&[7; 64]), SigningKey::new(&[8; 64]));
        for _ in 0..100 {
            let id = SessionId::generate();
            let cookie = signed(&key, id.to_cookie_value());

            assert!(presented(&key, &cookie).unwrap().is(&id));
            assert!(presented(&key, &format!("a=b; {cookie}; c=d")).unwrap().is(&id));
            let behind_garbage = format!("{}=%FF; {cookie}", cookies::SESSION);
            assert!(presented(&key, &behind_garbage).unwrap().is(&id));
            assert!(presented(&other, &cookie).is_none());
            let (name, value) = cookie.split_once('=').unwrap();
            let changed = if value.starts_with('A') { "B" } else { "A" };
            for forged in [
                format!("{name}={changed}{}", &value[1..]),
                format!("{name}={value}A"),
                format!("{name}={}", &value[..value.len() - 1]),
                format!("{name}={}", id.to_cookie_value()),
                format!("{name}="),
                format!("{name}={}", "A".repeat(44)),
                format!("x{cookie}"),
                cookie.to_ascii_lowercase(),
            ] {
                assert!(presented(&key, &forged).is_none(), "{forged}");
            }
        }
    }

    #[test]
    fn only_an_id_is_an_id_however_well_it_is_signed() {
        let key = SigningKey::new(&[7; 64]);
        for value in ["", "x", "ä", &"A".repeat(44)] {
            assert!(
                presented(&key, &signed(&key, value.to_owned())).is_none(),
                "{value}"
            );
        }
    }

    #[test]
    fn the_key_does_not_show() {
        assert_eq!(format!("{:?}", SigningKey::new(&[7; 64])), "SigningKey(redacted)");
    }
}
