use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::MaybeHttpsStream;
use hyper_rustls::{ConfigBuilderExt as _, FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::sign::SingleCertAndKey;
use std::sync::Arc;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::routing::{Destination, Protocol, Tls};
use crate::server::{KEEP_ALIVE, KEEP_ALIVE_INTERVAL, KEEP_ALIVE_RETRIES};

pub(super) type Connected = MaybeHttpsStream<TokioIo<TcpStream>>;
/// Why no connection came about.
pub(in crate::proxy) type ConnectError = Box<dyn Error + Send + Sync>;

/// Connects to one destination, whatever host a request names: an upstream may be told the host that browsers use.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    inner: HttpsConnector<HttpConnector>,
    to: Uri,
    patience: Duration,
}

impl Connector {
    /// # Errors
    /// When the trust roots of this machine cannot be used, or the destination makes no URI.
    pub(super) fn new(destination: &Destination, protocol: Protocol) -> Result<Self, anyhow::Error> {
        let connecting = &destination.connecting;
        let to = Uri::builder()
            .scheme(destination.scheme.clone())
            .authority(destination.authority.clone())
            .path_and_query("/")
            .build()?;
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        // An upstream that vanishes behind a WebSocket or a silent stream is noticed.
        http.set_keepalive(Some(KEEP_ALIVE));
        http.set_keepalive_interval(Some(KEEP_ALIVE_INTERVAL));
        http.set_keepalive_retries(Some(KEEP_ALIVE_RETRIES));
        http.enforce_http(false);
        http.set_connect_timeout(Some(connecting.timeout));
        let mut builder = HttpsConnectorBuilder::new()
            .with_tls_config(tls(&connecting.tls)?)
            .https_or_http();
        if let Some(name) = connecting.tls.server_name() {
            builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name.clone()));
        }
        let inner = match protocol {
            Protocol::Http1 => builder.enable_http1().wrap_connector(http),
            Protocol::H2 => builder.enable_http2().wrap_connector(http),
            Protocol::Auto => builder.enable_all_versions().wrap_connector(http),
        };
        Ok(Self {
            inner,
            to,
            patience: connecting.timeout,
        })
    }
}

/// How TLS is spoken to an upstream.
///
/// # Errors
/// When the trust roots of this machine cannot be used.
pub(super) fn tls(settings: &Tls) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder();
    let builder = match settings.authorities() {
        Some(authorities) => builder.with_root_certificates(authorities),
        None => builder.try_with_platform_verifier()?,
    };
    Ok(match settings.identity() {
        Some(identity) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.clone())))
        }
        None => builder.with_no_client_auth(),
    })
}

impl Connector {
    /// Makes a connection.
    ///
    /// # Errors
    /// When none can be made in time.
    pub(super) async fn connect(&self) -> Result<Connected, ConnectError> {
        let mut connector = self.clone();
        std::future::poll_fn(|context| connector.poll_ready(context)).await?;
        connector.call(self.to.clone()).await
    }
}

impl Service<Uri> for Connector {
    type Response = Connected;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connecting = self.inner.call(self.to.clone());
        let connecting = tokio::time::timeout(self.patience, connecting);
        Box::pin(async move {
            connecting
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
        })
    }
}
