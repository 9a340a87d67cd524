//! How connections to an upstream are made.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use http::uri::{Authority, Scheme};
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;

use crate::pem::{self, PairFault, PemFault};

/// What an upstream is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: agreed upon by https, known beforehand by http.
    H2,
    /// What an https upstream prefers; HTTP/1.1 by http.
    Auto,
}

impl Protocol {
    /// Reads the word of the configuration.
    ///
    /// # Errors
    /// The rule, when it is another word.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "http1" => Ok(Self::Http1),
            "h2" => Ok(Self::H2),
            "auto" => Ok(Self::Auto),
            _ => Err("must be \"http1\", \"h2\" or \"auto\""),
        }
    }
}

/// What a connection is made to, and how. Routes that agree in all of it share connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Host and port.
    pub authority: Authority,
    /// The rest.
    pub connecting: Connecting,
}

/// How a route's connections are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connecting {
    /// What is spoken.
    pub protocol: Protocol,
    /// How long connecting may take, TLS included.
    pub timeout: Duration,
    /// What is special about its TLS.
    pub tls: Tls,
}

/// Whom TLS connections trust, and as whom they come. By default: whom this machine trusts, and as nobody.
#[derive(Clone, Default)]
pub struct Tls {
    authorities: Option<Arc<RootCertStore>>,
    identity: Option<Arc<CertifiedKey>>,
    server_name: Option<ServerName<'static>>,
    /// Of all that was read, so that two can be compared: a key cannot.
    digest: [u8; 32],
}

/// The texts of files in PEM, and a name.
#[derive(Debug, Default)]
pub struct TlsSource {
    /// Authorities that vouch for the upstream.
    pub authorities: Option<Vec<u8>>,
    /// Our certificate and those between it and its authority.
    pub certificate: Option<Vec<u8>>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Whose certificate the upstream has to show.
    pub server_name: Option<String>,
}

/// Why settings of TLS cannot be used; which of them.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// Of the authorities.
    #[error(transparent)]
    Authorities(PemFault),
    /// Of our certificate.
    #[error(transparent)]
    Certificate(PemFault),
    /// Of the key.
    #[error(transparent)]
    Key(PemFault),
    /// Of the name.
    #[error("must be a host name or an address")]
    ServerName,
}

impl Tls {
    /// Reads what the files hold. A certificate and a key come together; the caller has seen to that.
    ///
    /// # Errors
    /// All that cannot be used.
    pub fn read(source: &TlsSource) -> Result<Self, Vec<TlsFault>> {
        let authorities = source.authorities.as_deref().map(authorities).transpose();
        let identity = match (&source.certificate, &source.key) {
            (Some(certificate), Some(key)) => identity(certificate, key).map(Some),
            _ => Ok(None),
        };
        let server_name = source.server_name.clone().map(ServerName::try_from);
        let server_name = server_name.transpose().map_err(|_| TlsFault::ServerName);
        match (authorities, identity, server_name) {
            (Ok(authorities), Ok(identity), Ok(server_name)) => Ok(Self {
                authorities: authorities.map(Arc::new),
                identity: identity.map(Arc::new),
                server_name,
                digest: digest(source),
            }),
            (authorities, identity, server_name) => {
                let faults = [authorities.err(), identity.err(), server_name.err()];
                Err(faults.into_iter().flatten().collect())
            }
        }
    }

    /// The only authorities that are trusted, if not those of this machine.
    #[must_use]
    pub fn authorities(&self) -> Option<Arc<RootCertStore>> {
        self.authorities.clone()
    }

    /// As whom we come.
    #[must_use]
    pub fn identity(&self) -> Option<&CertifiedKey> {
        self.identity.as_deref()
    }

    /// Whose certificate the upstream has to show, if not that of the host in its URL.
    #[must_use]
    pub const fn server_name(&self) -> Option<&ServerName<'static>> {
        self.server_name.as_ref()
    }
}

fn authorities(text: &[u8]) -> Result<RootCertStore, TlsFault> {
    let mut store = RootCertStore::empty();
    for certificate in pem::certificates(text).map_err(TlsFault::Authorities)? {
        let added = store.add(certificate);
        added.map_err(|error| TlsFault::Authorities(PemFault::Certificate(error)))?;
    }
    Ok(store)
}

fn identity(certificate: &[u8], key: &[u8]) -> Result<CertifiedKey, TlsFault> {
    pem::pair(certificate, key).map_err(|fault| match fault {
        PairFault::Certificate(fault) => TlsFault::Certificate(fault),
        PairFault::Key(fault) => TlsFault::Key(fault),
    })
}

fn digest(source: &TlsSource) -> [u8; 32] {
    let parts = [
        source.authorities.as_deref(),
        source.certificate.as_deref(),
        source.key.as_deref(),
        source.server_name.as_deref().map(str::as_bytes),
    ];
    if parts.iter().all(Option::is_none) {
        return [0; 32];
    }
    let mut context = Context::new(&SHA256);
    for part in parts {
        let part = part.unwrap_or_default();
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Tls {}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("has_authorities", &self.authorities.is_some())
            .field("has_identity", &self.identity.is_some())
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}
