use std::net::IpAddr;

use url::{Host, Url};

/// The address of an issuer, in the very form that its tokens carry in `iss`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    url: Url,
}

/// Why a text is no issuer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIssuer {
    /// Not an absolute `http` or `https` address with a host.
    #[error("must be an https address")]
    NotAnAddress,
    /// RFC 8414 §2 allows neither query nor fragment; a user name has no meaning here.
    #[error("must have no user name, query or fragment")]
    Excess,
    /// Another spelling of the address it means: tokens are compared byte for byte.
    #[error("must be spelled {0:?}")]
    Spelling(String),
    /// Keys that come over plain HTTP can be exchanged by anyone on the way.
    #[error("must be https, or http on this machine (token.issuer_over_http = true allows it elsewhere)")]
    Insecure,
}

impl Issuer {
    /// Reads an issuer; `over_http` allows plain HTTP to another machine.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn parse(text: &str, over_http: bool) -> Result<Self, InvalidIssuer> {
        let url = Url::parse(text).map_err(|_| InvalidIssuer::NotAnAddress)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(InvalidIssuer::NotAnAddress);
        }
        let plain = url.username().is_empty() && url.password().is_none();
        if !plain || url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidIssuer::Excess);
        }
        let canonical = url.as_str();
        let without_slash = canonical.strip_suffix('/').filter(|_| url.path() == "/");
        if text != canonical && Some(text) != without_slash {
            return Err(InvalidIssuer::Spelling(
                without_slash.unwrap_or(canonical).to_owned(),
            ));
        }
        if url.scheme() == "http" && !over_http && !is_this_machine(&url) {
            return Err(InvalidIssuer::Insecure);
        }
        Ok(Self {
            text: text.to_owned(),
            url,
        })
    }

    /// The issuer as tokens name it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The issuer as an address.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }
}

pub(super) fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}
