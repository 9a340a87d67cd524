//! What the token endpoint answers (RFC 6749 §5, OpenID Connect Core §3.1.3.3) and what it means.

use std::time::Duration;

use serde::Deserialize;

use crate::session::tokens::{AccessToken, IdToken, RefreshToken};

/// What an access token without `expires_in` is taken to live (RFC 6749 §5.1 leaves it to documentation).
const ASSUMED_LIFETIME: Duration = Duration::from_secs(300);
/// No access token is taken to live longer, whatever the provider says.
const LONGEST_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// No refresh token is taken to live longer, so that adding it to an instant makes sense.
const LONGEST_REFRESH_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Tokens as granted, not yet judged.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The access token.
    pub access_token: AccessToken,
    /// How long it lives from now.
    pub lifetime: Duration,
    /// A new refresh token; absent when the old one goes on (RFC 6749 §6).
    pub refresh_token: Option<RefreshToken>,
    /// How long the refresh token lives from now, if the provider says so (no RFC does; Keycloak and others do).
    pub refresh_lifetime: Option<Duration>,
    /// An ID token, unverified.
    pub id_token: Option<IdToken>,
    /// The granted scope when it was named.
    pub scope: Option<String>,
    /// What was issued, in the words of RFC 8693 §3; only exchanges say so.
    pub issued_token_type: Option<String>,
}

/// The error codes of RFC 6749 §5.2. Decisions are made by these, never by a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OAuthErrorCode {
    /// The grant itself is refused: the only code that ends a session.
    #[error("it refuses the grant")]
    InvalidGrant,
    /// The audience or scope that was asked for is refused (also RFC 8707 §2).
    #[error("it refuses the audience or scope")]
    Target,
    /// Our own client or request is refused: a fault of the configuration, not of the user.
    #[error("it refuses our client or request, which is for the configuration to mend")]
    ClientOrRequest,
    /// A code that this program does not know.
    #[error("it refuses for a reason of its own")]
    Other,
}

/// The word that the provider used for an error, for the log: whoever mends the configuration looks it up in the
/// provider's manual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthError(String);

impl OAuthError {
    const LONGEST: usize = 64;

    /// Keeps what RFC 6749 §5.2 allows, up to a length; the rest is told as unprintable, since it may be anything.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let is_fit = text
            .bytes()
            .all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e));
        if is_fit && !text.is_empty() && text.len() <= Self::LONGEST {
            Self(text.to_owned())
        } else {
            Self("unprintable".to_owned())
        }
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for OAuthError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why an answer holds no tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenAnswerError {
    /// An OAuth error: what it means, and the provider's word.
    #[error("{0} ({1})")]
    Refused(OAuthErrorCode, OAuthError),
    /// The provider is overloaded or broken: 429, 5xx.
    #[error("it is not available")]
    Unavailable,
    /// A gateway before the provider got no answer from it: 502, 504. The provider may have done its work.
    #[error("a gateway before it got no answer")]
    BrokenGateway,
    /// Neither tokens nor an error.
    #[error("its answer holds neither tokens nor an error")]
    Malformed,
}

#[derive(Deserialize)]
struct WireTokens {
    access_token: String,
    token_type: String,
    #[serde(default)]
    expires_in: Option<Seconds>,
    refresh_token: Option<String>,
    refresh_expires_in: Option<serde_json::Value>,
    refresh_token_expires_in: Option<serde_json::Value>,
    id_token: Option<String>,
    scope: Option<String>,
    issued_token_type: Option<String>,
}

/// RFC 6749 says a number; some providers send it as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(f64),
    Text(String),
}

#[derive(Deserialize)]
struct WireError {
    error: String,
}

/// What a token exchange asks for and has to answer (RFC 8693 §3).
pub(super) const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Reads an answer to a token exchange (RFC 8693 §2.2): it has to say that what it holds is an access token. A refresh
/// token is not asked for; one that comes along is not kept.
pub(super) fn read_exchange(status: u16, body: &[u8]) -> Result<Granted, TokenAnswerError> {
    let granted = read_answer(status, body)?;
    if granted.issued_token_type.as_deref() != Some(ACCESS_TOKEN_TYPE) {
        return Err(TokenAnswerError::Malformed);
    }
    Ok(Granted {
        refresh_token: None,
        id_token: None,
        ..granted
    })
}

/// Reads an answer of the token endpoint.
pub(super) fn read_answer(status: u16, body: &[u8]) -> Result<Granted, TokenAnswerError> {
    match status {
        200 => read_tokens(body).ok_or(TokenAnswerError::Malformed),
        400..=499 if status != 429 => Err(read_error(body)),
        502 | 504 => Err(TokenAnswerError::BrokenGateway),
        429 | 500..=599 => Err(TokenAnswerError::Unavailable),
        _ => Err(TokenAnswerError::Malformed),
    }
}

fn read_tokens(body: &[u8]) -> Option<Granted> {
    let wire: WireTokens = serde_json::from_slice(body).ok()?;
    if wire.access_token.is_empty() || !wire.token_type.eq_ignore_ascii_case("bearer") {
        return None;
    }
    Some(Granted {
        access_token: AccessToken::new(wire.access_token),
        lifetime: lifetime(wire.expires_in)?,
        refresh_token: wire
            .refresh_token
            .filter(|token| !token.is_empty())
            .map(RefreshToken::new),
        refresh_lifetime: wire
            .refresh_expires_in
            .or(wire.refresh_token_expires_in)
            .and_then(|expires_in| refresh_lifetime(&expires_in)),
        id_token: wire.id_token.filter(|token| !token.is_empty()).map(IdToken::new),
        scope: wire.scope,
        issued_token_type: wire.issued_token_type,
    })
}

fn lifetime(expires_in: Option<Seconds>) -> Option<Duration> {
    let seconds = match expires_in {
        None => return Some(ASSUMED_LIFETIME),
        Some(Seconds::Number(seconds)) => seconds,
        Some(Seconds::Text(text)) => text.parse().ok()?,
    };
    let lifetime = Duration::try_from_secs_f64(seconds).ok()?;
    // A provider that hands out a token with what is left of its life may say 0. That is no reason to lose what came along.
    Some(lifetime.clamp(Duration::from_secs(1), LONGEST_LIFETIME))
}

/// A member that no RFC knows fails no answer: what makes no sense is not known. Keycloak's 0 means "never ends".
fn refresh_lifetime(expires_in: &serde_json::Value) -> Option<Duration> {
    let seconds = match expires_in {
        serde_json::Value::String(text) => text.parse().ok()?,
        other => other.as_f64()?,
    };
    let lifetime = Duration::try_from_secs_f64(seconds).ok()?;
    (lifetime >= Duration::from_secs(1)).then(|| lifetime.min(LONGEST_REFRESH_LIFETIME))
}

fn read_error(body: &[u8]) -> TokenAnswerError {
    let Ok(wire) = serde_json::from_slice::<WireError>(body) else {
        return TokenAnswerError::Malformed;
    };
    let code = match wire.error.as_str() {
        "invalid_grant" => OAuthErrorCode::InvalidGrant,
        "invalid_request" | "invalid_client" | "unauthorized_client" | "unsupported_grant_type" => {
            OAuthErrorCode::ClientOrRequest
        }
        "invalid_scope" | "invalid_target" => OAuthErrorCode::Target,
        "temporarily_unavailable" | "server_error" | "slow_down" => return TokenAnswerError::Unavailable,
        _ => OAuthErrorCode::Other,
    };
    TokenAnswerError::Refused(code, OAuthError::new(&wire.error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Result<Granted, TokenAnswerError> {
        read_answer(status, body.as_bytes())
    }

    #[test]
    fn tokens_are_read_with_their_lifetime() {
        let granted = read(
            200,
            r#"{"access_token":"a","token_type":"bearer","expires_in":60,"refresh_token":"r"}"#,
        );
        let granted = granted.unwrap();
        assert_eq!(granted.lifetime, Duration::from_secs(60));
        assert_eq!(granted.refresh_token.unwrap().expose(), "r");
    }

    /// Checklist 56.
    #[test]
    fn an_answer_without_expires_in_has_the_documented_lifetime() {
        let granted = read(200, r#"{"access_token":"a","token_type":"Bearer"}"#).unwrap();
        assert_eq!(granted.lifetime, ASSUMED_LIFETIME);
        assert!(granted.refresh_token.is_none());
    }

    #[test]
    fn a_lifetime_may_be_a_text_and_never_nonsense() {
        let with = |expires_in: &str| {
            read(
                200,
                &format!(r#"{{"access_token":"a","token_type":"Bearer","expires_in":{expires_in}}}"#),
            )
        };
        assert_eq!(with("\"3600\"").unwrap().lifetime, Duration::from_secs(3600));
        assert_eq!(
            with("1e300").map(|g| g.lifetime),
            Err(TokenAnswerError::Malformed)
        );
        assert_eq!(with("99999999999").unwrap().lifetime, LONGEST_LIFETIME);
        assert_eq!(with("0").unwrap().lifetime, Duration::from_secs(1));
        for nonsense in ["-1", "\"soon\"", "[]", "true"] {
            assert_eq!(
                with(nonsense).map(|g| g.lifetime),
                Err(TokenAnswerError::Malformed),
                "{nonsense}"
            );
        }
    }

    #[test]
    fn a_refresh_token_lives_as_long_as_a_sensible_answer_says() {
        let with = |members: &str| {
            let body = format!(r#"{{"access_token":"a","token_type":"Bearer",{members}}}"#);
            read(200, &body).unwrap().refresh_lifetime
        };
        let half_an_hour = Some(Duration::from_secs(1800));
        assert_eq!(with(r#""refresh_expires_in":1800"#), half_an_hour);
        assert_eq!(with(r#""refresh_token_expires_in":"1800""#), half_an_hour);
        assert_eq!(
            with(r#""refresh_expires_in":1800,"refresh_token_expires_in":9"#),
            half_an_hour
        );
        assert_eq!(
            with(r#""refresh_expires_in":1e300"#).or(Some(LONGEST_REFRESH_LIFETIME)),
            Some(LONGEST_REFRESH_LIFETIME)
        );
        for unknown in ["0", "-1", "null", "\"soon\"", "[]", "{}", "true"] {
            assert_eq!(
                with(&format!(r#""refresh_expires_in":{unknown}"#)),
                None,
                "{unknown}"
            );
        }
    }

    /// Checklists 52–54: only `invalid_grant` is about the session.
    #[test]
    fn errors_are_told_apart_by_their_code() {
        use OAuthErrorCode::{ClientOrRequest, InvalidGrant, Other, Target};
        let refused = |code, word| TokenAnswerError::Refused(code, OAuthError::new(word));
        let cases = [
            (
                400,
                r#"{"error":"invalid_grant"}"#,
                refused(InvalidGrant, "invalid_grant"),
            ),
            (
                401,
                r#"{"error":"invalid_client"}"#,
                refused(ClientOrRequest, "invalid_client"),
            ),
            (
                400,
                r#"{"error":"unauthorized_client"}"#,
                refused(ClientOrRequest, "unauthorized_client"),
            ),
            (
                400,
                r#"{"error":"interaction_required"}"#,
                refused(Other, "interaction_required"),
            ),
            (
                400,
                r#"{"error":"temporarily_unavailable"}"#,
                TokenAnswerError::Unavailable,
            ),
            (
                400,
                r#"{"error":"invalid_target"}"#,
                refused(Target, "invalid_target"),
            ),
            (429, r#"{"error":"invalid_grant"}"#, TokenAnswerError::Unavailable),
            (502, "<html>Bad gateway</html>", TokenAnswerError::BrokenGateway),
            (500, r#"{"error":"invalid_grant"}"#, TokenAnswerError::Unavailable),
            (503, "", TokenAnswerError::Unavailable),
            (400, "<html>invalid_grant</html>", TokenAnswerError::Malformed),
            (302, "", TokenAnswerError::Malformed),
            (200, r#"{"error":"invalid_grant"}"#, TokenAnswerError::Malformed),
            (
                200,
                r#"{"access_token":"a","token_type":"DPoP"}"#,
                TokenAnswerError::Malformed,
            ),
            (
                200,
                r#"{"access_token":"","token_type":"Bearer"}"#,
                TokenAnswerError::Malformed,
            ),
        ];
        for (status, body, expected) in cases {
            assert_eq!(read(status, body).map(|_| ()), Err(expected), "{status} {body}");
        }
    }

    #[test]
    fn the_word_of_an_error_is_told_if_it_is_one() {
        let told = |error: &str| {
            let answered = read(400, &serde_json::json!({ "error": error }).to_string());
            answered.unwrap_err().to_string()
        };
        assert!(told("invalid_client").contains("(invalid_client)"));
        let longest = "a".repeat(64);
        assert!(told(&longest).contains(&longest));
        for unfit in ["", "a\nb", "a\"b", "\u{1b}[31m", "bäd", &"a".repeat(65)] {
            let told = told(unfit);
            assert!(told.contains("(unprintable)"), "{told}");
            assert!(unfit.is_empty() || !told.contains(unfit), "{told}");
        }
    }

    #[test]
    fn an_exchange_has_to_say_that_it_issued_an_access_token() {
        let with = |issued: &str| {
            let body = format!(
                r#"{{"access_token":"a","token_type":"Bearer","expires_in":60,"refresh_token":"r"{issued}}}"#
            );
            read_exchange(200, body.as_bytes())
        };
        let good = with(r#","issued_token_type":"urn:ietf:params:oauth:token-type:access_token""#).unwrap();
        assert!(good.refresh_token.is_none());
        for other in [
            "",
            r#","issued_token_type":"urn:ietf:params:oauth:token-type:refresh_token""#,
        ] {
            assert_eq!(
                with(other).map(|_| ()),
                Err(TokenAnswerError::Malformed),
                "{other}"
            );
        }
    }
}
