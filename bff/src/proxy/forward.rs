//! The client of the proxy path: one for each worker, with its own connections.

use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::body::{self, Progress, UpstreamRequestBody};
use crate::errors::chain;

/// Idle connections are dropped before common servers close them (Node after 5 s, actix-web after 5 s), so that a
/// request is not sent into a connection that is just going away. One that is all the same is sent again by hyper if
/// nothing of it had left.
const IDLE_LIMIT: Duration = Duration::from_secs(4);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends requests to upstreams. It follows no redirect, knows no proxy variables and changes no URI.
#[derive(Debug, Clone)]
pub struct ForwardClient(Client<HttpsConnector<HttpConnector>, UpstreamRequestBody>);

/// Why an upstream gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ForwardError {
    #[error("the upstream cannot be reached or broke off")]
    Unreachable(#[source] hyper_util::client::legacy::Error),
    #[error("the upstream was silent for too long")]
    Silent,
}

impl ForwardClient {
    /// A client whose connections belong to the calling worker.
    ///
    /// # Errors
    /// When the trust roots of this machine cannot be used.
    pub fn new() -> Result<Self, rustls::Error> {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new()
            .try_with_platform_verifier()?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_LIMIT)
            .pool_timer(TokioTimer::new())
            .http1_max_headers(256)
            .build(connector);
        Ok(Self(client))
    }

    /// Sends a request and waits until the answer begins. The upstream may be silent for `timeout` at a stretch; while a
    /// request body is moving, it is not silent.
    ///
    /// A kept connection may be closed by the upstream just as it is used: a restart, an idle time-out. A safe request
    /// without a body is then sent once more (RFC 9110 §9.2.2, RFC 9112 §9.3.1), so that this is nobody's 502.
    pub(super) async fn send(
        &self,
        request: Request<UpstreamRequestBody>,
        timeout: Duration,
        progress: &Progress,
    ) -> Result<Response<Incoming>, ForwardError> {
        let again = repeatable(&request);
        match (self.once(request, timeout, progress).await, again) {
            (Err(ForwardError::Unreachable(error)), Some(again)) if !error.is_connect() => {
                tracing::debug!(error = chain(&error), "a safe request is sent once more");
                self.once(again, timeout, progress).await
            }
            (answer, _) => answer,
        }
    }

    async fn once(
        &self,
        request: Request<UpstreamRequestBody>,
        timeout: Duration,
        progress: &Progress,
    ) -> Result<Response<Incoming>, ForwardError> {
        let mut answer = std::pin::pin!(self.0.request(request));
        loop {
            let silent_at = progress.last() + timeout;
            tokio::select! {
                answer = &mut answer => return answer.map_err(ForwardError::Unreachable),
                () = tokio::time::sleep_until(silent_at) => {
                    if progress.last() + timeout <= silent_at {
                        return Err(ForwardError::Silent);
                    }
                }
            }
        }
    }
}

/// A copy of a request that may be sent twice: a safe one without a body.
fn repeatable(request: &Request<UpstreamRequestBody>) -> Option<Request<UpstreamRequestBody>> {
    if !(request.method().is_safe() && request.body().is_end_stream()) {
        return None;
    }
    let mut copy = Request::new(body::empty());
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    Some(copy)
}
