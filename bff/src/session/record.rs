use std::sync::Arc;

use resource_server::time::UnixTime;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::device::Device;
use super::lifetime::Times;
use super::store::Revision;
use super::tokens::{AccessToken, IdToken, IssuedToken, RefreshToken, Target, TokenSet};
use super::{SessionId, SessionKey};

/// What a session is about: who signed in, and the tokens. Sealed wherever it rests.
#[derive(Debug, Clone)]
pub struct SessionContent {
    /// `sub` of the ID token.
    pub subject: String,
    /// `sid` of the ID token: the provider's name for its own session.
    pub provider_sid: Option<String>,
    /// What the ID token and userinfo said of the user, without the protocol's own claims.
    pub claims: Map<String, Value>,
    /// The tokens.
    pub tokens: TokenSet,
}

/// A live session that was found by its ticket and opened.
#[derive(Debug, Clone)]
pub struct OpenSession {
    /// The browser's secret; needed to seal what is written next.
    pub id: SessionId,
    /// The session's name.
    pub key: SessionKey,
    /// The revision that was read, which the next write names.
    pub revision: Revision,
    /// The instants that decide about its life.
    pub times: Times,
    /// When it ends if nobody uses it from now on.
    pub lives_until: UnixTime,
    /// Who and with which tokens; shared, since many requests hold the same.
    pub content: Arc<SessionContent>,
}

/// What is shown of a session to its user and to operators. Sealed under the key ring alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// `sub` of the ID token.
    pub subject: String,
    /// The device that signed in.
    #[serde(default)]
    pub device: Device,
}

/// The newest version of [`WireContent`] that this program knows.
const VERSION: u8 = 2;

/// The sealed form of a session's content.
///
/// Its version stands inside the seal, because the vault's own version byte is about the seal, which login states and
/// summaries share. 1 (written without a number) holds the login's access token; 2 adds when that was obtained, and the
/// access tokens of other targets. Additions have a default, so that during an update the nodes that still run the
/// program before read what the new ones write: they drop what they do not know, and it is fetched again. A change that
/// an older program would misread takes a number that it refuses.
#[derive(Serialize, Deserialize)]
pub(in crate::session) struct WireContent {
    #[serde(default = "first_version")]
    version: u8,
    sub: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    claims: Map<String, Value>,
    #[serde(flatten)]
    access: WireAccess,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    others: Vec<WireOther>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_expires_at: Option<UnixTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct WireAccess {
    access_token: String,
    /// Version 1 does not say: long ago.
    #[serde(default = "long_ago")]
    obtained_at: UnixTime,
    refresh_from: UnixTime,
    expires_at: UnixTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct WireOther {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    for_audience: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    for_scope: Option<String>,
    #[serde(flatten)]
    access: WireAccess,
}

/// The version alone, which is looked at before anything else is.
#[derive(Deserialize)]
struct WireVersion {
    #[serde(default = "first_version")]
    version: u8,
}

const fn first_version() -> u8 {
    1
}

const fn long_ago() -> UnixTime {
    UnixTime::from_secs(0)
}

/// Why a content that was opened cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum ContentError {
    /// A later program wrote it.
    UnknownVersion(u8),
    /// No program wrote this.
    Malformed,
}

impl WireContent {
    /// Reads what was sealed.
    pub(in crate::session) fn parse(plain: &[u8]) -> Result<Self, ContentError> {
        let WireVersion { version } = serde_json::from_slice(plain).map_err(|_| ContentError::Malformed)?;
        if version > VERSION {
            return Err(ContentError::UnknownVersion(version));
        }
        serde_json::from_slice(plain).map_err(|_| ContentError::Malformed)
    }
}

impl From<&SessionContent> for WireContent {
    fn from(content: &SessionContent) -> Self {
        let tokens = &content.tokens;
        let others = tokens.others.iter().map(|(target, held)| WireOther {
            for_audience: target.audience.clone(),
            for_scope: target.scope.clone(),
            access: held.into(),
        });
        Self {
            version: VERSION,
            sub: content.subject.clone(),
            sid: content.provider_sid.clone(),
            claims: content.claims.clone(),
            access: (&tokens.access).into(),
            others: others.collect(),
            refresh_token: tokens
                .refresh_token
                .as_ref()
                .map(|token| token.expose().to_owned()),
            refresh_expires_at: tokens.refresh_expires_at,
            id_token: tokens.id_token.as_ref().map(|token| token.expose().to_owned()),
        }
    }
}

impl From<WireContent> for SessionContent {
    fn from(content: WireContent) -> Self {
        let others = content.others.into_iter().map(|other| {
            let target = Target {
                audience: other.for_audience,
                scope: other.for_scope,
            };
            (target, other.access.into())
        });
        Self {
            subject: content.sub,
            provider_sid: content.sid,
            claims: content.claims,
            tokens: TokenSet {
                access: content.access.into(),
                others: others.collect(),
                refresh_token: content.refresh_token.map(RefreshToken::new),
                refresh_expires_at: content.refresh_expires_at,
                id_token: content.id_token.map(IdToken::new),
            },
        }
    }
}

impl From<&IssuedToken> for WireAccess {
    fn from(issued: &IssuedToken) -> Self {
        Self {
            access_token: issued.token.expose().to_owned(),
            obtained_at: issued.obtained_at,
            refresh_from: issued.refresh_from,
            expires_at: issued.expires_at,
            scope: issued.scope.clone(),
        }
    }
}

impl From<WireAccess> for IssuedToken {
    fn from(access: WireAccess) -> Self {
        Self {
            token: AccessToken::new(access.access_token),
            obtained_at: access.obtained_at,
            refresh_from: access.refresh_from,
            expires_at: access.expires_at,
            scope: access.scope,
        }
    }
}
