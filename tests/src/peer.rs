//! An upstream of one address: in HTTP/1.1 or HTTP/2, with TLS or without, and gone when it should be.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::http_server::Cut;
use crate::redis::certificates::Authority;

/// A port that refuses connections and that nobody else can take.
#[derive(Debug)]
pub struct Closed(TcpSocket);

impl Closed {
    /// A free one.
    ///
    /// # Panics
    /// When loopback has none.
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .expect("a free port on loopback");
        Self(socket)
    }

    /// Its address.
    ///
    /// # Panics
    /// Never: it is bound.
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("a bound socket has an address")
    }

    /// Takes connections from now on, and serves none: it is there and says nothing.
    ///
    /// # Panics
    /// When it cannot.
    pub fn accept_and_be_silent(self) -> TcpListener {
        self.0.listen(64).expect("a bound socket can listen")
    }

    /// Serves from now on, in HTTP/1.1.
    pub fn open(self, name: &'static str) -> Peer {
        Peer::serve(name, self.accept_and_be_silent(), Speaks::Http1)
    }
}

impl Default for Closed {
    fn default() -> Self {
        Self::new()
    }
}

/// A request as it arrived, its body included.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Of HTTP.
    pub version: Version,
    /// The host it was addressed to: `:authority`, or `Host`.
    pub host: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// What came behind the body.
    pub trailers: HeaderMap,
}

/// What is spoken.
#[derive(Clone)]
enum Speaks {
    Http1,
    H2,
    Tls(TlsAcceptor),
}

/// A server that answers every request with its name, and with the trailer `x-last: {name}`.
#[derive(Debug)]
pub struct Peer {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    _tasks: JoinSet<()>,
}

impl Peer {
    /// In HTTP/1.1.
    pub fn http1(name: &'static str) -> Self {
        Self::serve(name, Closed::new().accept_and_be_silent(), Speaks::Http1)
    }

    /// In HTTP/2 from the first byte on.
    pub fn h2(name: &'static str) -> Self {
        Self::serve(name, Closed::new().accept_and_be_silent(), Speaks::H2)
    }

    /// By TLS with this identity, in the first of these protocols that the other side knows.
    pub fn tls(
        name: &'static str,
        identity: &Identity,
        protocols: &[&str],
        asks_for_certificate: bool,
    ) -> Self {
        let config = identity.server_config(protocols, asks_for_certificate);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::serve(name, Closed::new().accept_and_be_silent(), Speaks::Tls(acceptor))
    }

    fn serve(name: &'static str, listener: TcpListener, speaks: Speaks) -> Self {
        let address = listener.local_addr().expect("a bound listener has an address");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        let ears = Arc::clone(&heard);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(converse(name, stream, speaks.clone(), Arc::clone(&ears)));
            }
        });
        Self {
            address,
            heard,
            _tasks: tasks,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What reached it.
    ///
    /// # Panics
    /// When it failed.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }
}

type Ears = Arc<Mutex<Vec<Heard>>>;

async fn converse(name: &'static str, stream: TcpStream, speaks: Speaks, ears: Ears) {
    let _ = stream.set_nodelay(true);
    match speaks {
        Speaks::Http1 => serve(name, stream, false, ears).await,
        Speaks::H2 => serve(name, stream, true, ears).await,
        Speaks::Tls(acceptor) => {
            // A handshake that fails is what some stories want.
            if let Ok(stream) = acceptor.accept(stream).await {
                let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2".as_slice());
                serve(name, stream, is_h2, ears).await;
            }
        }
    }
}

async fn serve<S>(name: &'static str, stream: S, is_h2: bool, ears: Ears)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| answer(name, request, Arc::clone(&ears)));
    let stream = TokioIo::new(stream);
    // How a connection ends is the other side's business.
    if is_h2 {
        let _ = http2::Builder::new(TokioExecutor::new())
            .serve_connection(stream, service)
            .await;
    } else {
        let _ = http1::Builder::new().serve_connection(stream, service).await;
    }
}

type AnswerBody = http_body_util::combinators::BoxBody<Bytes, std::convert::Infallible>;

async fn answer(
    name: &'static str,
    request: Request<Incoming>,
    ears: Ears,
) -> Result<Response<AnswerBody>, Cut> {
    let (head, body) = request.into_parts();
    let whole = body.collect().await.map_err(|_| Cut)?;
    let trailers = whole.trailers().cloned().unwrap_or_default();
    let host = head
        .uri
        .authority()
        .map(ToString::to_string)
        .or_else(|| Some(head.headers.get("host")?.to_str().ok()?.to_owned()));
    ears.lock().unwrap().push(Heard {
        version: head.version,
        host: host.unwrap_or_default(),
        headers: head.headers,
        body: whole.to_bytes(),
        trailers,
    });
    let mut last = HeaderMap::new();
    last.insert("x-last", HeaderValue::from_static(name));
    last.insert(
        "set-cookie",
        HeaderValue::from_static("__Host-Http-session=planted"),
    );
    let frames = [
        Ok(Frame::data(Bytes::from_static(name.as_bytes()))),
        Ok(Frame::trailers(last)),
    ];
    let mut answer = Response::new(StreamBody::new(stream::iter(frames)).boxed());
    answer
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("text/plain"));
    Ok(answer)
}

/// A certificate with its key, and the authority that vouches for it, as files.
pub struct Identity {
    folder: TempDir,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl Identity {
    /// For this host name, with an authority of its own.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn of(name: &str) -> Self {
        let authority = Authority::new();
        let folder = TempDir::new().expect("a temporary folder");
        let (certificate, key) = authority.issue(name);
        for (file, text) in [
            ("ca.pem", authority.certificate()),
            ("cert.pem", &certificate),
            ("key.pem", &key),
        ] {
            std::fs::write(folder.path().join(file), text).expect("a file in a temporary folder");
        }
        Self { folder }
    }

    /// The authority's certificate.
    pub fn authority_file(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// The certificate.
    pub fn certificate_file(&self) -> PathBuf {
        self.file("cert.pem")
    }

    /// Its key.
    pub fn key_file(&self) -> PathBuf {
        self.file("key.pem")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// As a server; clients that it asks have to be of the same authority.
    fn server_config(&self, protocols: &[&str], asks_for_certificate: bool) -> ServerConfig {
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the provider knows TLS");
        let builder = if asks_for_certificate {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(&self.authority_file()) {
                roots.add(certificate).expect("an authority");
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::from_pem_file(self.key_file()).expect("a key");
        let mut config = builder
            .with_single_cert(certificates(&self.certificate_file()), key)
            .expect("a certificate and its key");
        config.alpn_protocols = protocols
            .iter()
            .map(|protocol| protocol.as_bytes().to_vec())
            .collect();
        config
    }
}

fn certificates(file: &Path) -> Vec<CertificateDer<'static>> {
    let certificates = CertificateDer::pem_file_iter(file).expect("a readable file");
    certificates.collect::<Result<_, _>>().expect("certificates")
}
