//! Where the APIs are, seen from the BFF: passes requests on to the resource server and writes down what arrived.
//!
//! Under `/lab/` it answers by itself with what no well-behaved API does: huge bodies, bodies that stop half-way,
//! headers that a proxy must not let through.

mod bodies;
mod feed;
mod socket;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, SET_COOKIE, WWW_AUTHENTICATE,
};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use tokio::sync::watch;

pub use self::feed::{Feed, Feeds};
pub use self::socket::Sockets;
use crate::gate::Gate;
use crate::http_server::{Body, BodyError, Cut, HttpServer, answer};
use crate::stack::SESSION_COOKIE;
use crate::wait::within_patience;

/// The size of the pieces in which `/lab/source` sends.
const PIECE: usize = 64 * 1024;

/// A request as the upstream got it.
#[derive(Debug, Clone)]
pub struct Received {
    /// The method, in capitals.
    pub method: String,
    /// Path and query, byte for byte.
    pub target: String,
    /// All headers, repeated ones too.
    pub headers: HeaderMap,
}

impl Received {
    /// The values of a header, in order.
    pub fn header(&self, name: &str) -> Vec<String> {
        let values = self.headers.get_all(name).iter();
        values
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect()
    }
}

/// The recording upstream.
#[derive(Debug)]
pub struct Upstream {
    url: String,
    _server: HttpServer,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: Client<HttpConnector, Incoming>,
    resource_server: Mutex<Option<SocketAddr>>,
    gates: Mutex<Vec<(String, Gate)>>,
    received: Mutex<Vec<Received>>,
    refused: Mutex<Refused>,
    sockets: Sockets,
    feeds: Feeds,
    uploads_broken_off: Uploads,
}

/// How many uploads broke off before their end.
type Uploads = watch::Sender<usize>;

/// The access tokens that are not taken.
#[derive(Debug, Default)]
enum Refused {
    #[default]
    None,
    These(String),
    All,
}

impl Upstream {
    /// An upstream without a resource server behind it.
    pub async fn start() -> Self {
        let inner = Arc::new(Inner {
            client: Client::builder(TokioExecutor::new()).build_http(),
            resource_server: Mutex::default(),
            gates: Mutex::default(),
            received: Mutex::default(),
            refused: Mutex::default(),
            sockets: Sockets::default(),
            feeds: Feeds::default(),
            uploads_broken_off: watch::Sender::new(0),
        });
        let handler = Arc::clone(&inner);
        let server = HttpServer::start(move |request| {
            let inner = Arc::clone(&handler);
            async move { inner.receive(request).await }
        })
        .await;
        Self {
            url: format!("http://{}", server.address()),
            _server: server,
            inner,
        }
    }

    /// Its address, as routes name it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where requests outside `/lab/` go; `None` cuts them.
    pub fn lead_to(&self, resource_server: Option<SocketAddr>) {
        *self.inner.resource_server.lock().unwrap() = resource_server;
    }

    /// Everything received so far, in the order of arrival.
    pub fn received(&self) -> Vec<Received> {
        self.inner.received.lock().unwrap().clone()
    }

    /// The last request received.
    ///
    /// # Panics
    /// When there was none.
    pub fn last(&self) -> Received {
        self.received().pop().expect("the upstream received a request")
    }

    /// The WebSockets that were opened at `/lab/socket`.
    pub fn sockets(&self) -> &Sockets {
        &self.inner.sockets
    }

    /// The bodies at `/lab/events` and `/lab/feed`.
    pub fn feeds(&self) -> &Feeds {
        &self.inner.feeds
    }

    /// Waits until an upload to `/lab/sink` has broken off.
    ///
    /// # Panics
    /// When none does.
    pub async fn upload_breaks_off(&self) {
        let mut uploads = self.inner.uploads_broken_off.subscribe();
        within_patience("an upload breaks off", uploads.wait_for(|broken| *broken > 0))
            .await
            .expect("the sender is here");
    }

    /// Refuses the access token of this `Authorization` header from now on, as RFC 6750 says, after reading the request.
    pub fn refuse(&self, authorization: &str) {
        *self.inner.refused.lock().unwrap() = Refused::These(authorization.to_owned());
    }

    /// Refuses every access token from now on.
    pub fn refuse_all(&self) {
        *self.inner.refused.lock().unwrap() = Refused::All;
    }

    /// Holds requests for this path; `/lab/drip` is held after the first half of its body.
    pub fn hold(&self, path: &str) -> Gate {
        let gate = Gate::new();
        self.inner
            .gates
            .lock()
            .unwrap()
            .push((path.to_owned(), gate.clone()));
        gate
    }
}

impl Inner {
    async fn receive(&self, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
        self.received.lock().unwrap().push(Received {
            method: request.method().to_string(),
            target: request.uri().to_string(),
            headers: request.headers().clone(),
        });
        if self.refuses(request.headers()) {
            // As servers do that judge a request by its head.
            if request.uri().path() != "/lab/hasty" {
                let _ = request.into_body().collect().await.map_err(|_| Cut)?;
            }
            let mut refusal = answer(StatusCode::UNAUTHORIZED, "application/problem+json", REFUSAL);
            let challenge =
                HeaderValue::from_static(r#"Basic realm="x", Bearer realm="lab", error="invalid_token""#);
            refusal.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            return Ok(refusal);
        }
        let path = request.uri().path().to_owned();
        let gate = {
            let gates = self.gates.lock().unwrap();
            gates
                .iter()
                .find(|(held, _)| *held == path)
                .map(|(_, gate)| gate.clone())
        };
        match path.as_str() {
            "/lab/socket" => return self.sockets.open(request),
            "/lab/events" => return Ok(self.feeds.open("text/event-stream")),
            "/lab/feed" => return Ok(self.feeds.open("application/octet-stream")),
            "/lab/silence" => return self.feeds.keep_silent().await,
            "/lab/stored" => return Ok(bodies::stored(request.headers())),
            "/lab/compressed" => return Ok(bodies::compressed()),
            "/lab/flood" => return Ok(bodies::flood(request.uri())),
            "/lab/swallow" => return bodies::swallow(request).await,
            "/lab/sink" => {
                let outcome = sink(request).await;
                if outcome.is_err() {
                    self.uploads_broken_off.send_modify(|broken| *broken += 1);
                }
                return outcome;
            }
            _ => {}
        }
        if let Some(experiment) = path.strip_prefix("/lab/") {
            return experiment_with(experiment, request, gate).await;
        }
        if let Some(gate) = gate {
            gate.pass().await;
        }
        self.ask_resource_server(request).await
    }

    fn refuses(&self, headers: &HeaderMap) -> bool {
        let presented = headers.get(AUTHORIZATION);
        match &*self.refused.lock().unwrap() {
            Refused::None => false,
            Refused::These(refused) => presented.is_some_and(|presented| presented == refused.as_str()),
            Refused::All => presented.is_some(),
        }
    }

    async fn ask_resource_server(&self, mut request: Request<Incoming>) -> Result<Response<Body>, Cut> {
        let resource_server = self.resource_server.lock().unwrap().ok_or(Cut)?;
        let target = request
            .uri()
            .path_and_query()
            .map_or("/", |target| target.as_str());
        *request.uri_mut() = format!("http://{resource_server}{target}")
            .parse::<Uri>()
            .map_err(|_| Cut)?;
        let response = self.client.request(request).await.map_err(|_| Cut)?;
        Ok(response.map(|body| body.map_err(BodyError::from).boxed()))
    }
}

async fn experiment_with(
    name: &str,
    request: Request<Incoming>,
    gate: Option<Gate>,
) -> Result<Response<Body>, Cut> {
    match name {
        "echo" | "hasty" => Ok(echo(request)),
        "reset" => Ok(answer(StatusCode::RESET_CONTENT, "text/plain", "")),
        "source" => Ok(source(request.uri())),
        "drip" => Ok(drip(gate.ok_or(Cut)?)),
        "hostile-headers" => Ok(hostile_headers()),
        "teapot" => Ok(answer(
            StatusCode::IM_A_TEAPOT,
            "application/problem+json",
            TEAPOT,
        )),
        "cut" => Err(Cut),
        _ => Ok(answer(StatusCode::OK, "application/json", "{}")),
    }
}

const REFUSAL: &str = r#"{"type":"about:blank","title":"Unauthorized","status":401}"#;
const TEAPOT: &str = r#"{"type":"about:blank","title":"I'm a teapot","status":418}"#;

/// Sends back what it gets while it gets it.
fn echo(request: Request<Incoming>) -> Response<Body> {
    let content_type = request.headers().get(CONTENT_TYPE).cloned();
    let mut response = Response::new(request.into_body().map_err(BodyError::from).boxed());
    if let Some(content_type) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    response
}

/// Reads everything and answers how much it was and what its digest is.
async fn sink(request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let mut digest = Digest::default();
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame.map_err(|_| Cut)?.data_ref() {
            digest.update(data);
        }
    }
    let report = json!({ "bytes": digest.bytes, "digest": digest.to_string() });
    Ok(answer(StatusCode::OK, "application/json", report.to_string()))
}

/// Sends `?bytes=` bytes without saying beforehand how many there will be.
fn source(uri: &Uri) -> Response<Body> {
    let bytes = uri
        .query()
        .and_then(|query| query.strip_prefix("bytes=")?.parse().ok())
        .unwrap_or(0);
    let frames = pieces(bytes).map(|piece| Ok(Frame::data(piece)));
    streaming(BodyExt::boxed(StreamBody::new(stream::iter(frames))))
}

/// Sends one half, then waits at the gate, then sends the other.
fn drip(gate: Gate) -> Response<Body> {
    let first = stream::iter([Ok(Frame::data(Bytes::from_static(b"first\n")))]);
    let second = stream::once(async move {
        gate.pass().await;
        Ok(Frame::data(Bytes::from_static(b"second\n")))
    });
    streaming(BodyExt::boxed(StreamBody::new(first.chain(second))))
}

fn streaming(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response
}

/// Tries to set the BFF's cookie, and sends a header that `Connection` names.
fn hostile_headers() -> Response<Body> {
    let mut response = answer(StatusCode::OK, "application/json", "{}");
    let headers = response.headers_mut();
    let overwrite = format!("{SESSION_COOKIE}=planted-by-upstream; Secure; HttpOnly; Path=/");
    headers.append(SET_COOKIE, overwrite.parse().expect("a valid header"));
    headers.insert(CONNECTION, HeaderValue::from_static("x-hop"));
    headers.insert(
        HeaderName::from_static("x-hop"),
        HeaderValue::from_static("for this hop only"),
    );
    headers.insert(
        HeaderName::from_static("keep-alive"),
        HeaderValue::from_static("timeout=99"),
    );
    response
}

/// A body of this length, piece by piece, always the same.
pub fn pieces(bytes: usize) -> impl Iterator<Item = Bytes> + Send + Sync + 'static {
    (0..bytes).step_by(PIECE).map(move |start| {
        let end = bytes.min(start + PIECE);
        let piece: Vec<u8> = (start..end).map(|at| (at.wrapping_mul(31) >> 3) as u8).collect();
        Bytes::from(piece)
    })
}

/// Tells bodies apart without keeping them (FNV-1a; nobody attacks it here).
#[derive(Debug)]
pub struct Digest {
    state: u64,
    bytes: u64,
}

impl Default for Digest {
    fn default() -> Self {
        Self {
            state: 0xcbf2_9ce4_8422_2325,
            bytes: 0,
        }
    }
}

impl Digest {
    /// Takes in the next part.
    pub fn update(&mut self, part: &[u8]) {
        self.bytes += part.len() as u64;
        for byte in part {
            self.state = (self.state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// How much was taken in.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.state)
    }
}
