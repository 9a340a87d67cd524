//! What a kind of token has to look like beyond its signature.

use crate::claims::{Audience, Claims, Registered, Text};
use crate::compact::read_object;
use crate::error::TokenError;
use crate::json::{Json, Object};
use crate::roles;
use crate::status::StatusClaim;
use crate::time::UnixTime;

/// The kinds of token this crate verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// RFC 9068 §2 and §4.
    Access,
    /// OpenID Connect Core §2 and §3.1.3.7.
    Id,
    /// OpenID Connect Back-Channel Logout 1.0 §2.4 and §2.6.
    Logout,
    /// RFC 7523 §3, narrowed by its successor (draft-ietf-oauth-rfc7523bis §4).
    ClientAssertion,
}

impl Profile {
    /// Judges `typ`, so that no kind of token passes for another (RFC 8725 §3.11).
    pub(crate) fn judge_type(self, header: &Object<'_>) -> Result<(), TokenError> {
        let is_one_of = |names: &[&str], media_type: &str| {
            let mut names = names.iter();
            names.any(|name| media_type.eq_ignore_ascii_case(name))
        };
        let is_good = match (self, media_type(header)?) {
            (Self::Access, Some(own)) => is_one_of(&["at+jwt"], own),
            (Self::Access, None) => false,
            (Self::Id | Self::Logout | Self::ClientAssertion, None) => true,
            (Self::Id, Some(own)) => is_one_of(&["jwt"], own),
            // Explicit typing is recommended and not required; what else tells it from an ID token is read below.
            (Self::Logout, Some(own)) => is_one_of(&["jwt", "logout+jwt"], own),
            // Here too; a client signs nothing else for us that could be mistaken.
            (Self::ClientAssertion, Some(own)) => is_one_of(&["jwt", "client-authentication+jwt"], own),
        };
        if is_good { Ok(()) } else { Err(TokenError::Type) }
    }

    /// Whether a token has to say which key signed it, even if there is one only. Issuers of access tokens serve many APIs and
    /// rotate their keys; OpenID Connect Core §10.1 leaves it out where a key set has one key.
    pub(crate) fn needs_key_id(self) -> bool {
        self == Self::Access
    }

    /// Reads the claims; one that is there with a wrong JSON type is a fault, never the same as absent. `roles` are the
    /// names on the way to the claim that holds them.
    pub(crate) fn read(self, json: String, roles: Option<&[String]>) -> Result<Claims, TokenError> {
        let all = read_object(&json, TokenError::Payload)?;
        let registered = self.read_registered(&all, &json, roles)?;
        Ok(Claims::new(registered, json))
    }

    fn read_registered(
        self,
        all: &Object<'_>,
        json: &str,
        roles: Option<&[String]>,
    ) -> Result<Registered, TokenError> {
        let issuer = required_text(all, "iss")?;
        let subject = match self {
            Self::Access | Self::Id => required_text(all, "sub")?,
            Self::Logout => subject_of_logout(all)?,
            Self::ClientAssertion => subject_of_assertion(all, issuer)?,
        };
        let audience = audience(all, json)?;
        let expires_at = instant(all, "exp", Rounding::Down)?.ok_or(TokenError::MissingClaim("exp"))?;
        let not_before = instant(all, "nbf", Rounding::Up)?;
        let issued_at = instant(all, "iat", Rounding::Down)?;
        if issued_at.is_none() && self != Self::ClientAssertion {
            return Err(TokenError::MissingClaim("iat"));
        }
        match self {
            Self::Access => {
                required_text(all, "client_id")?;
                required_text(all, "jti")?;
                optional_text(all, "scope")?;
            }
            Self::Id => {
                optional_text(all, "client_id")?;
                optional_text(all, "jti")?;
            }
            Self::Logout => {
                required_text(all, "jti")?;
                judge_events(all)?;
            }
            Self::ClientAssertion => {
                required_text(all, "jti")?;
                judge_sole_audience(all)?;
            }
        }
        let status = StatusClaim::read(all);
        let roles = match roles {
            None => Vec::new(),
            Some(path) => roles::read(all, path)?,
        };
        let text = |name: &str| {
            let text = all.get(name).and_then(Json::as_text);
            text.map(|text| Text::of(json, text))
        };
        Ok(Registered {
            issuer: Text::of(json, issuer),
            subject: Text::of(json, subject),
            audience,
            expires_at,
            not_before,
            issued_at,
            status,
            roles,
            client_id: text("client_id"),
            jti: text("jti"),
            scope: text("scope"),
        })
    }
}

/// What `typ` says (RFC 7515 §4.1.9): media types may leave out `application/`, which is not given here, and are
/// case-insensitive, which is left to the caller.
pub(crate) fn media_type<'h>(header: &'h Object<'_>) -> Result<Option<&'h str>, TokenError> {
    const LEFT_OUT: &str = "application/";
    match header.get("typ") {
        None => Ok(None),
        Some(Json::Text(full)) => Ok(Some(match full.split_at_checked(LEFT_OUT.len()) {
            Some((kind, short)) if kind.eq_ignore_ascii_case(LEFT_OUT) => short,
            _ => full,
        })),
        Some(_) => Err(TokenError::Type),
    }
}

/// RFC 7523 §3: a client speaks for itself.
fn subject_of_assertion<'c>(all: &'c Object<'_>, issuer: &str) -> Result<&'c str, TokenError> {
    let subject = required_text(all, "sub")?;
    if subject == issuer {
        Ok(subject)
    } else {
        Err(TokenError::MalformedClaim("sub"))
    }
}

/// An assertion that others are meant by, too, could be passed on by them. One audience is written as a text, which
/// leaves nothing to be overlooked.
fn judge_sole_audience(all: &Object<'_>) -> Result<(), TokenError> {
    match all.get("aud") {
        Some(Json::Text(_)) => Ok(()),
        _ => Err(TokenError::Audience),
    }
}

/// The member of `events` that makes a token a logout token.
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Claims of ID tokens that say what else came with a login. OpenID Connect Back-Channel Logout 1.0 §2.4 forbids `nonce`,
/// so that no logout token passes for an ID token; the others keep an ID token from passing for a logout token.
const ONLY_IN_ID_TOKENS: [&str; 3] = ["nonce", "at_hash", "c_hash"];

/// A logout is about a user, about a session, or about a user's session; one that is about neither is none.
fn subject_of_logout<'c>(all: &'c Object<'_>) -> Result<&'c str, TokenError> {
    for name in ["sub", "sid"] {
        if optional_text(all, name)? == Some("") {
            return Err(TokenError::MalformedClaim(name));
        }
    }
    match (optional_text(all, "sub")?, all.has("sid")) {
        (Some(subject), _) => Ok(subject),
        (None, true) => Ok(""),
        (None, false) => Err(TokenError::MissingClaim("sub or sid")),
    }
}

fn judge_events(all: &Object<'_>) -> Result<(), TokenError> {
    if ONLY_IN_ID_TOKENS.iter().any(|name| all.has(name)) {
        return Err(TokenError::Type);
    }
    let events = all.get("events").ok_or(TokenError::MissingClaim("events"))?;
    const MALFORMED: TokenError = TokenError::MalformedClaim("events");
    let Json::Object(events) = events else {
        return Err(MALFORMED);
    };
    match events.get(LOGOUT_EVENT) {
        None => Err(TokenError::Type),
        Some(Json::Object(_)) => Ok(()),
        Some(_) => Err(MALFORMED),
    }
}

pub(crate) fn optional_text<'c>(
    all: &'c Object<'_>,
    name: &'static str,
) -> Result<Option<&'c str>, TokenError> {
    match all.get(name) {
        None => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(_) => Err(TokenError::MalformedClaim(name)),
    }
}

/// An empty text names nobody: it is as wrong as none.
pub(crate) fn required_text<'c>(all: &'c Object<'_>, name: &'static str) -> Result<&'c str, TokenError> {
    match optional_text(all, name)? {
        None => Err(TokenError::MissingClaim(name)),
        Some("") => Err(TokenError::MalformedClaim(name)),
        Some(text) => Ok(text),
    }
}

/// RFC 7519 §4.1.3: one text, or an array of them.
fn audience(all: &Object<'_>, json: &str) -> Result<Audience, TokenError> {
    const MALFORMED: TokenError = TokenError::MalformedClaim("aud");
    match all.get("aud") {
        None => Err(TokenError::MissingClaim("aud")),
        Some(Json::Text(one)) => Ok(Audience::One(Text::of(json, one))),
        Some(Json::Array(many)) if !many.is_empty() => {
            let many = many.iter().map(Json::as_text);
            let many = many.map(|one| one.map(|one| Text::of(json, one)).ok_or(MALFORMED));
            many.collect::<Result<_, _>>().map(Audience::Many)
        }
        Some(_) => Err(MALFORMED),
    }
}

/// Which whole second stands for a fraction: the one that makes the token's life shorter.
#[derive(Clone, Copy)]
pub(crate) enum Rounding {
    Down,
    Up,
}

/// RFC 7519 §2 `NumericDate`: a JSON number, which may have a fraction. One before 1970 or beyond what a double holds
/// exactly is no date anyone meant.
pub(crate) fn instant(
    all: &Object<'_>,
    name: &'static str,
    rounding: Rounding,
) -> Result<Option<UnixTime>, TokenError> {
    const LAST: i64 = 1 << 53;
    let malformed = TokenError::MalformedClaim(name);
    let Some(value) = all.get(name) else {
        return Ok(None);
    };
    let Json::Number(number) = value else {
        return Err(malformed);
    };
    let seconds = match number.as_i64() {
        Some(whole) => whole,
        None => {
            let fraction = number.as_f64().ok_or(malformed)?;
            let rounded = match rounding {
                Rounding::Down => fraction.floor(),
                Rounding::Up => fraction.ceil(),
            };
            // `as` saturates, so that what lies outside stays outside.
            rounded as i64
        }
    };
    if (0..=LAST).contains(&seconds) {
        Ok(Some(UnixTime::from_secs(seconds)))
    } else {
        Err(malformed)
    }
}
