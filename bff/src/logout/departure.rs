//! A browser on its way to sign out at the provider, and back (OpenID Connect RP-Initiated Logout 1.0 §3).
//!
//! `state` tells the return of a logout that this browser began from a link that somebody else made. A sealed cookie
//! remembers it; `SameSite=Lax`, because the return is a navigation that comes from the provider's site.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use cookie::{Cookie, SameSite};
use resource_server::time::{Clock, UnixTime};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::cookies;
use crate::random;
use crate::session::{SessionKey, Vault};

/// How long a person may look at the provider's question.
const LIFETIME: Duration = Duration::from_secs(3600);

/// The sealed form.
#[derive(Serialize, Deserialize)]
struct Wire {
    state: String,
    session: SessionKey,
    began_at: UnixTime,
}

/// Remembers departures in the browser.
#[derive(Debug, Clone)]
pub struct Departures {
    vault: Vault,
    clock: Arc<dyn Clock>,
}

impl Departures {
    /// Seals with this vault.
    #[must_use]
    pub fn new(vault: Vault, clock: Arc<dyn Clock>) -> Self {
        Self { vault, clock }
    }

    /// A fresh `state` for the logout of a session, and the `Set-Cookie` value that remembers it.
    pub(super) fn begin(&self, session: &SessionKey) -> (String, String) {
        let state = random::text();
        let wire = Wire {
            state: state.clone(),
            session: session.clone(),
            began_at: self.clock.now(),
        };
        #[expect(clippy::expect_used, reason = "texts and numbers always have a JSON form")]
        let plain = serde_json::to_vec(&wire).expect("a serialisable departure");
        let sealed = BASE64URL.encode(self.vault.seal_logout(plain));
        (state, set_cookie(&sealed, LIFETIME))
    }

    /// Which session's logout comes back with this `state`, if this browser began it not too long ago.
    pub(super) fn returned(&self, state: &str, cookie_header: &str) -> Option<SessionKey> {
        let cookies = Cookie::split_parse(cookie_header).flatten();
        let departure = cookies
            .filter(|cookie| cookie.name() == cookies::LOGOUT)
            .find_map(|cookie| self.open(cookie.value()))?;
        let same: bool = departure.state.as_bytes().ct_eq(state.as_bytes()).into();
        (same && self.clock.now() < departure.began_at + LIFETIME).then_some(departure.session)
    }

    fn open(&self, value: &str) -> Option<Wire> {
        let sealed = BASE64URL.decode(value).ok()?;
        let plain = self.vault.open_logout(&sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }
}

/// The `Set-Cookie` value that forgets a departure.
pub(super) fn forget() -> String {
    set_cookie("", Duration::ZERO)
}

fn set_cookie(value: &str, lifetime: Duration) -> String {
    let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(0);
    Cookie::build((cookies::LOGOUT, value))
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(cookie::time::Duration::seconds(seconds))
        .build()
        .to_string()
}
