//! The registered clients: who may ask for tokens, how, and for what.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use url::Url;

use crate::scope::ScopeSet;

pub(crate) mod assertion;
pub(crate) mod authentication;
pub(crate) mod credentials;
pub(crate) mod redirect_uri;
pub(crate) mod registry;
pub(crate) mod resource;

pub use crate::key::SigningAlgorithm;
pub(crate) use credentials::{
    ASSERTION_ALGORITHMS, AssertionKeys, ClientSecret, Credentials, KeySource, Kind, SecretWay, Secrets,
};
pub use redirect_uri::RedirectUri;
pub use resource::{Resource, Resources};

/// RFC 6749 appendix A.1.
pub(crate) fn is_client_id(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

/// A registered OAuth client.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its `client_id`.
    pub id: String,
    /// How pages call it.
    pub name: String,
    /// Whether it can keep a secret, and how it proves who it is.
    pub(crate) kind: Kind,
    /// Where its codes may be sent.
    pub redirect_uris: Vec<RedirectUri>,
    /// Where its users may land after signing out; compared byte for byte.
    pub post_logout_redirect_uris: Vec<String>,
    /// Where it is told of sign-outs, if it wants to be.
    pub back_channel: Option<BackChannel>,
    /// The grants it may use.
    pub grants: Vec<Grant>,
    /// The most it may ask for.
    pub scopes: ScopeSet,
    /// What its access tokens may be for.
    pub resources: Resources,
    /// Whether its authorization requests need a `code_challenge` (RFC 7636); always for public clients.
    pub require_pkce: bool,
    /// Whether its authorization requests have to be pushed (RFC 9126 §6).
    pub require_pushed_requests: bool,
    /// Whether its users are asked.
    pub consent: Consent,
    /// How its tokens are signed.
    pub signing: ClientSigning,
}

/// How the tokens of a client are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientSigning {
    /// `id_token_signed_response_alg` (OIDC Dynamic Client Registration §2).
    pub id_token: SigningAlgorithm,
    /// What the APIs verify that it calls.
    pub access_token: SigningAlgorithm,
}

impl Default for ClientSigning {
    fn default() -> Self {
        Self {
            id_token: SigningAlgorithm::Es256,
            access_token: SigningAlgorithm::Es256,
        }
    }
}

/// Whether users are asked before a client gets what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// No: it belongs to those who run this server.
    None,
    /// Whenever it wants more than they have allowed it before.
    Required,
}

/// How a client is told of sign-outs (OpenID Connect Back-Channel Logout 1.0 §2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackChannel {
    /// `backchannel_logout_uri`.
    pub uri: Url,
    /// `backchannel_logout_session_required`; every notification names the session, whether this says so or not.
    pub session_required: bool,
}

/// A way to get tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// RFC 6749 §4.1, with PKCE.
    AuthorizationCode,
    /// RFC 6749 §6.
    RefreshToken,
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 8693 §2.1.
    TokenExchange,
}

impl Grant {
    /// All of them, in the order in which the metadata lists them.
    pub const ALL: [Self; 4] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientCredentials,
        Self::TokenExchange,
    ];

    /// The value of `grant_type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }

    /// The grant of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == name)
    }
}

impl Client {
    /// Whether it runs on somebody's device and has no secret.
    #[must_use]
    pub fn is_public(&self) -> bool {
        matches!(self.kind, Kind::Public)
    }

    /// Its `token_endpoint_auth_method`; `None` when its secret may come either way.
    #[must_use]
    pub fn authentication_method(&self) -> Option<&'static str> {
        self.kind.method()
    }

    /// Whether it has this grant.
    #[must_use]
    pub fn may_use(&self, grant: Grant) -> bool {
        self.grants.contains(&grant)
    }

    /// Whether its authorization requests need PKCE: nothing but PKCE ties a code to a public client.
    pub(crate) fn needs_pkce(&self) -> bool {
        self.require_pkce || self.is_public()
    }

    /// What the client may still have of a scope granted earlier: the registration may have been narrowed since.
    pub(crate) fn still_allows(&self, granted: &ScopeSet) -> ScopeSet {
        granted.common_with(&self.scopes)
    }

    /// Whether a request may have its answer sent to this URI.
    #[must_use]
    pub fn allows_redirect_to(&self, presented: &str) -> bool {
        self.redirect_uris.iter().any(|uri| uri.matches(presented))
    }

    /// Whether a signed-out browser may be sent to this URI.
    #[must_use]
    pub fn allows_post_logout_redirect_to(&self, presented: &str) -> bool {
        self.post_logout_redirect_uris.iter().any(|uri| uri == presented)
    }
}

/// The clients by their id.
#[derive(Clone, Default)]
pub struct Clients(HashMap<String, Arc<Client>>);

impl Clients {
    pub(crate) fn new(clients: Vec<Client>) -> Self {
        Self(
            clients
                .into_iter()
                .map(|client| (client.id.clone(), Arc::new(client)))
                .collect(),
        )
    }

    /// The client of that id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Client> {
        self.0.get(id).map(Arc::as_ref)
    }

    pub(crate) fn insert(&mut self, client: Client) {
        self.0.insert(client.id.clone(), Arc::new(client));
    }

    /// The same, to be kept.
    pub(crate) fn find_shared(&self, id: &str) -> Option<Arc<Client>> {
        self.0.get(id).cloned()
    }

    /// The algorithms that sign for them.
    pub(crate) fn algorithms(&self) -> Vec<SigningAlgorithm> {
        let is_used = |algorithm: &SigningAlgorithm| {
            let mut signing = self.iter().map(|client| client.signing);
            signing.any(|signing| [signing.id_token, signing.access_token].contains(algorithm))
        };
        SigningAlgorithm::ALL.into_iter().filter(is_used).collect()
    }

    /// All of them, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Client> {
        self.0.values().map(Arc::as_ref)
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
impl Client {
    /// A confidential client with the secret "secret" that may do everything.
    pub(crate) fn for_tests(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: id.to_owned(),
            kind: Kind::with_secret("secret"),
            redirect_uris: vec![RedirectUri::parse("https://app.example/cb", false).unwrap()],
            post_logout_redirect_uris: vec!["https://app.example/".to_owned()],
            back_channel: None,
            grants: Grant::ALL.to_vec(),
            scopes: ScopeSet::parse("openid profile email offline_access notes:read").unwrap(),
            resources: Resources {
                user_info: "https://op.example".to_owned(),
                default: Resource::undescribed("https://notes.example"),
                others: Vec::new(),
            },
            require_pkce: true,
            require_pushed_requests: false,
            signing: ClientSigning::default(),
            consent: Consent::None,
        }
    }
}
