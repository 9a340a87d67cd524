//! Certificates and keys in PEM, as files hold them. What is wrong with a file is told without what stands in it.

use std::fs;
use std::io;
use std::path::Path;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// Why a file of certificates, or of a key, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PemFault {
    /// It is not there, or not for us.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// It is no file of certificates.
    #[error("must be a file of certificates in PEM: {0}")]
    NoCertificates(&'static str),
    /// One of them is of no use.
    #[error("must be certificates that can be used: {0}")]
    Certificate(#[source] rustls::Error),
    /// It is no file of a key.
    #[error("must be a private key in PEM: {0}")]
    NoKey(&'static str),
    /// It is of another pair, or of a kind that is not supported.
    #[error("must be a private key that belongs to the certificate: {0}")]
    OtherKey(#[source] rustls::Error),
}

/// Which file of a pair it is.
#[derive(Debug)]
pub enum PairFault {
    /// That of the certificate.
    Certificate(PemFault),
    /// That of the key.
    Key(PemFault),
}

/// What a file holds.
///
/// # Errors
/// When it cannot be read.
pub fn contents(path: &Path) -> Result<Vec<u8>, PemFault> {
    fs::read(path).map_err(PemFault::Unreadable)
}

/// All certificates, at least one.
///
/// # Errors
/// When there is none, or the text is not PEM.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemFault> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|error| PemFault::NoCertificates(reason(&error)))?;
    if certificates.is_empty() {
        return Err(PemFault::NoCertificates(reason(&pem::Error::NoItemsFound)));
    }
    Ok(certificates)
}

/// A chain of certificates, the own one first, and its key.
///
/// # Errors
/// Which of them cannot be used, and why.
pub fn pair(certificate: &[u8], key: &[u8]) -> Result<CertifiedKey, PairFault> {
    let chain = certificates(certificate).map_err(PairFault::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(key);
    let key = key.map_err(|error| PairFault::Key(PemFault::NoKey(reason(&error))))?;
    CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| match error {
        rustls::Error::InvalidCertificate(_) => PairFault::Certificate(PemFault::Certificate(error)),
        error => PairFault::Key(PemFault::OtherKey(error)),
    })
}

/// The errors themselves quote the line at which they stopped, which may be the key.
const fn reason(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::NoItemsFound => "there is none in it",
        pem::Error::MissingSectionEnd { .. } => "a section does not end",
        pem::Error::IllegalSectionStart { .. } => "a section does not begin as one",
        pem::Error::Base64Decode(_) => "a section is not base64",
        _ => "it is not PEM",
    }
}
