//! What a verified token says.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::status::StatusClaim;
use crate::time::UnixTime;

/// The claims of a token that was verified; only a [`crate::verifier::Verifier`] makes one.
///
/// Copies share their content, so that a clone is cheap.
#[derive(Debug, Clone)]
pub struct Claims(Arc<Content>);

#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audience: Vec<String>,
    pub(crate) expires_at: UnixTime,
    pub(crate) not_before: Option<UnixTime>,
    pub(crate) issued_at: Option<UnixTime>,
    pub(crate) status: StatusClaim,
    pub(crate) roles: Vec<String>,
    pub(crate) all: Map<String, Value>,
}

impl Claims {
    pub(crate) fn new(content: Content) -> Self {
        Self(Arc::new(content))
    }

    /// `iss`: who issued the token.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// `sub`: whom the token is about. Unique at its issuer only. Empty in a logout token that names a session only.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// `aud`: whom the token is meant for; never empty.
    #[must_use]
    pub fn audience(&self) -> &[String] {
        &self.0.audience
    }

    /// `exp`: when the token ends to be good, without any leeway.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.0.expires_at
    }

    /// `nbf`: when the token begins to be good.
    #[must_use]
    pub fn not_before(&self) -> Option<UnixTime> {
        self.0.not_before
    }

    /// `iat`: when the token was issued.
    #[must_use]
    pub fn issued_at(&self) -> Option<UnixTime> {
        self.0.issued_at
    }

    /// `status`: where it stands whether the token's grant has ended (draft-ietf-oauth-status-list §6.2).
    #[must_use]
    pub fn status(&self) -> &StatusClaim {
        &self.0.status
    }

    /// `client_id`: the client the token was issued to (RFC 9068 §2.2).
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.text("client_id")
    }

    /// `jti`: the token's own name.
    #[must_use]
    pub fn jti(&self) -> Option<&str> {
        self.text("jti")
    }

    /// The scopes in `scope` (RFC 9068 §2.2.3, separated by spaces), in the order in which they came.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        let scopes = self.text("scope").unwrap_or_default();
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
        &self.0.roles
    }

    /// Whether [`roles`](Self::roles) contain exactly this one.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        !role.is_empty() && self.0.roles.iter().any(|one| one == role)
    }

    /// Any claim, as it came.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.all.get(name)
    }

    /// All claims, as they came.
    #[must_use]
    pub fn all(&self) -> &Map<String, Value> {
        &self.0.all
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }
}
