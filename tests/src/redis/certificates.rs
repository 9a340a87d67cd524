//! A certificate for this machine, and an authority that nobody else trusts.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// The authority's certificate.
pub(super) const AUTHORITY: &str = "ca.pem";
/// The server's certificate, for `localhost` and nothing else.
pub(super) const CERTIFICATE: &str = "server.pem";
/// The server's key.
pub(super) const KEY: &str = "server-key.pem";

/// Makes all three in this folder.
pub(super) fn write(folder: &Path) {
    let authority_key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new(Vec::new()).expect("an authority");
    // OpenSSL takes a certificate whose issuer has its own name for one that signed itself.
    authority
        .distinguished_name
        .push(DnType::CommonName, "The authority of the test");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).expect("a certificate");
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])
        .and_then(|server| server.signed_by(&key, &issuer))
        .expect("a certificate");
    for (name, pem) in [
        (AUTHORITY, authority_certificate.pem()),
        (CERTIFICATE, certificate.pem()),
        (KEY, key.serialize_pem()),
    ] {
        fs::write(folder.join(name), pem).expect("a file in a temporary folder");
    }
}
