use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};

use crate::error::{TokenError, VerifyError};
use crate::issuers::NotAccepted;
use crate::problem::Problem;

/// Why a request was not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It brought no token.
    NoToken,
    /// Its `Authorization` header cannot be read, or it has several.
    MalformedRequest,
    /// Its token is not good.
    InvalidToken(TokenError),
    /// Its token is good, but lacks some of these scopes, which are separated by spaces.
    InsufficientScope(String),
    /// Its token is good, but does not give its subject a role that this takes.
    InsufficientRole,
    /// Its token cannot be judged now; trying again after this time may help.
    KeysUnavailable(Duration),
    /// Its token cannot be judged now, since its status list cannot be had; trying again after this time may help.
    StatusUnavailable(Duration),
    /// The application has no [`super::Protection`]: a mistake of its author.
    Unprotected,
}

impl Reason {
    pub(super) fn of(error: &NotAccepted, retry_after: Duration) -> Self {
        match error {
            NotAccepted::Verify(VerifyError::Token(error)) => Self::InvalidToken(*error),
            // Whoever sends one random name after the other is not told to come again.
            NotAccepted::Verify(VerifyError::UnknownKeyForNow) => Self::InvalidToken(TokenError::UnknownKey),
            NotAccepted::Verify(VerifyError::KeysUnavailable(_)) => Self::KeysUnavailable(retry_after),
            NotAccepted::StatusUnavailable(retry_after) => Self::StatusUnavailable(*retry_after),
        }
    }
}

/// What every challenge of an application says. Clones share their content.
#[derive(Debug, Clone)]
pub(super) struct Challenger(Arc<Common>);

#[derive(Debug)]
struct Common {
    realm: String,
    /// RFC 9728 §5.1.
    resource_metadata: Option<String>,
}

impl Challenger {
    pub(super) fn new(realm: &str, resource_metadata: Option<&str>) -> Self {
        Self(Arc::new(Common {
            realm: realm.to_owned(),
            resource_metadata: resource_metadata.map(str::to_owned),
        }))
    }

    pub(super) fn realm(&self) -> &str {
        &self.0.realm
    }

    pub(super) fn refuse(&self, reason: Reason) -> Refusal {
        Refusal {
            challenger: self.clone(),
            reason,
        }
    }
}

/// The answer to a request that is not let in: the status and challenge of RFC 6750 §3 with a problem document.
#[derive(Debug, Clone)]
pub struct Refusal {
    challenger: Challenger,
    reason: Reason,
}

impl Refusal {
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
            Reason::InsufficientRole => Problem::new(
                StatusCode::FORBIDDEN,
                "insufficient-role",
                "The user of the access token may not do this.",
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
        let error = match &self.reason {
            Reason::NoToken => String::new(),
            Reason::MalformedRequest => ", error=\"invalid_request\", \
                 error_description=\"the Authorization header is malformed\""
                .to_owned(),
            Reason::InvalidToken(error) => {
                let description = plain(&error.to_string());
                format!(", error=\"invalid_token\", error_description=\"{description}\"")
            }
            Reason::InsufficientScope(scope) => {
                format!(", error=\"insufficient_scope\", scope=\"{}\"", plain(scope))
            }
            // "Higher privileges than provided by the access token" (§3.1), which no scope would provide.
            Reason::InsufficientRole => ", error=\"insufficient_scope\"".to_owned(),
            Reason::KeysUnavailable(_) | Reason::StatusUnavailable(_) | Reason::Unprotected => return None,
        };
        let common = &self.challenger.0;
        let mut challenge = format!("Bearer realm={}", quoted(&common.realm));
        if let Some(address) = &common.resource_metadata {
            challenge.push_str(", resource_metadata=");
            challenge.push_str(&quoted(address));
        }
        challenge.push_str(&error);
        Some(challenge)
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
            | Reason::InsufficientRole
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

/// What RFC 6750 §3 lets stand in `scope`, `error` and `error_description`: visible ASCII and spaces without `"` and `\`,
/// which not even an escape brings in.
fn plain(text: &str) -> String {
    let allowed = |character: &char| matches!(character, ' '..='~') && !matches!(character, '"' | '\\');
    text.chars().filter(allowed).collect()
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
    use super::{Challenger, Reason, plain, quoted};
    use crate::error::TokenError;

    #[test]
    fn a_quoted_text_cannot_end_its_quotes_or_its_line() {
        assert_eq!(quoted("notes:read"), r#""notes:read""#);
        assert_eq!(quoted(r#"a"b\c"#), r#""a\"b\\c""#);
        assert_eq!(quoted("a\r\nSet-Cookie: x"), r#""aSet-Cookie: x""#);
    }

    // RFC 6750 §3
    #[test]
    fn what_programs_read_has_neither_quotes_nor_escapes() {
        assert_eq!(plain("notes:read notes:write"), "notes:read notes:write");
        assert_eq!(plain("a\"b\\c\r\nd\u{e9}"), "abcd");
        for error in [
            TokenError::TooLarge,
            TokenError::MissingClaim("sub or sid"),
            TokenError::MalformedClaim("of roles"),
        ] {
            assert_eq!(plain(&error.to_string()), error.to_string());
        }
    }

    // RFC 6750 §3.1, RFC 9728 §5.1
    #[test]
    fn each_reason_has_its_challenge() {
        let common = "Bearer realm=\"notes\", resource_metadata=\"https://notes.example/m\"";
        let challenger = Challenger::new("notes", Some("https://notes.example/m"));
        for (reason, more) in [
            (Reason::NoToken, ""),
            (
                Reason::MalformedRequest,
                ", error=\"invalid_request\", error_description=\"the Authorization header is malformed\"",
            ),
            (
                Reason::InvalidToken(TokenError::Expired),
                ", error=\"invalid_token\", error_description=\"the token has expired\"",
            ),
            (
                Reason::InsufficientScope("a b".to_owned()),
                ", error=\"insufficient_scope\", scope=\"a b\"",
            ),
            (Reason::InsufficientRole, ", error=\"insufficient_scope\""),
        ] {
            let challenge = challenger.refuse(reason).challenge();
            assert_eq!(challenge, Some(format!("{common}{more}")));
        }
        let anywhere = Challenger::new("notes", None).refuse(Reason::NoToken);
        assert_eq!(anywhere.challenge().as_deref(), Some("Bearer realm=\"notes\""));
        assert_eq!(challenger.refuse(Reason::Unprotected).challenge(), None);
    }
}
