//! The provider's metadata (OpenID Connect Discovery 1.0 §3, RFC 8414 §2) and what is required of it.

use resource_server::key_cache::KeyCache;
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::error::ProviderError;
use crate::errors::chain;
use crate::outage::Outage;
use crate::telemetry;

/// Metadata that has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The issuer, equal to the configured one byte for byte.
    pub issuer: String,
    /// Where a login begins.
    pub authorization_endpoint: Url,
    /// Where codes and refresh tokens are exchanged.
    pub token_endpoint: Url,
    /// Where the signing keys are.
    pub jwks_uri: Url,
    /// Where more claims are, if anywhere.
    pub userinfo_endpoint: Option<Url>,
    /// RFC 7009, if supported.
    pub revocation_endpoint: Option<Url>,
    /// RP-initiated logout, if supported.
    pub end_session_endpoint: Option<Url>,
    /// RFC 9207: whether every answer names its issuer, so that one without is a forgery.
    pub answers_with_issuer: bool,
}

/// The metadata together with the keys it points to.
#[derive(Debug)]
pub struct Discovered {
    /// The metadata.
    pub metadata: Metadata,
    /// The signing keys.
    pub keys: KeyCache,
}

/// Why a metadata document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// Not JSON, or a required member is missing or of the wrong type.
    #[error("the provider's metadata is not what OpenID Connect Discovery asks for: {0}")]
    Malformed(#[source] serde_json::Error),
    /// It speaks for somebody else.
    #[error("the provider's metadata names the issuer {found:?} instead of {expected:?}")]
    OtherIssuer {
        /// What the configuration says.
        expected: String,
        /// What the document says.
        found: String,
    },
    /// An endpoint that is not http or https, has a fragment, or is plain http although the issuer is not.
    #[error("the provider's metadata has an unusable {0}")]
    UnusableEndpoint(&'static str),
    /// The provider says that it does not do PKCE with S256.
    #[error("the provider lists PKCE methods without S256")]
    NoPkce,
}

#[derive(Deserialize)]
struct WireMetadata {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
    userinfo_endpoint: Option<Url>,
    revocation_endpoint: Option<Url>,
    end_session_endpoint: Option<Url>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    code_challenge_methods_supported: Option<Vec<String>>,
}

impl Metadata {
    /// Reads a metadata document of the provider at `issuer`.
    ///
    /// # Errors
    /// See [`MetadataError`].
    pub fn parse(document: &[u8], issuer: &str) -> Result<Self, MetadataError> {
        let wire: WireMetadata = serde_json::from_slice(document).map_err(MetadataError::Malformed)?;
        if wire.issuer != issuer {
            return Err(MetadataError::OtherIssuer {
                expected: issuer.to_owned(),
                found: wire.issuer,
            });
        }
        if let Some(methods) = &wire.code_challenge_methods_supported
            && !methods.iter().any(|method| method == "S256")
        {
            return Err(MetadataError::NoPkce);
        }
        let https = issuer.starts_with("https:");
        Ok(Self {
            issuer: wire.issuer,
            authorization_endpoint: usable("authorization_endpoint", wire.authorization_endpoint, https)?,
            token_endpoint: usable("token_endpoint", wire.token_endpoint, https)?,
            jwks_uri: usable("jwks_uri", wire.jwks_uri, https)?,
            userinfo_endpoint: optional("userinfo_endpoint", wire.userinfo_endpoint, https)?,
            revocation_endpoint: optional("revocation_endpoint", wire.revocation_endpoint, https)?,
            end_session_endpoint: optional("end_session_endpoint", wire.end_session_endpoint, https)?,
            answers_with_issuer: wire.authorization_response_iss_parameter_supported,
        })
    }
}

fn optional(name: &'static str, url: Option<Url>, https: bool) -> Result<Option<Url>, MetadataError> {
    url.map(|url| usable(name, url, https)).transpose()
}

fn usable(name: &'static str, url: Url, https: bool) -> Result<Url, MetadataError> {
    let scheme_fits = url.scheme() == "https" || (url.scheme() == "http" && !https);
    if scheme_fits && url.has_host() && url.fragment().is_none() {
        Ok(url)
    } else {
        Err(MetadataError::UnusableEndpoint(name))
    }
}

/// Where the document is: `{issuer}/.well-known/openid-configuration`, a trailing slash of the issuer dropped
/// (OpenID Connect Discovery 1.0 §4.1).
pub(super) fn document_url(issuer: &Url) -> String {
    format!(
        "{}/.well-known/openid-configuration",
        issuer.as_str().trim_end_matches('/')
    )
}

/// Tells the log that the metadata cannot be had, and when that is over.
pub(super) fn tell<T>(outage: &Outage, discovered: &Result<T, ProviderError>) {
    match discovered {
        Ok(_) => {
            if let Some(lasted) = outage.worked(Instant::now()) {
                let duration_ms = telemetry::millis(lasted);
                tracing::info!(duration_ms, "the provider's metadata has been had");
            }
        }
        Err(error) => {
            let error = chain(error);
            if outage.failed(Instant::now(), &error) {
                tracing::warn!(error, "the provider's metadata cannot be had; nobody can sign in");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn document() -> Value {
        json!({
            "issuer": "https://op.example",
            "authorization_endpoint": "https://op.example/authorize",
            "token_endpoint": "https://op.example/token",
            "jwks_uri": "https://op.example/jwks",
            "code_challenge_methods_supported": ["S256"],
        })
    }

    fn parse(document: &Value) -> Result<Metadata, MetadataError> {
        Metadata::parse(document.to_string().as_bytes(), "https://op.example")
    }

    #[test]
    fn a_minimal_document_is_enough() {
        let metadata = parse(&document()).unwrap();
        assert_eq!(metadata.token_endpoint.as_str(), "https://op.example/token");
        assert!(metadata.revocation_endpoint.is_none() && !metadata.answers_with_issuer);
    }

    /// Checklist 9.
    #[test]
    fn another_issuer_is_refused_even_if_only_a_slash_differs() {
        for issuer in [
            "https://evil.example",
            "https://op.example/",
            "HTTPS://op.example",
        ] {
            let mut document = document();
            document["issuer"] = json!(issuer);
            assert!(
                matches!(parse(&document), Err(MetadataError::OtherIssuer { .. })),
                "{issuer}"
            );
        }
    }

    #[test]
    fn missing_members_and_unusable_endpoints_are_refused() {
        for member in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
            let mut missing = document();
            missing.as_object_mut().unwrap().remove(member);
            assert!(
                matches!(parse(&missing), Err(MetadataError::Malformed(_))),
                "{member}"
            );
            for endpoint in [
                "javascript:alert(1)",
                "file:///etc/passwd",
                "http://op.example/x",
                "https://op.example/x#y",
            ] {
                let mut unusable = document();
                unusable[member] = json!(endpoint);
                assert!(
                    matches!(parse(&unusable), Err(MetadataError::UnusableEndpoint(_))),
                    "{member} {endpoint}"
                );
            }
        }
    }

    #[test]
    fn a_provider_without_s256_is_refused() {
        let mut document = document();
        document["code_challenge_methods_supported"] = json!(["plain"]);
        assert!(matches!(parse(&document), Err(MetadataError::NoPkce)));
    }

    #[test]
    fn the_document_of_an_issuer_with_a_path_is_below_that_path() {
        let url = Url::parse("https://op.example/tenant/").unwrap();
        assert_eq!(
            document_url(&url),
            "https://op.example/tenant/.well-known/openid-configuration"
        );
    }
}
