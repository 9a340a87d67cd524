//! What a verified token says.

use std::ops::Range;
use std::slice;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use crate::status::StatusClaim;
use crate::time::UnixTime;

/// The claims of a token that was verified; only a [`crate::verifier::Verifier`] makes one.
///
/// Copies share their content, so that a clone is cheap.
#[derive(Debug, Clone)]
pub struct Claims(Arc<Content>);

#[derive(Debug)]
struct Content {
    registered: Registered,
    /// All claims as they came: a JSON object that was read once.
    json: String,
    /// The same as a tree, from the moment at which somebody asks: most requests never do, and it costs a tenth of a signature.
    all: OnceLock<Map<String, Value>>,
}

/// The claims that are judged, or asked for by most.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) issuer: Text,
    pub(crate) subject: Text,
    pub(crate) audience: Audience,
    pub(crate) expires_at: UnixTime,
    pub(crate) not_before: Option<UnixTime>,
    pub(crate) issued_at: Option<UnixTime>,
    pub(crate) status: StatusClaim,
    pub(crate) roles: Vec<String>,
    /// `None` also if it is no text, where a profile allows that.
    pub(crate) client_id: Option<Text>,
    pub(crate) jti: Option<Text>,
    pub(crate) scope: Option<Text>,
}

/// Whom a token is meant for: mostly one.
#[derive(Debug)]
pub(crate) enum Audience {
    One(Text),
    Many(Vec<Text>),
}

/// A text of the claims. They are held as JSON anyway, and a copy of each text would cost as much as parsing does.
#[derive(Debug)]
pub(crate) enum Text {
    /// It stands here in the JSON.
    At(Range<usize>),
    /// It does not stand there as it is read, because of an escape.
    Own(Box<str>),
}

impl Text {
    /// `text` as it was read from `json`.
    pub(crate) fn of(json: &str, text: &str) -> Self {
        let from = text.as_ptr().addr().wrapping_sub(json.as_ptr().addr());
        let range = from..from.wrapping_add(text.len());
        // A text that was made anew lies elsewhere: then nothing is found, or something else.
        match json.get(range.clone()) {
            Some(found) if found == text => Self::At(range),
            _ => Self::Own(text.into()),
        }
    }

    fn of_json<'j>(&'j self, json: &'j str) -> &'j str {
        match self {
            // It has been there when this was made, and the two are kept together.
            Self::At(range) => json.get(range.clone()).unwrap_or_default(),
            Self::Own(text) => text,
        }
    }
}

impl Claims {
    /// `json` is the object that `registered` was read from.
    pub(crate) fn new(registered: Registered, json: String) -> Self {
        Self(Arc::new(Content {
            registered,
            json,
            all: OnceLock::new(),
        }))
    }

    /// How long the claims are as JSON.
    pub(crate) fn json_bytes(&self) -> usize {
        self.0.json.len()
    }

    fn read<'c>(&'c self, text: &'c Text) -> &'c str {
        text.of_json(&self.0.json)
    }

    /// `iss`: who issued the token.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.read(&self.0.registered.issuer)
    }

    /// `sub`: whom the token is about. Unique at its issuer only. Empty in a logout token that names a session only.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.read(&self.0.registered.subject)
    }

    /// `aud`: whom the token is meant for; never empty.
    pub fn audience(&self) -> impl Iterator<Item = &str> {
        let texts = match &self.0.registered.audience {
            Audience::One(one) => slice::from_ref(one),
            Audience::Many(many) => many,
        };
        texts.iter().map(|text| self.read(text))
    }

    /// `exp`: when the token ends to be good, without any leeway.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.0.registered.expires_at
    }

    /// `nbf`: when the token begins to be good.
    #[must_use]
    pub fn not_before(&self) -> Option<UnixTime> {
        self.0.registered.not_before
    }

    /// `iat`: when the token was issued.
    #[must_use]
    pub fn issued_at(&self) -> Option<UnixTime> {
        self.0.registered.issued_at
    }

    /// `status`: where it stands whether the token's grant has ended (draft-ietf-oauth-status-list §6.2).
    #[must_use]
    pub fn status(&self) -> &StatusClaim {
        &self.0.registered.status
    }

    /// `client_id`: the client the token was issued to (RFC 9068 §2.2).
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.0.registered.client_id.as_ref().map(|text| self.read(text))
    }

    /// `jti`: the token's own name.
    #[must_use]
    pub fn jti(&self) -> Option<&str> {
        self.0.registered.jti.as_ref().map(|text| self.read(text))
    }

    /// The scopes in `scope` (RFC 9068 §2.2.3, separated by spaces), in the order in which they came.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        let scope = self.0.registered.scope.as_ref();
        let scopes = scope.map_or("", |text| self.read(text));
        scopes.split(' ').filter(|scope| !scope.is_empty())
    }

    /// Whether [`scopes`](Self::scopes) contain exactly this one.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|one| one == scope)
    }

    /// The roles, from the claim that the verifier was
    /// [told to look in](crate::verifier::VerifierBuilder::roles_in); none if it was not.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.0.registered.roles
    }

    /// Whether [`roles`](Self::roles) contain exactly this one.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        !role.is_empty() && self.0.registered.roles.iter().any(|one| one == role)
    }

    /// Any claim, as it came.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.all().get(name)
    }

    /// All claims, as they came.
    #[must_use]
    pub fn all(&self) -> &Map<String, Value> {
        // Nothing is lost by the default: what was verified has been read as an object, by the same parser.
        let read = || serde_json::from_str(&self.0.json).unwrap_or_default();
        self.0.all.get_or_init(read)
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn a_text_is_found_where_it_stands_and_kept_where_it_does_not() {
        let json = r#"{"sub":"alice","iss":"\u0061lice"}"#;
        let standing = Text::of(json, &json[8..13]);
        assert!(matches!(&standing, Text::At(range) if *range == (8..13)));
        assert_eq!(standing.of_json(json), "alice");
        // Read from the escape: equal to what stands elsewhere, but not there.
        let made = Text::of(json, &String::from("alice"));
        assert!(matches!(&made, Text::Own(text) if **text == *"alice"));
        assert_eq!(made.of_json(json), "alice");
        assert_eq!(Text::of(json, "").of_json(json), "");
    }
}
