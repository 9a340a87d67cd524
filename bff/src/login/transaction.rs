//! The state of one login attempt, kept by the browser in a sealed cookie until the callback.
//!
//! Each attempt has a cookie of its own, named after a digest of its `state`, so that several tabs can sign in at once
//! in any order. The cookie is `SameSite=Lax`, because the callback is a navigation that comes from the provider's site.
//! Number and age are bounded: the oldest attempts make room.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use cookie::{Cookie, SameSite};
use resource_server::time::{Clock, UnixTime};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::ReturnTo;
use crate::cookies;
use crate::random;
use crate::session::Vault;
use crate::session::store::Mark;

/// How long an attempt may take.
pub(super) const LIFETIME: Duration = Duration::from_secs(600);
/// How many attempts of one browser may be under way.
const ATTEMPTS_LIMIT: usize = 10;
/// How many characters of cookies the attempts may take together; servers commonly accept 8 kB of header.
const SIZE_LIMIT: usize = 6_000;

/// One attempt to sign in.
pub struct LoginTransaction {
    /// Ties the provider's answer to this browser.
    pub state: String,
    /// Ties the ID token to this attempt.
    pub nonce: String,
    /// Shown at the token endpoint only (RFC 7636).
    pub code_verifier: String,
    /// Where the browser goes afterwards.
    pub return_to: ReturnTo,
    /// When it began.
    pub started_at: UnixTime,
}

impl fmt::Debug for LoginTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginTransaction")
            .field("started_at", &self.started_at)
            .finish_non_exhaustive()
    }
}

impl LoginTransaction {
    /// The mark by which this attempt is consumed once, on whichever node the callback arrives.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(format!(
            "login-{}",
            BASE64URL.encode(digest(&SHA256, self.state.as_bytes()))
        ))
    }
}

/// The sealed form; short names, because ten of them have to fit into a header.
#[derive(Serialize, Deserialize)]
struct Wire {
    s: String,
    n: String,
    v: String,
    r: String,
    t: UnixTime,
}

/// Begins attempts and finds them again.
#[derive(Debug)]
pub struct LoginTransactions {
    vault: Vault,
    clock: Arc<dyn Clock>,
    base_path: String,
}

impl LoginTransactions {
    /// Seals with this vault; `base_path` is that of the BFF's endpoints.
    #[must_use]
    pub fn new(vault: Vault, clock: Arc<dyn Clock>, base_path: String) -> Self {
        Self {
            vault,
            clock,
            base_path,
        }
    }

    /// Begins an attempt. The texts are the `Set-Cookie` values of its cookie and of those that make room for it.
    #[must_use]
    pub fn begin(&self, return_to: ReturnTo, cookie_header: &str) -> (LoginTransaction, Vec<String>) {
        let transaction = LoginTransaction {
            state: random::text(),
            nonce: random::text(),
            code_verifier: random::text(),
            return_to,
            started_at: self.clock.now(),
        };
        let name = cookie_name(&transaction.state);
        let value = self.seal(&name, &transaction);
        let mut cookies = self.make_room(cookie_header, name.len() + value.len());
        cookies.push(set_cookie(&name, &value, LIFETIME));
        (transaction, cookies)
    }

    /// Finds the attempt of this browser that a callback's `state` belongs to, if it is there and not too old.
    #[must_use]
    pub fn find(&self, state: &str, cookie_header: &str) -> Option<LoginTransaction> {
        let name = cookie_name(state);
        let transaction = login_cookies(cookie_header)
            .filter(|cookie| cookie.name() == name)
            .find_map(|cookie| self.open(cookie.name(), cookie.value()))?;
        let same: bool = transaction.state.as_bytes().ct_eq(state.as_bytes()).into();
        (same && self.is_young(&transaction)).then_some(transaction)
    }

    /// The `Set-Cookie` value that removes the cookie of a `state`.
    #[must_use]
    pub fn forget(state: &str) -> String {
        set_cookie(&cookie_name(state), "", Duration::ZERO)
    }

    fn is_young(&self, transaction: &LoginTransaction) -> bool {
        self.clock.now() < transaction.started_at + LIFETIME
    }

    /// Removes what cannot be used any more, and the oldest attempts if there are too many of them.
    fn make_room(&self, cookie_header: &str, needed: usize) -> Vec<String> {
        let mut held: Vec<(UnixTime, String, usize)> = Vec::new();
        let mut removed = Vec::new();
        for cookie in login_cookies(cookie_header) {
            match self.open(cookie.name(), cookie.value()) {
                Some(transaction) if self.is_young(&transaction) => {
                    let size = cookie.name().len() + cookie.value().len();
                    held.push((transaction.started_at, cookie.name().to_owned(), size));
                }
                _ => removed.push(set_cookie(cookie.name(), "", Duration::ZERO)),
            }
        }
        held.sort();
        let mut size: usize = needed + held.iter().map(|(_, _, size)| size).sum::<usize>();
        let mut count = held.len() + 1;
        for (_, name, freed) in held {
            if count <= ATTEMPTS_LIMIT && size <= SIZE_LIMIT {
                break;
            }
            removed.push(set_cookie(&name, "", Duration::ZERO));
            count -= 1;
            size -= freed;
        }
        removed
    }

    fn seal(&self, name: &str, transaction: &LoginTransaction) -> String {
        let wire = Wire {
            s: transaction.state.clone(),
            n: transaction.nonce.clone(),
            v: transaction.code_verifier.clone(),
            r: transaction.return_to.as_str().to_owned(),
            t: transaction.started_at,
        };
        #[expect(clippy::expect_used, reason = "texts and numbers always have a JSON form")]
        let plain = serde_json::to_vec(&wire).expect("serialisable transaction");
        BASE64URL.encode(self.vault.seal_login(name, plain))
    }

    fn open(&self, name: &str, value: &str) -> Option<LoginTransaction> {
        let sealed = BASE64URL.decode(value).ok()?;
        let plain = self.vault.open_login(name, &sealed).ok()?;
        let wire: Wire = serde_json::from_slice(&plain).ok()?;
        Some(LoginTransaction {
            state: wire.s,
            nonce: wire.n,
            code_verifier: wire.v,
            return_to: ReturnTo::parse(&wire.r, &self.base_path).ok()?,
            started_at: wire.t,
        })
    }
}

fn cookie_name(state: &str) -> String {
    let digest = digest(&SHA256, state.as_bytes());
    format!(
        "{}{}",
        cookies::LOGIN_PREFIX,
        BASE64URL.encode(&digest.as_ref()[..12])
    )
}

fn login_cookies(cookie_header: &str) -> impl Iterator<Item = Cookie<'_>> {
    Cookie::split_parse(cookie_header)
        .flatten()
        .filter(|cookie| cookie.name().starts_with(cookies::LOGIN_PREFIX))
}

fn set_cookie(name: &str, value: &str, lifetime: Duration) -> String {
    Cookie::build((name, value))
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(cookie::time::Duration::seconds(
            i64::try_from(lifetime.as_secs()).unwrap_or(0),
        ))
        .build()
        .to_string()
}

#[cfg(test)]
mod tests;
