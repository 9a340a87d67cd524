//! Certificates of tests, and an authority that nobody else trusts.

use std::fmt;
use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// The authority's certificate.
pub(crate) const AUTHORITY: &str = "ca.pem";
/// The server's certificate, for `localhost` and nothing else.
pub(crate) const CERTIFICATE: &str = "server.pem";
/// The server's key.
pub(crate) const KEY: &str = "server-key.pem";

/// Vouches for the servers of one Redis, of whichever form, or for a BFF.
pub(crate) struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

impl Authority {
    /// A new one.
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::new(Vec::new()).expect("an authority");
        // OpenSSL takes a certificate whose issuer has its own name for one that signed itself.
        authority
            .distinguished_name
            .push(DnType::CommonName, "The authority of the test");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = authority.self_signed(&key).expect("a certificate").pem();
        Self {
            certificate,
            issuer: Issuer::new(authority, key),
        }
    }

    /// Its own certificate.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A certificate for this name, and its key.
    pub(crate) fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(vec![name.to_owned()])
            .and_then(|server| server.signed_by(&key, &self.issuer))
            .expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// Puts its certificate and those of a server into this folder.
    pub(crate) fn equip(&self, folder: &Path) {
        let (certificate, key) = self.issue("localhost");
        for (name, pem) in [
            (AUTHORITY, self.certificate.clone()),
            (CERTIFICATE, certificate),
            (KEY, key),
        ] {
            fs::write(folder.join(name), pem).expect("a file in a temporary folder");
        }
    }
}
