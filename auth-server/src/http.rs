//! Calls to addresses that somebody registered: keys of clients, notifications of sign-outs.
//!
//! Such an address is an invitation to look around in our own network, so the call goes to the public Internet and to
//! what the operator allows, and nowhere else: literal addresses are judged before the call, names after they were
//! resolved, by the resolver of the connection itself, so that a name that answers differently the second time gains
//! nothing. There are no redirects, no proxies, no credentials, one deadline over all and a bound on what is read.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::ACCEPT;
use reqwest::{RequestBuilder, Response};
use url::Url;

pub(crate) mod target;

pub(crate) use target::Targets;
use target::{ForbiddenTarget, is_localhost};

/// How long one call may take in all, from the name's resolution to the last byte.
const DEADLINE: Duration = Duration::from_secs(5);
/// More than any key set needs.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Makes the calls; clones share one client.
#[derive(Debug, Clone)]
pub(crate) struct Outbound(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    targets: Targets,
    /// Made by the first call: the CA certificates take memory that most servers never need.
    client: OnceLock<reqwest::Client>,
}

/// Why a call brought nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutboundError {
    /// It was not made.
    #[error("the address may not be called")]
    Forbidden(#[from] ForbiddenTarget),
    /// TLS cannot be set up on this machine.
    #[error("no HTTP client can be made")]
    Client(#[source] reqwest::Error),
    /// No answer came, or it broke off. The address is left out: it may hold a secret of its owner.
    #[error("no answer came")]
    Transport(#[source] reqwest::Error),
    /// No complete answer came in time.
    #[error("no complete answer came within {} s", DEADLINE.as_secs())]
    TimedOut,
    /// The answer was an error or a redirect.
    #[error("the answer has status {0}")]
    Status(u16),
    /// The answer is larger than is read.
    #[error("the answer is larger than {MAX_ANSWER_BYTES} bytes")]
    TooLarge,
}

impl Outbound {
    pub(crate) fn new(targets: Targets) -> Self {
        Self(Arc::new(Inner {
            targets,
            client: OnceLock::new(),
        }))
    }

    /// Fetches a JSON document; anything but a whole answer of success is an error.
    pub(crate) async fn get_json(&self, address: &Url) -> Result<Vec<u8>, OutboundError> {
        self.0.targets.judge(address)?;
        let request = self.client()?.get(address.clone());
        in_time(async {
            let response = send(request.header(ACCEPT, "application/json")).await?;
            match response.status() {
                reqwest::StatusCode::OK => read(response).await,
                status => Err(OutboundError::Status(status.as_u16())),
            }
        })
        .await
    }

    /// Posts a form and tells the status of the answer, whose body is not read.
    pub(crate) async fn post_form(
        &self,
        address: &Url,
        fields: &[(&str, &str)],
    ) -> Result<u16, OutboundError> {
        self.0.targets.judge(address)?;
        let request = self.client()?.post(address.clone()).form(fields);
        in_time(async { Ok(send(request).await?.status().as_u16()) }).await
    }

    fn client(&self) -> Result<&reqwest::Client, OutboundError> {
        if let Some(client) = self.0.client.get() {
            return Ok(client);
        }
        // Two first calls may make two clients; one is kept.
        let made = build(&self.0.targets).map_err(OutboundError::Client)?;
        Ok(self.0.client.get_or_init(|| made))
    }
}

fn build(targets: &Targets) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .dns_resolver(GuardedResolver(targets.clone()))
        // Calls are rare, and a kept connection would belong to the runtime of the worker that opened it.
        .pool_max_idle_per_host(0)
        .user_agent(concat!("cloakroom/", env!("CARGO_PKG_VERSION")))
        .build()
}

async fn in_time<T>(call: impl Future<Output = Result<T, OutboundError>>) -> Result<T, OutboundError> {
    let ended = tokio::time::timeout(DEADLINE, call).await;
    ended.unwrap_or(Err(OutboundError::TimedOut))
}

async fn send(request: RequestBuilder) -> Result<Response, OutboundError> {
    request.send().await.map_err(failed)
}

async fn read(mut response: Response) -> Result<Vec<u8>, OutboundError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(OutboundError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Tells a name that leads where no call may go from a network that fails.
fn failed(error: reqwest::Error) -> OutboundError {
    let error = error.without_url();
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(forbidden) = inner.downcast_ref::<ForbiddenTarget>() {
            return OutboundError::Forbidden(*forbidden);
        }
        cause = inner.source();
    }
    OutboundError::Transport(error)
}

/// Resolves names as the system does and keeps the addresses that may be called.
#[derive(Debug)]
struct GuardedResolver(Targets);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let targets = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let admitted = admitted(&targets, name.as_str(), found)?;
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}

fn admitted(
    targets: &Targets,
    name: &str,
    found: impl Iterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
    let mut found = found.peekable();
    if found.peek().is_none() {
        return Err(Box::new(io::Error::other("the name has no address")));
    }
    // What is sent to `localhost` may be sent in the clear, so it does not leave this machine (RFC 6761 §6.3).
    let stays_here = is_localhost(name);
    let admitted: Vec<_> = found
        .filter(|address| !stays_here || address.ip().is_loopback())
        .filter(|address| targets.admit(address.ip()))
        .collect();
    if admitted.is_empty() {
        return Err(Box::new(ForbiddenTarget::Network));
    }
    Ok(admitted)
}

#[cfg(test)]
mod tests;
