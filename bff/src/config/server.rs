use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use resource_server::settings::Section;
use url::{Host, Origin, Url};

use crate::guard::client_address::{AddressHeader, TrustedProxies};
use crate::server::{CertificateError, Certificates, Limits};

const ADDRESS_RULE: &str = "must be an address and a port such as 127.0.0.1:8080";

/// `[server]`: where browsers come in.
#[derive(Debug)]
pub struct ServerConfig {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// How browsers reach us.
    pub public_url: PublicUrl,
    /// The path of our own endpoints, without a slash at its end.
    pub base_path: String,
    /// Worker threads.
    pub workers: usize,
    /// What clients may take up.
    pub limits: Limits,
    /// How long the BFF goes on accepting once it has said that it is not ready any more.
    pub drain_delay: Duration,
    /// TLS, unless it ends in front of us.
    pub certificates: Option<Arc<Certificates>>,
    /// Who may say whose request it is.
    pub trusted_proxies: TrustedProxies,
}

/// An origin without a path: what the browser's address bar begins with.
#[derive(Debug, Clone)]
pub struct PublicUrl(Url);

impl PublicUrl {
    /// Reads `https://host[:port]`; plain http only on loopback, where browsers take `Secure` cookies all the same.
    ///
    /// # Errors
    /// The rule, when it is anything else.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| "must be a URL such as https://app.example.com")?;
        let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        if !bare || !url.username().is_empty() || url.password().is_some() {
            return Err("must be an origin without user, path, query and fragment");
        }
        if !url.has_host() {
            return Err("must have a host");
        }
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_loopback(&url) => Ok(Self(url)),
            _ => {
                Err("must be https (http only on loopback): browsers keep the session cookie from plain http")
            }
        }
    }

    /// `scheme://host[:port]`.
    #[must_use]
    pub fn origin(&self) -> String {
        match self.0.origin() {
            origin @ Origin::Tuple(..) => origin.ascii_serialization(),
            Origin::Opaque(_) => self.0.as_str().trim_end_matches('/').to_owned(),
        }
    }

    /// `host[:port]`.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.0.authority()
    }

    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.0.scheme()
    }
}

impl ServerConfig {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let listen = section.parsed_or("listen", "127.0.0.1:8080", address);
        let public_url = section.parsed("public_url", PublicUrl::parse);
        let base_path = section.parsed_or("base_path", "/bff", own_path);
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let workers = section.number_or("workers", cores as u64, 1..=512);
        let limits = limits(&mut section);
        let longest = Duration::from_secs(300);
        let drain_delay = section.duration_or("drain_delay", Duration::ZERO, Duration::ZERO..=longest);
        let certificates = certificates(&mut section);
        let networks = section.texts_or("trusted_proxies", &[]);
        let networks = super::each(
            &section,
            "trusted_proxies",
            networks,
            TrustedProxies::parse_network,
        );
        let header = section.parsed_or("client_address_header", "x-forwarded-for", AddressHeader::parse);
        section.finish();

        Some(Self {
            listen: listen?,
            public_url: public_url?,
            base_path: base_path?,
            workers: usize::try_from(workers?).ok()?,
            limits: limits?,
            drain_delay: drain_delay?,
            certificates: certificates?,
            trusted_proxies: TrustedProxies {
                networks: networks?,
                header: header?,
            },
        })
    }
}

fn limits(section: &mut Section<'_>) -> Option<Limits> {
    let max_connections = section.number_or("max_connections", 16_384, 1..=1_000_000);
    let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
    let head_timeout = section.duration_or("head_timeout", Duration::from_secs(10), second..=hour);
    let keep_alive = section.duration_or("keep_alive", Duration::from_secs(75), second..=hour);
    Some(Limits {
        max_connections: usize::try_from(max_connections?).ok()?,
        head_timeout: head_timeout?,
        keep_alive: keep_alive?,
    })
}

fn certificates(section: &mut Section<'_>) -> Option<Option<Arc<Certificates>>> {
    let certificate = section.optional_text("tls_certificate_file");
    let key = section.optional_text("tls_key_file");
    let (certificate, key) = match (certificate?, key?) {
        (None, None) => return Some(None),
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) => {
            section.fault("tls_key_file", None, "is needed beside tls_certificate_file");
            return None;
        }
        (None, Some(_)) => {
            section.fault("tls_certificate_file", None, "is needed beside tls_key_file");
            return None;
        }
    };
    match Certificates::read(certificate.into(), key.into()) {
        Ok(certificates) => Some(Some(Arc::new(certificates))),
        Err(error) => {
            let (key, path, fault) = match error {
                CertificateError::Certificate(path, fault) => ("tls_certificate_file", path, fault),
                CertificateError::Key(path, fault) => ("tls_key_file", path, fault),
            };
            section.fault(key, Some(format!("{path:?}")), fault);
            None
        }
    }
}

pub(super) fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| ADDRESS_RULE)
}

/// A path of our own endpoints.
pub(super) fn own_path(text: &str) -> Result<String, &'static str> {
    let segments = text.strip_prefix('/').ok_or("must begin with /")?;
    let plain = |segment: &str| {
        !segment.is_empty()
            && segment
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if segments.split('/').all(plain) {
        Ok(text.to_owned())
    } else {
        Err("must be a path of letters, digits, - and _ such as /bff, without / at its end")
    }
}

/// Whether a URL leads to this very machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use resource_server::settings::{Document, Faults};

    use super::*;

    fn faults_of(certificate: &str, key: &str) -> Vec<String> {
        let faults = Faults::default();
        let text = format!("tls_certificate_file = {certificate:?}\ntls_key_file = {key:?}\n");
        let mut root = Document::parse(&text, &|_| None).unwrap().root(&faults);
        assert!(certificates(&mut root).is_none());
        faults.list().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_of_tls_that_cannot_be_used_is_told_at_its_own_key() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| {
            let path = folder.path().join(name).to_str().unwrap().to_owned();
            std::fs::write(&path, text).unwrap();
            path
        };
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let certificate = write("tls.crt", made.cert.pem());
        let key = made.signing_key.serialize_pem();
        let other = write("other.key", other.signing_key.serialize_pem());
        // A key that lost its line breaks is one long line.
        let broken = write("broken.key", key.replace('\n', " "));

        for (certificate, key, told) in [
            (
                &*certificate,
                "/nowhere",
                "tls_key_file = \"/nowhere\": cannot be read: No such file".to_owned(),
            ),
            (
                "/nowhere",
                &*other,
                "tls_certificate_file = \"/nowhere\": cannot be read: No such file".to_owned(),
            ),
            (
                &*certificate,
                &*other,
                format!("tls_key_file = {other:?}: must be a private key that belongs"),
            ),
            (
                &*certificate,
                &*broken,
                format!("tls_key_file = {broken:?}: must be a private key in PEM: "),
            ),
            (
                &*other,
                &*other,
                format!("tls_certificate_file = {other:?}: must be a file of certificates in PEM"),
            ),
        ] {
            let faults = faults_of(certificate, key);
            assert!(
                faults.len() == 1 && faults[0].starts_with(&told),
                "{told}: {faults:?}"
            );
            assert!(faults[0].len() < 250, "nothing of the file is quoted: {faults:?}");
        }
    }
}
