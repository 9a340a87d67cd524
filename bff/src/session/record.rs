use std::sync::Arc;

use resource_server::time::UnixTime;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::device::Device;
use super::lifetime::Times;
use super::store::Revision;
use super::tokens::{AccessToken, IdToken, RefreshToken, TokenSet};
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

/// The sealed form, version 1. Fields are only ever added, each with a default.
#[derive(Serialize, Deserialize)]
pub(in crate::session) struct ContentV1 {
    sub: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    claims: Map<String, Value>,
    access_token: String,
    refresh_from: UnixTime,
    expires_at: UnixTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_expires_at: Option<UnixTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

impl From<&SessionContent> for ContentV1 {
    fn from(content: &SessionContent) -> Self {
        let tokens = &content.tokens;
        Self {
            sub: content.subject.clone(),
            sid: content.provider_sid.clone(),
            claims: content.claims.clone(),
            access_token: tokens.access_token.expose().to_owned(),
            refresh_from: tokens.refresh_from,
            expires_at: tokens.expires_at,
            refresh_token: tokens
                .refresh_token
                .as_ref()
                .map(|token| token.expose().to_owned()),
            refresh_expires_at: tokens.refresh_expires_at,
            id_token: tokens.id_token.as_ref().map(|token| token.expose().to_owned()),
            scope: tokens.scope.clone(),
        }
    }
}

impl From<ContentV1> for SessionContent {
    fn from(content: ContentV1) -> Self {
        Self {
            subject: content.sub,
            provider_sid: content.sid,
            claims: content.claims,
            tokens: TokenSet {
                access_token: AccessToken::new(content.access_token),
                refresh_from: content.refresh_from,
                expires_at: content.expires_at,
                refresh_token: content.refresh_token.map(RefreshToken::new),
                refresh_expires_at: content.refresh_expires_at,
                id_token: content.id_token.map(IdToken::new),
                scope: content.scope,
            },
        }
    }
}
