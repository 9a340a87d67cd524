//! The browser's session over actix-session, kept in our database.
//!
//! The cookie carries a random key, sealed; the database holds its digest. The state is inserted whole at sign-in
//! (`Session::update` of actix-session loses writes) under a new key, and read-only afterwards.

use std::collections::HashMap;
use std::sync::Arc;

use actix_session::config::{BrowserSession, CookieContentSecurity, TtlExtensionPolicy};
use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_session::{Session, SessionMiddleware};
use actix_web::HttpRequest;
use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, Key, SameSite};
use resource_server::time::Clock;

use super::form_token::BrowserMark;
use super::session::SignedIn;
use crate::config::SignInLifetimes;
use crate::secret::{Digest, base64url, random_bytes};
use crate::store::{SessionOwner, Store, StoreError, StoredSession};

/// Sent over TLS or to loopback only, invisible to scripts, and out of reach of sibling domains.
pub(crate) const COOKIE_NAME: &str = "__Host-Http-signin";

/// Names the browser that a form was shown in. It says nothing about who is signed in.
const MARK_COOKIE_NAME: &str = "__Host-Http-form";

/// The one entry of the state.
const SIGNED_IN: &str = "signed_in";

/// Our [`SessionStore`]: lifetimes are judged by our clock, and what actix-session says about them is ignored.
#[derive(Clone)]
pub(crate) struct SignInStore {
    pub(crate) store: Store,
    pub(crate) lifetimes: SignInLifetimes,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The middleware for the endpoints that look at the session.
pub(crate) fn sessions(store: SignInStore, cookie_key: &[u8; 64]) -> SessionMiddleware<SignInStore> {
    // Our store slides the idle time when it loads; the policy keeps actix-session from writing once more.
    let lifecycle = BrowserSession::default().state_ttl_extension_policy(TtlExtensionPolicy::OnStateChanges);
    SessionMiddleware::builder(store, Key::from(cookie_key))
        .cookie_name(COOKIE_NAME.to_owned())
        .cookie_secure(true)
        .cookie_http_only(true)
        .cookie_same_site(SameSite::Lax)
        .cookie_path("/".to_owned())
        .cookie_content_security(CookieContentSecurity::Private)
        .session_lifecycle(lifecycle)
        .build()
}

/// Who is signed in, in this browser.
pub(crate) fn signed_in(session: &Session) -> Option<SignedIn> {
    session.get(SIGNED_IN).ok().flatten()
}

/// Signs in under a new key, so that a key planted before is worth nothing.
pub(crate) fn begin(session: &Session, signed_in: &SignedIn) -> anyhow::Result<()> {
    session.clear();
    session.insert(SIGNED_IN, signed_in).map_err(anyhow::Error::msg)?;
    session.renew();
    Ok(())
}

/// The mark that this browser already has.
pub(crate) fn browser_mark(request: &HttpRequest) -> Option<BrowserMark> {
    BrowserMark::parse(request.cookie(MARK_COOKIE_NAME)?.value())
}

/// The cookie that gives a browser its mark. `Lax`, because the pages are reached by links from other sites: with
/// `Strict` each visit would replace the mark, and the forms in other tabs would stop working.
pub(crate) fn mark_cookie(mark: &BrowserMark) -> Cookie<'static> {
    Cookie::build(MARK_COOKIE_NAME, mark.to_text())
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax)
        .path("/")
        .finish()
}

/// Whether a form may have been sent by a page of another site. Browsers that do not say are judged by the form
/// token alone.
pub(crate) fn is_from_another_site(request: &HttpRequest) -> bool {
    let site = request
        .headers()
        .get("sec-fetch-site")
        .map(actix_web::http::header::HeaderValue::as_bytes);
    site.is_some_and(|site| site != b"same-origin")
}

/// Whether an error of the middleware says that the database is out of reach.
pub(crate) fn is_outage(error: &actix_web::Error) -> bool {
    use actix_web::error::InternalError;

    error.as_error::<InternalError<LoadError>>().is_some()
        || error.as_error::<InternalError<SaveError>>().is_some()
        || error.as_error::<InternalError<UpdateError>>().is_some()
        || error.as_error::<InternalError<anyhow::Error>>().is_some()
}

impl SignInStore {
    fn pack(state: &HashMap<String, String>) -> Result<StoredSession, serde_json::Error> {
        let signed_in = state
            .get(SIGNED_IN)
            .and_then(|json| serde_json::from_str::<SignedIn>(json).ok());
        Ok(StoredSession {
            state: serde_json::to_string(state)?,
            owner: signed_in.map(|signed_in| SessionOwner {
                sid: signed_in.sid,
                user_id: signed_in.user_id,
                auth_time: signed_in.auth_time,
            }),
        })
    }
}

impl SessionStore for SignInStore {
    async fn load(&self, key: &SessionKey) -> Result<Option<HashMap<String, String>>, LoadError> {
        let state = self
            .store
            .use_session(&digest_of(key), self.lifetimes, self.clock.now())
            .await
            .map_err(|error| LoadError::Other(error.into()))?;
        // A state that cannot be read is no session. `LoadError::Deserialization` would keep its key in use.
        Ok(state.and_then(|state| serde_json::from_str(&state).ok()))
    }

    async fn save(
        &self,
        state: HashMap<String, String>,
        _ttl: &CookieDuration,
    ) -> Result<SessionKey, SaveError> {
        let text = base64url(&random_bytes::<32>());
        let key = SessionKey::try_from(text).map_err(|error| SaveError::Other(error.into()))?;
        let session = Self::pack(&state).map_err(|error| SaveError::Serialization(error.into()))?;
        self.store
            .add_session(&digest_of(&key), &session, self.lifetimes, self.clock.now())
            .await
            .map_err(|error| SaveError::Other(error.into()))?;
        Ok(key)
    }

    async fn update(
        &self,
        key: SessionKey,
        state: HashMap<String, String>,
        _ttl: &CookieDuration,
    ) -> Result<SessionKey, UpdateError> {
        let session = Self::pack(&state).map_err(|error| UpdateError::Serialization(error.into()))?;
        let replaced = self
            .store
            .replace_session(&digest_of(&key), &session, self.clock.now())
            .await;
        match replaced {
            Ok(true) => Ok(key),
            // Saving it anew, as stock stores do, would revive a session that was signed out.
            Ok(false) => Err(UpdateError::Other(anyhow::anyhow!("the session ended meanwhile"))),
            Err(error) => Err(UpdateError::Other(error.into())),
        }
    }

    async fn update_ttl(&self, _key: &SessionKey, _ttl: &CookieDuration) -> Result<(), anyhow::Error> {
        Ok(())
    }

    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        self.store
            .end_session(&digest_of(key))
            .await
            .map_err(|error: StoreError| error.into())
    }
}

fn digest_of(key: &SessionKey) -> Digest {
    Digest::of(key.as_ref().as_bytes())
}
