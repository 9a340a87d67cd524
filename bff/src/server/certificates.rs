use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::pem::{self, PairFault, PemFault};

/// Why a certificate cannot be used: which file, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// That of the certificates.
    #[error("{}: {}", .0.display(), .1)]
    Certificate(PathBuf, #[source] PemFault),
    /// That of the key.
    #[error("{}: {}", .0.display(), .1)]
    Key(PathBuf, #[source] PemFault),
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

fn read(certificate_file: &Path, key_file: &Path) -> Result<CertifiedKey, CertificateError> {
    let of_certificate = |fault| CertificateError::Certificate(certificate_file.to_owned(), fault);
    let of_key = |fault| CertificateError::Key(key_file.to_owned(), fault);
    let chain = pem::contents(certificate_file).map_err(of_certificate)?;
    let key = pem::contents(key_file).map_err(of_key)?;
    pem::pair(&chain, &key).map_err(|fault| match fault {
        PairFault::Certificate(fault) => of_certificate(fault),
        PairFault::Key(fault) => of_key(fault),
    })
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
