//! The browser's session over actix-session, kept in our database.
//!
//! The cookie carries a random key, sealed; the database holds its digest. A sign-in writes the session whole, under a
//! new key and in one transaction with what becomes of the former one; afterwards it is read-only. actix-session itself
//! writes nothing: its `update` loses writes, and its `renew` deletes before it saves.

use std::collections::HashMap;
use std::sync::Arc;

use actix_session::config::{BrowserSession, CookieContentSecurity, TtlExtensionPolicy};
use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_session::{Session, SessionMiddleware};
use actix_web::HttpRequest;
use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, Key, SameSite};
use actix_web::http::header;
use anyhow::Context as _;
use resource_server::time::Clock;

use super::device;
use super::form_token::BrowserMark;
use super::session::SignedIn;
use crate::config::SignInLifetimes;
use crate::grant::code::NewCode;
use crate::ops::audit;
use crate::secret::{Digest, base64url, random_bytes};
use crate::state::Shared;
use crate::store::{
    CredentialsVersion, FormerSession, NewSignIn, SessionOwner, SignInStored, Store, StoreError,
    StoredSession,
};

/// Sent over TLS or to loopback only, invisible to scripts, and out of reach of sibling domains.
pub(crate) const COOKIE_NAME: &str = "__Host-Http-signin";

/// Names the browser that a form was shown in. It says nothing about who is signed in.
const MARK_COOKIE_NAME: &str = "__Host-Http-form";

/// The one entry of the state that is stored.
const SIGNED_IN: &str = "signed_in";

/// Which browser it is, for its user to recognise; no decision rests on it.
const DEVICE: &str = "device";

/// The key that the session stands under: put into the state when it is loaded, replaced by a sign-in, never stored.
const KEY: &str = "key";

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

/// Signs in under a new key, so that a key planted before is worth nothing, and stores the code in the same step. The
/// session of another user that ends by this is told of in the trail. What the middleware does afterwards is to set the
/// cookie.
pub(crate) async fn begin(
    session: &Session,
    http_request: &HttpRequest,
    shared: &Shared,
    begun: &SignedIn,
    credentials: CredentialsVersion,
    code: Option<NewCode>,
) -> anyhow::Result<SignInStored> {
    let former = signed_in(session);
    let former_key = session.get::<String>(KEY).ok().flatten();
    let former_key = former_key.map(|key| Digest::of(key.as_bytes()));
    let user_agent = http_request.headers().get(header::USER_AGENT);
    let device = user_agent.and_then(|user_agent| device::describe(user_agent.to_str().ok()?));
    let stored = |signed_in: &SignedIn| stored(signed_in, device.as_deref());
    let mut replaced = None;
    let former = match (&former, &former_key) {
        (Some(former), Some(key)) => Some(match begun.going_on(former) {
            Some(going_on) => FormerSession::OfSameUser(key, stored(&going_on)?),
            None => {
                replaced = Some(former);
                FormerSession::OfAnotherUser(&former.sid)
            }
        }),
        _ => None,
    };
    let key = base64url(&random_bytes::<32>());
    let sign_in = NewSignIn {
        key: &Digest::of(key.as_bytes()),
        session: stored(begun)?,
        credentials,
        former,
        code,
    };
    let outcome = shared
        .store
        .sign_in(sign_in, shared.config.sign_in, shared.now())
        .await?;
    if let SignInStored::Now(_) = &outcome {
        if let Some(replaced) = replaced {
            audit::signed_out(Some(&replaced.user_id), &replaced.sid);
        }
        session.clear();
        session.insert(KEY, key).map_err(anyhow::Error::msg)?;
    }
    Ok(outcome)
}

/// The device that a stored state names.
pub(crate) fn device_in(state: &str) -> Option<String> {
    let state: HashMap<String, String> = serde_json::from_str(state).ok()?;
    serde_json::from_str(state.get(DEVICE)?).ok()
}

fn stored(signed_in: &SignedIn, device: Option<&str>) -> serde_json::Result<StoredSession> {
    let mut state = HashMap::from([(SIGNED_IN, serde_json::to_string(signed_in)?)]);
    if let Some(device) = device {
        state.insert(DEVICE, serde_json::to_string(device)?);
    }
    Ok(StoredSession {
        state: serde_json::to_string(&state)?,
        owner: SessionOwner {
            sid: signed_in.sid.clone(),
            user_id: signed_in.user_id.clone(),
            auth_time: signed_in.auth_time,
        },
    })
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

/// The key of a session that [`begin`] has stored.
fn stored_key(state: &HashMap<String, String>) -> anyhow::Result<SessionKey> {
    let key = state.get(KEY).context("a session is stored by a sign-in only")?;
    Ok(SessionKey::try_from(serde_json::from_str::<String>(key)?)?)
}

impl SessionStore for SignInStore {
    async fn load(&self, key: &SessionKey) -> Result<Option<HashMap<String, String>>, LoadError> {
        let state = self
            .store
            .use_session(&digest_of(key), self.lifetimes, self.clock.now())
            .await
            .map_err(|error| LoadError::Other(error.into()))?;
        // A state that cannot be read is no session. `LoadError::Deserialization` would keep its key in use.
        let state = state.and_then(|state| serde_json::from_str::<HashMap<_, _>>(&state).ok());
        Ok(state.map(|mut state| {
            state.insert(KEY.to_owned(), serde_json::Value::from(key.as_ref()).to_string());
            state
        }))
    }

    async fn save(
        &self,
        state: HashMap<String, String>,
        _ttl: &CookieDuration,
    ) -> Result<SessionKey, SaveError> {
        stored_key(&state).map_err(SaveError::Other)
    }

    async fn update(
        &self,
        _key: SessionKey,
        state: HashMap<String, String>,
        _ttl: &CookieDuration,
    ) -> Result<SessionKey, UpdateError> {
        stored_key(&state).map_err(UpdateError::Other)
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
