use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The certificates are not there, or not PEM.
    #[error("{} cannot be read as PEM certificates", .0.display())]
    Certificate(PathBuf, #[source] pem::Error),
    /// There is none in the file.
    #[error("{} holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// The key is not there, or not PEM.
    #[error("{} cannot be read as a PEM private key", .0.display())]
    Key(PathBuf, #[source] pem::Error),
    /// They are of different pairs, or of a kind that is not supported.
    #[error("the private key does not fit the certificate")]
    Pair(#[source] rustls::Error),
}

/// The certificate that browsers are shown, and where it comes from. It can be exchanged while connections go on.
pub struct Certificates {
    certificate_file: PathBuf,
    key_file: PathBuf,
    current: ArcSwap<CertifiedKey>,
}

impl Certificates {
    /// Reads a chain of certificates, the server's own first, and its private key.
    ///
    /// # Errors
    /// When they cannot be read or are of different pairs.
    pub fn read(certificate_file: PathBuf, key_file: PathBuf) -> Result<Self, CertificateError> {
        let current = read(&certificate_file, &key_file)?;
        Ok(Self {
            certificate_file,
            key_file,
            current: ArcSwap::from_pointee(current),
        })
    }

    /// Reads the files again, for connections from now on.
    ///
    /// # Errors
    /// When they cannot be used; the pair in use stays.
    pub fn reload(&self) -> Result<(), CertificateError> {
        let read = read(&self.certificate_file, &self.key_file)?;
        self.current.store(Arc::new(read));
        Ok(())
    }

    /// How TLS is spoken with browsers: HTTP/2 if they can, otherwise HTTP/1.1.
    pub(super) fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn read(certificate_file: &PathBuf, key_file: &PathBuf) -> Result<CertifiedKey, CertificateError> {
    let unreadable = |error| CertificateError::Certificate(certificate_file.clone(), error);
    let chain = CertificateDer::pem_file_iter(certificate_file).map_err(unreadable)?;
    let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(unreadable)?;
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate(certificate_file.clone()));
    }
    let key = PrivateKeyDer::from_pem_file(key_file)
        .map_err(|error| CertificateError::Key(key_file.clone(), error))?;
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(CertificateError::Pair)
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("certificate_file", &self.certificate_file)
            .field("key_file", &self.key_file)
            .finish_non_exhaustive()
    }
}
