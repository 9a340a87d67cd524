//! The provider's word that a user, or a session of theirs, has signed out (OpenID Connect Back-Channel Logout 1.0 §2.6).

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use resource_server::claims::Claims;
use resource_server::key_cache::VerifyError;
use resource_server::time::{Clock, UnixTime};
use resource_server::verifier::{InvalidVerifier, TokenError, Verifier};

use super::{Provider, ProviderError};
use crate::session::registry::LoggedOut;
use crate::session::store::Mark;

/// How old a logout token may be. Providers send it at once and repeat it for a while; whoever finds one later finds
/// nothing of use.
const OLDEST: Duration = Duration::from_secs(300);
/// How far the provider's clock and ours may differ.
const LEEWAY: Duration = Duration::from_secs(30);

/// A logout that the provider has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutToken {
    /// Whose sessions end.
    pub who: LoggedOut,
    /// When the provider said so.
    pub issued_at: UnixTime,
    /// What is remembered of it, so that it works once.
    pub mark: Mark,
    /// Until when it has to be remembered: afterwards it is too old anyway.
    pub remembered_until: UnixTime,
}

/// Why a logout token is not taken. None of the texts quotes it.
#[derive(Debug, thiserror::Error)]
pub enum LogoutTokenError {
    /// It is bad, whatever the provider's keys.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// It was issued too long ago.
    #[error("the token was issued too long ago")]
    TooOld,
    /// It cannot be judged now, because the provider's metadata or keys cannot be had.
    #[error("the token cannot be judged now")]
    Provider(#[from] ProviderError),
}

/// Judges logout tokens.
#[derive(Debug, Clone)]
pub struct LogoutTokens {
    provider: Arc<Provider>,
    verifier: Verifier,
    clock: Arc<dyn Clock>,
}

impl LogoutTokens {
    /// Takes the tokens that this provider signs for our client.
    ///
    /// # Errors
    /// When no logout token could be good.
    pub fn new(provider: Arc<Provider>, clock: Arc<dyn Clock>) -> Result<Self, InvalidVerifier> {
        let verifier = Verifier::logout_token(provider.issuer(), provider.client_id());
        Ok(Self {
            verifier: verifier.leeway(LEEWAY).build()?,
            provider,
            clock,
        })
    }

    /// Judges a token.
    ///
    /// # Errors
    /// See [`LogoutTokenError`].
    pub async fn judge(&self, token: &str) -> Result<LogoutToken, LogoutTokenError> {
        let discovered = self.provider.discovered().await?;
        let claims = match discovered.keys.verify(&self.verifier, token).await {
            Ok(claims) => claims,
            Err(VerifyError::Token(error)) => return Err(error.into()),
            // A key that is new to us is not a forgery: the provider tries again when it hears "not now".
            Err(error @ VerifyError::UnknownKeyForNow) => {
                return Err(ProviderError::Keys(error.into()).into());
            }
            Err(VerifyError::KeysUnavailable(error)) => return Err(ProviderError::Keys(error.into()).into()),
        };
        read(&claims, self.clock.now())
    }
}

/// Reads verified claims. That they are there, and texts, is the verifier's word.
fn read(claims: &Claims, now: UnixTime) -> Result<LogoutToken, LogoutTokenError> {
    let text = |name: &'static str| {
        let text = claims.get(name).and_then(|value| value.as_str());
        text.map(str::to_owned)
    };
    let issued_at = claims.issued_at().ok_or(TokenError::MissingClaim("iat"))?;
    if now > issued_at + OLDEST + LEEWAY {
        return Err(LogoutTokenError::TooOld);
    }
    let who = match (text("sub"), text("sid")) {
        (Some(sub), None) => LoggedOut::User(sub),
        (None, Some(sid)) => LoggedOut::Session(sid),
        (Some(sub), Some(sid)) => LoggedOut::SessionOfUser { sub, sid },
        (None, None) => return Err(TokenError::MissingClaim("sub or sid").into()),
    };
    let jti = claims.jti().ok_or(TokenError::MissingClaim("jti"))?;
    Ok(LogoutToken {
        who,
        issued_at,
        mark: mark(claims.issuer(), jti),
        // The same instant as above, by a node whose clock is behind.
        remembered_until: issued_at + OLDEST + LEEWAY + LEEWAY,
    })
}

/// `jti` is unique at its issuer only, and may be of any length.
fn mark(issuer: &str, jti: &str) -> Mark {
    let digest = digest(&SHA256, format!("{issuer}\n{jti}").as_bytes());
    Mark(format!("logout-{}", BASE64URL.encode(digest)))
}
