//! What a client is registered to prove itself with.

use resource_server::jwks::KeySet;
use resource_server::time::UnixTime;
use resource_server::verifier::Algorithm;
use url::Url;

use crate::secret::Digest;

/// Whether a client can keep a secret (RFC 6749 §2.1).
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Runs on a server.
    Confidential(Credentials),
    /// Runs on somebody's device.
    Public,
}

/// How a confidential client proves who it is. It has one way: whoever steals what another way needs has nothing.
#[derive(Debug, Clone)]
pub(crate) enum Credentials {
    /// With a secret that both sides know.
    Secrets(Secrets),
    /// With a signature (`private_key_jwt`).
    Keys(AssertionKeys),
}

/// The secrets of a client, of which there are several while one takes over from another.
#[derive(Debug, Clone)]
pub(crate) struct Secrets {
    /// How the secret has to come; `None`: either way.
    pub(crate) way: Option<SecretWay>,
    pub(crate) known: Vec<ClientSecret>,
}

/// Where in a request a secret stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecretWay {
    /// `client_secret_basic`.
    Basic,
    /// `client_secret_post`.
    Post,
}

/// One secret; what is kept of it is a digest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientSecret {
    pub(crate) digest: Digest,
    /// From when on it counts no more.
    pub(crate) ends: Option<UnixTime>,
}

/// The keys that a client signs assertions with.
#[derive(Debug, Clone)]
pub(crate) struct AssertionKeys {
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) source: KeySource,
}

/// Where a client's public keys are.
#[derive(Debug, Clone)]
pub(crate) enum KeySource {
    /// In its registration.
    Registered(KeySet),
    /// Published by the client.
    Published(Url),
}

/// The algorithms that assertions may be signed with.
pub(crate) const ASSERTION_ALGORITHMS: [Algorithm; 4] = [
    Algorithm::Es256,
    Algorithm::EdDsa,
    Algorithm::Rs256,
    Algorithm::Ps256,
];

impl Kind {
    /// The value of `token_endpoint_auth_method`; `None` when it is left to the client which way its secret comes.
    pub(crate) fn method(&self) -> Option<&'static str> {
        match self {
            Self::Public => Some("none"),
            Self::Confidential(Credentials::Keys(_)) => Some("private_key_jwt"),
            Self::Confidential(Credentials::Secrets(secrets)) => secrets.way.map(|way| match way {
                SecretWay::Basic => "client_secret_basic",
                SecretWay::Post => "client_secret_post",
            }),
        }
    }
}

impl Secrets {
    /// Whether this is one of them. Every one is compared, so that the time taken tells nothing of which it is.
    pub(crate) fn include(&self, presented: &Digest, way: SecretWay, now: UnixTime) -> bool {
        let is_known = self.known.iter().fold(false, |found, secret| {
            let counts = secret.ends.is_none_or(|ends| now < ends);
            (secret.digest.matches(presented) & counts) | found
        });
        is_known & self.way.is_none_or(|registered| registered == way)
    }
}

#[cfg(test)]
impl Kind {
    /// A client with one secret, which may come either way.
    pub(crate) fn with_secret(secret: &str) -> Self {
        Self::Confidential(Credentials::Secrets(Secrets {
            way: None,
            known: vec![ClientSecret {
                digest: Digest::of(secret.as_bytes()),
                ends: None,
            }],
        }))
    }
}
