//! Stands between the provider and everybody who speaks to it: records, holds, fails and cuts.
//!
//! The provider's issuer is the relay's address, so that the BFF, the resource server and the browser all come through
//! here and know no other.

mod exchange;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

pub use self::exchange::Exchange;
use crate::gate::Gate;
use crate::http_server::{Body, Cut, HttpServer, answer, whole};
use crate::secrets::Secrets;

/// What happens at a path instead of the provider's answer.
#[derive(Debug, Clone)]
pub enum Instead {
    /// This status with this JSON; the provider never hears of the request.
    Status(u16, &'static str),
    /// 503 with `Retry-After` in seconds; the provider never hears of the request.
    ComeAgainAfter(u32),
    /// No answer: the connection closes before the provider hears of the request.
    Cut,
    /// No answer: the provider does its work, and the connection closes on its answer.
    CutAnswer,
}

#[derive(Debug, Clone)]
enum Rule {
    Hold(Gate),
    HoldAnswer(Gate),
    Delay(Duration),
    Instead(Instead),
    Once(Instead),
}

/// The relay before the provider.
#[derive(Debug)]
pub struct Relay {
    url: String,
    _server: HttpServer,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: Client<HttpConnector, Full<Bytes>>,
    provider: Mutex<Option<SocketAddr>>,
    rules: Mutex<Vec<(String, Rule)>>,
    exchanges: Mutex<Vec<Exchange>>,
    secrets: Secrets,
}

impl Relay {
    /// A relay that leads nowhere yet: every request to it is cut.
    pub async fn start(secrets: Secrets) -> Self {
        let inner = Arc::new(Inner {
            // Node closes a connection that lay idle for five seconds, also just as a request is sent on it. To the BFF
            // that would look like an answer that was lost.
            client: Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(0)
                .build_http(),
            provider: Mutex::default(),
            rules: Mutex::default(),
            exchanges: Mutex::default(),
            secrets,
        });
        let handler = Arc::clone(&inner);
        let server = HttpServer::start(move |request| {
            let inner = Arc::clone(&handler);
            async move { inner.pass(request).await }
        })
        .await;
        Self {
            url: format!("http://{}", server.address()),
            _server: server,
            inner,
        }
    }

    /// The issuer: what everybody takes for the provider.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where requests go; `None` is a provider that is down.
    pub fn lead_to(&self, provider: Option<SocketAddr>) {
        *self.inner.provider.lock().unwrap() = provider;
    }

    /// Stops requests to this path before the provider sees them.
    pub fn hold(&self, path: &str) -> Gate {
        let gate = Gate::new();
        self.rule(path, Rule::Hold(gate.clone()));
        gate
    }

    /// Lets the provider work and holds its answers from this path.
    pub fn hold_answer(&self, path: &str) -> Gate {
        let gate = Gate::new();
        self.rule(path, Rule::HoldAnswer(gate.clone()));
        gate
    }

    /// Lets something else happen at this path, until [`heal`](Self::heal).
    pub fn instead(&self, path: &str, instead: Instead) {
        self.rule(path, Rule::Instead(instead));
    }

    /// Lets something else happen to the next request for this path.
    pub fn instead_once(&self, path: &str, instead: Instead) {
        self.rule(path, Rule::Once(instead));
    }

    /// Makes the provider take this much longer at this path.
    pub fn delay(&self, path: &str, by: Duration) {
        self.rule(path, Rule::Delay(by));
    }

    /// Everything passes again, untouched.
    pub fn heal(&self) {
        self.inner.rules.lock().unwrap().clear();
    }

    /// What passed so far, in the order of arrival.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.inner.exchanges.lock().unwrap().clone()
    }

    /// What passed at one path.
    pub fn exchanges_at(&self, path: &str) -> Vec<Exchange> {
        self.exchanges()
            .into_iter()
            .filter(|exchange| exchange.path == path)
            .collect()
    }

    /// How many token requests of this grant type arrived.
    pub fn grants(&self, grant_type: &str) -> usize {
        let exchanges = self.exchanges();
        exchanges
            .iter()
            .filter(|exchange| exchange.form("grant_type") == Some(grant_type))
            .count()
    }

    fn rule(&self, path: &str, rule: Rule) {
        let mut rules = self.inner.rules.lock().unwrap();
        rules.retain(|(ruled, _)| ruled != path);
        rules.push((path.to_owned(), rule));
    }
}

impl Inner {
    async fn pass(&self, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        let exchange = Exchange::begun(&head, &body);
        exchange.teach_request(&self.secrets);
        let path = exchange.path.clone();
        let number = self.record(exchange);

        let rule = self.rule_at(&path);
        match &rule {
            Some(Rule::Hold(gate)) => gate.pass().await,
            Some(Rule::Delay(by)) => tokio::time::sleep(*by).await,
            Some(Rule::Instead(Instead::Cut)) => return Err(Cut),
            Some(Rule::Instead(Instead::Status(status, json))) => {
                let status = StatusCode::from_u16(*status).expect("tests name valid statuses");
                return Ok(answer(status, "application/json", *json));
            }
            Some(Rule::Instead(Instead::ComeAgainAfter(seconds))) => {
                let mut later = answer(StatusCode::SERVICE_UNAVAILABLE, "application/json", "{}");
                later.headers_mut().insert(RETRY_AFTER, (*seconds).into());
                return Ok(later);
            }
            Some(Rule::HoldAnswer(_) | Rule::Instead(Instead::CutAnswer) | Rule::Once(_)) | None => {}
        }
        let answered = self.ask_provider(head, body).await?;
        let (head, body) = answered.into_parts();
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        self.complete(number, &head, &body);

        match rule {
            Some(Rule::HoldAnswer(gate)) => gate.pass().await,
            Some(Rule::Instead(_) | Rule::Once(_)) => return Err(Cut),
            Some(Rule::Hold(_) | Rule::Delay(_)) | None => {}
        }
        Ok(Response::from_parts(head, whole(body)))
    }

    async fn ask_provider(&self, head: http::request::Parts, body: Bytes) -> Result<Response<Incoming>, Cut> {
        let provider = self.provider.lock().unwrap().ok_or(Cut)?;
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let mut request = Request::from_parts(head.clone(), Full::new(body));
        // The `Host` header stays: the provider is to know itself by the relay's address.
        *request.uri_mut() = format!("http://{provider}{target}")
            .parse::<Uri>()
            .map_err(|_| Cut)?;
        self.client.request(request).await.map_err(|_| Cut)
    }

    fn record(&self, exchange: Exchange) -> usize {
        let mut exchanges = self.exchanges.lock().unwrap();
        exchanges.push(exchange);
        exchanges.len() - 1
    }

    fn complete(&self, number: usize, head: &http::response::Parts, body: &[u8]) {
        let mut exchanges = self.exchanges.lock().unwrap();
        exchanges[number].complete(head, body);
        exchanges[number].teach_answer(&self.secrets);
    }

    fn rule_at(&self, path: &str) -> Option<Rule> {
        let mut rules = self.rules.lock().unwrap();
        let at = rules.iter().position(|(ruled, _)| ruled == path)?;
        if let (_, Rule::Once(instead)) = &rules[at] {
            let instead = Rule::Instead(instead.clone());
            rules.remove(at);
            return Some(instead);
        }
        Some(rules[at].1.clone())
    }
}
