use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::*;
use crate::pem::PemFault;

/// Writes a new certificate for `localhost`, and gives it.
pub(super) fn certify(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("tls.crt"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

pub(super) async fn connect_tls(
    stream: TcpStream,
    trusted: &CertificateDer<'static>,
    protocol: &[u8],
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test]
async fn a_certificate_is_exchanged_while_connections_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let first = certify(folder.path());
    let certificates = Certificates::read(folder.path().join("tls.crt"), folder.path().join("tls.key"));
    let certificates = Arc::new(certificates.unwrap());
    let scene = Scene::set(LIMITS, Some(Arc::clone(&certificates)));
    let mut old = speak_http2(connect_tls(scene.connect().await, &first, b"h2").await.unwrap()).await;
    assert_eq!(
        old.send_request(get2("/facts")).await.unwrap().status(),
        StatusCode::OK
    );

    let second = certify(folder.path());
    certificates.reload().unwrap();

    let mut new = speak_http1(
        connect_tls(scene.connect().await, &second, b"http/1.1")
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(
        new.send_request(get("/facts")).await.unwrap().status(),
        StatusCode::OK
    );
    assert!(connect_tls(scene.connect().await, &first, b"h2").await.is_err());
    assert_eq!(
        old.send_request(get2("/facts")).await.unwrap().status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_pair_that_does_not_fit_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let first = certify(folder.path());
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    let certificates = Arc::new(Certificates::read(certificate.clone(), key.clone()).unwrap());
    let scene = Scene::set(LIMITS, Some(Arc::clone(&certificates)));

    let good = std::fs::read(&certificate).unwrap();
    certify(folder.path());
    std::fs::write(&certificate, good).unwrap();
    assert!(matches!(
        certificates.reload(),
        Err(CertificateError::Key(_, PemFault::OtherKey(_)))
    ));
    std::fs::write(&key, "no key").unwrap();
    assert!(matches!(
        certificates.reload(),
        Err(CertificateError::Key(_, PemFault::NoKey(_)))
    ));
    std::fs::write(&certificate, "").unwrap();
    assert!(matches!(
        certificates.reload(),
        Err(CertificateError::Certificate(_, PemFault::NoCertificates(_)))
    ));
    std::fs::remove_file(&certificate).unwrap();
    assert!(matches!(
        certificates.reload(),
        Err(CertificateError::Certificate(_, PemFault::Unreadable(_)))
    ));

    assert!(connect_tls(scene.connect().await, &first, b"h2").await.is_ok());
    assert!(CertificateDer::pem_file_iter(&certificate).is_err());
}
