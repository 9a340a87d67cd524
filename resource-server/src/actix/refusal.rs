use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};

use crate::error::{TokenError, VerifyError};
use crate::problem::Problem;
#[cfg(feature = "status-list")]
use crate::status_list::StatusError;

/// Why a request was not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It brought no token.
    NoToken,
    /// Its `Authorization` header cannot be read, or it has several.
    MalformedRequest,
    /// Its token is not good.
    InvalidToken(TokenError),
    /// Its token is good, but lacks this scope.
    InsufficientScope(String),
    /// Its token cannot be judged now; trying again after this time may help.
    KeysUnavailable(Duration),
    /// Its token cannot be judged now, since its status list cannot be had; trying again after this time may help.
    StatusUnavailable(Duration),
    /// The application has no [`super::Protection`]: a mistake of its author.
    Unprotected,
}

/// The answer to a request that is not let in: the status and challenge of RFC 6750 §3 with a problem document.
#[derive(Debug, Clone)]
pub struct Refusal {
    realm: Arc<str>,
    reason: Reason,
}

impl Refusal {
    pub(super) fn new(realm: Arc<str>, reason: Reason) -> Self {
        Self { realm, reason }
    }

    pub(super) fn of_token(realm: Arc<str>, error: &VerifyError, retry_after: Duration) -> Self {
        let reason = match error {
            VerifyError::Token(error) => Reason::InvalidToken(*error),
            // Whoever sends one random name after the other is not told to come again.
            VerifyError::UnknownKeyForNow => Reason::InvalidToken(TokenError::UnknownKey),
            VerifyError::KeysUnavailable(_) => Reason::KeysUnavailable(retry_after),
        };
        Self { realm, reason }
    }

    #[cfg(feature = "status-list")]
    pub(super) fn of_status(realm: Arc<str>, error: StatusError) -> Self {
        let reason = match error {
            StatusError::Token(error) => Reason::InvalidToken(error),
            StatusError::Unavailable(retry_after) => Reason::StatusUnavailable(retry_after),
        };
        Self { realm, reason }
    }

    /// Why the request was not let in.
    #[must_use]
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    pub(crate) fn problem(&self) -> Problem {
        match self.reason {
            Reason::NoToken => Problem::new(
                StatusCode::UNAUTHORIZED,
                "token-required",
                "An access token is required.",
            ),
            Reason::MalformedRequest => Problem::new(
                StatusCode::BAD_REQUEST,
                "invalid-request",
                "The Authorization header is malformed.",
            ),
            Reason::InvalidToken(_) => Problem::new(
                StatusCode::UNAUTHORIZED,
                "invalid-token",
                "The access token is not accepted.",
            ),
            Reason::InsufficientScope(_) => Problem::new(
                StatusCode::FORBIDDEN,
                "insufficient-scope",
                "The access token does not allow this.",
            ),
            Reason::KeysUnavailable(_) => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "keys-unavailable",
                "The access token cannot be checked at the moment.",
            ),
            Reason::StatusUnavailable(_) => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "status-unavailable",
                "The access token cannot be checked at the moment.",
            ),
            Reason::Unprotected => Problem::INTERNAL,
        }
    }

    /// RFC 6750 §3: a request without a token learns the scheme only; every other is told what is wrong with it.
    fn challenge(&self) -> Option<String> {
        let realm = quoted(&self.realm);
        match &self.reason {
            Reason::NoToken => Some(format!("Bearer realm={realm}")),
            Reason::MalformedRequest => Some(format!(
                "Bearer realm={realm}, error=\"invalid_request\", \
                 error_description=\"the Authorization header is malformed\""
            )),
            Reason::InvalidToken(error) => Some(format!(
                "Bearer realm={realm}, error=\"invalid_token\", error_description={}",
                quoted(&error.to_string())
            )),
            Reason::InsufficientScope(scope) => Some(format!(
                "Bearer realm={realm}, error=\"insufficient_scope\", scope={}",
                quoted(scope)
            )),
            Reason::KeysUnavailable(_) | Reason::StatusUnavailable(_) | Reason::Unprotected => None,
        }
    }

    fn log(&self) {
        match &self.reason {
            Reason::InvalidToken(error) => tracing::debug!(reason = %error, "an access token was refused"),
            Reason::Unprotected => {
                tracing::error!("a handler takes an access token, but the application has no Protection");
            }
            // A request without a token is everyday life, and about keys and lists others have told.
            Reason::NoToken
            | Reason::MalformedRequest
            | Reason::InsufficientScope(_)
            | Reason::KeysUnavailable(_)
            | Reason::StatusUnavailable(_) => {}
        }
    }
}

/// An RFC 9110 §5.6.4 quoted string of what is visible ASCII in a text.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars().filter(|character| matches!(character, ' '..='~')) {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.problem().title)
    }
}

impl std::error::Error for Refusal {}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        self.problem().status
    }

    fn error_response(&self) -> HttpResponse {
        self.log();
        self.problem().response_with(|response| {
            if let Some(challenge) = self.challenge() {
                response.insert_header((WWW_AUTHENTICATE, challenge));
            }
            if let Reason::KeysUnavailable(retry_after) | Reason::StatusUnavailable(retry_after) = self.reason
            {
                response.insert_header((RETRY_AFTER, retry_after.as_secs().max(1).to_string()));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_quoted_text_cannot_end_its_quotes_or_its_line() {
        assert_eq!(quoted("notes:read"), r#""notes:read""#);
        assert_eq!(quoted(r#"a"b\c"#), r#""a\"b\\c""#);
        assert_eq!(quoted("a\r\nSet-Cookie: x"), r#""aSet-Cookie: x""#);
    }
}
