//! Where Redis is, in each of its three forms, and how a connection to one of its servers is set up.

use std::fmt;
use std::time::Duration;

use deadpool_redis::redis::cluster::{ClusterClient, ClusterClientBuilder};
use deadpool_redis::redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use deadpool_redis::redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
    RedisResult, TlsCertificates,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

/// When a silent connection is probed, and how often before it counts as broken.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// A cluster asks again by itself while slots move; the deadline of the whole command bounds it.
const CLUSTER_RETRIES: u32 = 8;
const CLUSTER_RETRY_WAIT_MILLIS: std::ops::Range<u64> = 10..100;

/// Why an address cannot be used; the text does not quote what may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum RedisAddressError {
    /// Not a Redis URL.
    #[error("is not a Redis URL such as redis://user:password@host:6379/0, or rediss:// for TLS")]
    NotAUrl,
    /// A URL that would switch the verification of the server's name off.
    #[error("must not have a fragment: the server's name is always verified")]
    Fragment,
    /// Not the address of one server of several.
    #[error("must be redis://host:port or rediss://host:port, without user, password and path")]
    NotANode,
    /// Plain and encrypted servers together.
    #[error("must be all redis:// or all rediss://")]
    MixedSchemes,
    /// Nobody to ask.
    #[error("must name at least one server")]
    NoNodes,
    /// A CA without a connection that uses it.
    #[error("is for rediss:// addresses only")]
    CaWithoutTls,
    /// No certificates.
    #[error("holds no certificates in PEM")]
    NoCertificates,
}

/// The certificates of the authority that vouches for the servers; without it the machine's own roots do.
#[derive(Debug, Clone)]
pub struct CertificateAuthority(Vec<u8>);

impl CertificateAuthority {
    /// Reads certificates in PEM.
    ///
    /// # Errors
    /// When there is none, or one is broken.
    pub fn parse(pem: Vec<u8>) -> Result<Self, RedisAddressError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        match certificates {
            Ok(certificates) if !certificates.is_empty() => Ok(Self(pem)),
            _ => Err(RedisAddressError::NoCertificates),
        }
    }
}

/// The address of one server of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAddress {
    host: String,
    port: u16,
    is_encrypted: bool,
}

impl NodeAddress {
    /// Reads `redis://host:port` or `rediss://host:port`.
    ///
    /// # Errors
    /// When it is something else, or holds more.
    pub fn parse(text: &str) -> Result<Self, RedisAddressError> {
        let url = Url::parse(text).map_err(|_| RedisAddressError::NotANode)?;
        let is_bare = url.username().is_empty()
            && url.password().is_none()
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none();
        let host = match url.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => return Err(RedisAddressError::NotANode),
        };
        match (url.scheme(), url.port()) {
            (scheme @ ("redis" | "rediss"), Some(port)) if is_bare && !host.is_empty() => Ok(Self {
                host,
                port,
                is_encrypted: scheme == "rediss",
            }),
            _ => Err(RedisAddressError::NotANode),
        }
    }
}

/// Who this program is to a server.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// The ACL user; `default` without it.
    pub username: Option<String>,
    /// The user's password.
    pub password: Option<SecretString>,
}

impl Credentials {
    #[expect(
        clippy::disallowed_methods,
        reason = "the settings of a connection hold the password, and their owner shows none of them"
    )]
    fn settings(&self, database: i64) -> RedisConnectionInfo {
        let mut settings = settings(RedisConnectionInfo::default()).set_db(database);
        if let Some(username) = &self.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password.expose_secret());
        }
        settings
    }
}

/// How connections to servers that are found out later are set up.
#[derive(Clone)]
pub(super) struct Servers {
    is_encrypted: bool,
    authority: Option<CertificateAuthority>,
    settings: RedisConnectionInfo,
    tcp: TcpSettings,
}

impl Servers {
    fn new(
        nodes: &[NodeAddress],
        authority: Option<&CertificateAuthority>,
        settings: RedisConnectionInfo,
        timeout: Duration,
    ) -> Result<Self, RedisAddressError> {
        let is_encrypted = nodes.first().ok_or(RedisAddressError::NoNodes)?.is_encrypted;
        if nodes.iter().any(|node| node.is_encrypted != is_encrypted) {
            return Err(RedisAddressError::MixedSchemes);
        }
        if authority.is_some() && !is_encrypted {
            return Err(RedisAddressError::CaWithoutTls);
        }
        Ok(Self {
            is_encrypted,
            authority: authority.cloned(),
            settings,
            tcp: tcp(timeout),
        })
    }

    /// One of the servers.
    pub(super) fn at(&self, host: &str, port: u16) -> RedisResult<ConnectionInfo> {
        let address = if self.is_encrypted {
            ConnectionAddr::TcpTls {
                host: host.to_owned(),
                port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(host.to_owned(), port)
        };
        let info = address
            .into_connection_info()?
            .set_tcp_settings(self.tcp.clone())
            .set_redis_settings(self.settings.clone());
        trusting(info, self.authority.as_ref())
    }

    fn all(&self, nodes: &[NodeAddress]) -> Result<Vec<ConnectionInfo>, RedisAddressError> {
        let all = nodes.iter().map(|node| self.at(&node.host, node.port));
        all.collect::<RedisResult<_>>()
            .map_err(|_| RedisAddressError::NotANode)
    }
}

/// The form of a Redis.
pub(super) enum Topology {
    /// One server.
    Standalone(ConnectionInfo),
    /// A master that sentinels know, and replace when it fails.
    Sentinel {
        sentinels: Vec<ConnectionInfo>,
        master: String,
        servers: Servers,
    },
    /// Several masters that share the sessions.
    Cluster {
        nodes: Vec<ConnectionInfo>,
        client: Box<ClusterClient>,
        servers: Servers,
    },
}

/// Where Redis is, parsed. It holds the password, so it shows itself nowhere.
pub struct RedisAddress {
    pub(super) topology: Box<Topology>,
    /// Bounds connecting and each answer.
    pub(super) timeout: Duration,
}

impl RedisAddress {
    /// One server, by a URL that holds user, password and database.
    ///
    /// # Errors
    /// When it is not a Redis URL, or a CA is given for one without TLS.
    pub fn standalone(
        url: &str,
        authority: Option<&CertificateAuthority>,
        timeout: Duration,
    ) -> Result<Self, RedisAddressError> {
        if url.contains('#') {
            return Err(RedisAddressError::Fragment);
        }
        let info = url
            .into_connection_info()
            .map_err(|_| RedisAddressError::NotAUrl)?;
        if authority.is_some() && !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            return Err(RedisAddressError::CaWithoutTls);
        }
        let settings = settings(info.redis_settings().clone());
        let info = info.set_redis_settings(settings).set_tcp_settings(tcp(timeout));
        let info = trusting(info, authority).map_err(|_| RedisAddressError::NoCertificates)?;
        Ok(Self {
            topology: Box::new(Topology::Standalone(info)),
            timeout,
        })
    }

    /// The master that these sentinels call `master`. It is reached as they are: with TLS, or without.
    ///
    /// # Errors
    /// When the sentinels contradict each other or the CA.
    pub fn sentinel(
        sentinels: &[NodeAddress],
        at_sentinels: &Credentials,
        master: String,
        (at_servers, database): (&Credentials, i64),
        authority: Option<&CertificateAuthority>,
        timeout: Duration,
    ) -> Result<Self, RedisAddressError> {
        let servers = |settings| Servers::new(sentinels, authority, settings, timeout);
        Ok(Self {
            topology: Box::new(Topology::Sentinel {
                sentinels: servers(at_sentinels.settings(0))?.all(sentinels)?,
                master,
                servers: servers(at_servers.settings(database))?,
            }),
            timeout,
        })
    }

    /// The cluster to which these servers belong; the others are found out.
    ///
    /// # Errors
    /// When the servers contradict each other or the CA.
    pub fn cluster(
        nodes: &[NodeAddress],
        credentials: &Credentials,
        authority: Option<&CertificateAuthority>,
        timeout: Duration,
    ) -> Result<Self, RedisAddressError> {
        let servers = Servers::new(nodes, authority, credentials.settings(0), timeout)?;
        let nodes = servers.all(nodes)?;
        let mut builder = ClusterClientBuilder::new(nodes.clone())
            .connection_timeout(timeout)
            .response_timeout(timeout)
            .overall_response_timeout(Some(timeout))
            .retries(CLUSTER_RETRIES)
            .min_retry_wait(CLUSTER_RETRY_WAIT_MILLIS.start)
            .max_retry_wait(CLUSTER_RETRY_WAIT_MILLIS.end)
            .tcp_settings(servers.tcp.clone());
        if let Some(authority) = authority {
            builder = builder.certs(certificates(authority));
        }
        let client = builder.build().map_err(|_| RedisAddressError::NoCertificates)?;
        Ok(Self {
            topology: Box::new(Topology::Cluster {
                nodes,
                client: Box::new(client),
                servers,
            }),
            timeout,
        })
    }
}

impl RedisAddress {
    /// `host:port` of the servers that were listed; empty for a single one, which stands in a URL.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        let nodes = match &*self.topology {
            Topology::Standalone(_) => &[],
            Topology::Sentinel { sentinels, .. } => sentinels.as_slice(),
            Topology::Cluster { nodes, .. } => nodes.as_slice(),
        };
        nodes.iter().map(|node| node.addr().to_string()).collect()
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisAddress(redacted)")
    }
}

/// RESP2, which a subscription needs; and no name of the client library, which an ACL would have to allow.
fn settings(settings: RedisConnectionInfo) -> RedisConnectionInfo {
    settings
        .set_protocol(ProtocolVersion::RESP2)
        .set_skip_set_lib_name()
}

/// Small commands leave at once (the library's default keeps them back for an acknowledgement), and a peer that has
/// vanished without a word is noticed.
fn tcp(timeout: Duration) -> TcpSettings {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(timeout.max(Duration::from_secs(1)));
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    // What was sent and never acknowledged ends the connection about when its command has given up.
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(2 * timeout);
    settings
}

fn trusting(info: ConnectionInfo, authority: Option<&CertificateAuthority>) -> RedisResult<ConnectionInfo> {
    match authority {
        None => Ok(info),
        Some(authority) => Client::build_with_tls(info, certificates(authority))
            .map(|client| client.get_connection_info().clone()),
    }
}

fn certificates(authority: &CertificateAuthority) -> TlsCertificates {
    TlsCertificates {
        client_tls: None,
        root_cert: Some(authority.0.clone()),
    }
}
