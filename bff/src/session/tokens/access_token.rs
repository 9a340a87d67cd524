//! The access token, in the form in which requests carry it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

const SCHEME: &str = "Bearer ";

/// What opens the APIs; goes to upstreams only.
///
/// It is held as the credentials of RFC 6750 §2.1, put together and looked through once: the requests that carry it share
/// these bytes, which are wiped when the last of them is done.
#[derive(Clone)]
pub struct AccessToken {
    credentials: Arc<SecretString>,
    authorization: Option<HeaderValue>,
}

impl AccessToken {
    /// Takes over the token as the provider sent it.
    #[must_use]
    pub fn new(token: String) -> Self {
        let token = SecretString::from(token);
        let credentials = Arc::new(SecretString::from([SCHEME, laid_open(&token)].concat()));
        let bytes = Bytes::from_owner(Shared(Arc::clone(&credentials)));
        let authorization = HeaderValue::from_maybe_shared(bytes).ok().map(|mut value| {
            value.set_sensitive(true);
            value
        });
        Self {
            credentials,
            authorization,
        }
    }

    /// The token itself. Callers put it into a request to the one party it is meant for, or into the vault.
    #[must_use]
    pub fn expose(&self) -> &str {
        laid_open(&self.credentials)
            .strip_prefix(SCHEME)
            .unwrap_or_default()
    }

    /// The value of `Authorization`; `None` for a token that cannot stand in a header, which no provider's is.
    #[must_use]
    pub const fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// Whether two are the same token.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AccessToken").field(&self.credentials).finish()
    }
}

/// What keeps the bytes of a header alive.
struct Shared(Arc<SecretString>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        laid_open(&self.0).as_bytes()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one door of this type; each caller is reviewed"
)]
fn laid_open(secret: &SecretString) -> &str {
    secret.expose_secret()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_told_whole_to_upstreams_and_never_in_debug_output() {
        let token = AccessToken::new("ey.a.b".to_owned());
        let authorization = token.authorization().unwrap();
        assert_eq!(authorization, "Bearer ey.a.b");
        assert!(authorization.is_sensitive());
        assert_eq!(token.expose(), "ey.a.b");
        assert!(!format!("{token:?}").contains("ey.a.b"));
        assert!(token.is(&token.clone()) && !token.is(&AccessToken::new(String::new())));
    }

    #[test]
    fn requests_share_the_bytes_of_a_token() {
        let token = AccessToken::new("ey.a.b".to_owned());
        let place = |value: &HeaderValue| value.as_bytes().as_ptr();
        let carried = token.authorization().cloned().unwrap();
        assert_eq!(place(&carried), place(token.authorization().unwrap()));
        drop(token);
        assert_eq!(carried, "Bearer ey.a.b");
    }

    #[test]
    fn what_cannot_stand_in_a_header_has_none() {
        let token = AccessToken::new("a\r\nb".to_owned());
        assert!(token.authorization().is_none());
        assert_eq!(token.expose(), "a\r\nb");
    }
}
