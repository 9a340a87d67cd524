//! Fetches a provider's keys over HTTP.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use reqwest::header::ACCEPT;
use serde::Deserialize;
use url::Url;

use crate::error::FetchKeysError;
use crate::http;
use crate::key_cache::FetchKeys;

/// How long one fetch may take in all, discovery included.
const DEADLINE: Duration = Duration::from_secs(5);

/// More than any key set or metadata document needs.
const MAX_ANSWER_BYTES: usize = 512 * 1024;

/// The keys at a `jwks_uri`, given or discovered.
#[derive(Debug)]
pub struct HttpKeys {
    client: reqwest::Client,
    location: Location,
}

#[derive(Debug)]
enum Location {
    Known(Url),
    OfIssuer {
        issuer: Url,
        /// What discovery found; forgotten when it stops working.
        found: ArcSwapOption<Url>,
    },
}

impl HttpKeys {
    /// The keys at this address.
    #[must_use]
    pub fn at(jwks_uri: Url, client: reqwest::Client) -> Self {
        Self {
            client,
            location: Location::Known(jwks_uri),
        }
    }

    /// The keys of this issuer, whose metadata is looked for where RFC 8414 §3.1 and then where OpenID Connect
    /// Discovery §4 puts it. Its `issuer` has to be this one byte for byte; only the slash that [`Url`] adds to an
    /// address without a path may be missing.
    #[must_use]
    pub fn of_issuer(issuer: Url, client: reqwest::Client) -> Self {
        Self {
            client,
            location: Location::OfIssuer {
                issuer,
                found: ArcSwapOption::empty(),
            },
        }
    }

    /// A client that is fit for this: it goes where it is told, through no proxy and along no redirect, tells nobody
    /// where it came from, and gives up in time.
    ///
    /// # Errors
    /// When TLS cannot be set up, for example because the machine has no CA certificates.
    pub fn client() -> Result<reqwest::Client, reqwest::Error> {
        http::client(DEADLINE)
            // Fetches are minutes apart, and a kept connection would belong to the runtime of the worker that opened it.
            .pool_max_idle_per_host(0)
            .build()
    }

    async fn fetch_unhurried(&self) -> Result<Vec<u8>, FetchKeysError> {
        let (issuer, found) = match &self.location {
            Location::Known(jwks_uri) => return self.get(jwks_uri).await,
            Location::OfIssuer { issuer, found } => (issuer, found),
        };
        let jwks_uri = match found.load_full() {
            Some(jwks_uri) => jwks_uri,
            None => Arc::new(self.discover(issuer).await?),
        };
        let keys = self.get(&jwks_uri).await;
        found.store(keys.is_ok().then_some(jwks_uri));
        keys
    }

    async fn discover(&self, issuer: &Url) -> Result<Url, FetchKeysError> {
        match self.metadata(issuer, &oauth_metadata_address(issuer)).await {
            // Where the network fails, the second address would fail as well, only later.
            Err(error @ (FetchKeysError::Transport(_) | FetchKeysError::TimedOut)) => Err(error),
            Err(_) => self.metadata(issuer, &openid_metadata_address(issuer)).await,
            found => found,
        }
    }

    async fn metadata(&self, issuer: &Url, address: &Url) -> Result<Url, FetchKeysError> {
        let answer = self.get(address).await?;
        jwks_uri_of(issuer, &answer).map_err(FetchKeysError::Metadata)
    }

    async fn get(&self, address: &Url) -> Result<Vec<u8>, FetchKeysError> {
        let request = self
            .client
            .get(address.clone())
            .header(ACCEPT, "application/json");
        let response = request.send().await.map_err(transport)?;
        if !response.status().is_success() {
            return Err(FetchKeysError::Status(response.status().as_u16()));
        }
        let body = http::body_within(response, MAX_ANSWER_BYTES)
            .await
            .map_err(transport)?;
        body.ok_or(FetchKeysError::TooLarge(MAX_ANSWER_BYTES))
    }
}

#[async_trait]
impl FetchKeys for HttpKeys {
    async fn fetch(&self) -> Result<Vec<u8>, FetchKeysError> {
        // The deadline is kept here too: the client may be another than ours.
        let fetched = tokio::time::timeout(DEADLINE, self.fetch_unhurried()).await;
        fetched.unwrap_or(Err(FetchKeysError::TimedOut))
    }

    fn whose(&self) -> Option<&str> {
        Some(match &self.location {
            Location::Known(jwks_uri) => jwks_uri.as_str(),
            Location::OfIssuer { issuer, .. } => issuer.as_str(),
        })
    }
}

fn transport(error: reqwest::Error) -> FetchKeysError {
    http::failure(error, FetchKeysError::TimedOut, FetchKeysError::Transport)
}

/// RFC 8414 §3.1: the well-known part goes between the host and the path of the issuer.
fn oauth_metadata_address(issuer: &Url) -> Url {
    let mut address = issuer.clone();
    let path = issuer.path().trim_end_matches('/');
    address.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    address
}

/// OpenID Connect Discovery §4: the well-known part goes behind the issuer.
fn openid_metadata_address(issuer: &Url) -> Url {
    let mut address = issuer.clone();
    let path = issuer.path().trim_end_matches('/');
    address.set_path(&format!("{path}/.well-known/openid-configuration"));
    address
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

fn jwks_uri_of(issuer: &Url, metadata: &[u8]) -> Result<Url, &'static str> {
    let metadata: Metadata =
        serde_json::from_slice(metadata).map_err(|_| "not a JSON object with issuer and jwks_uri")?;
    // RFC 8414 §3.3: otherwise whoever controls one address could pass for any issuer.
    if !is_named(issuer, &metadata.issuer) {
        return Err("it names another issuer");
    }
    let jwks_uri = Url::parse(&metadata.jwks_uri).map_err(|_| "jwks_uri is not an address")?;
    match (issuer.scheme(), jwks_uri.scheme()) {
        (_, "https") | ("http", "http") => Ok(jwks_uri),
        _ => Err("jwks_uri has to be https"),
    }
}

fn is_named(issuer: &Url, name: &str) -> bool {
    let full = issuer.as_str();
    let added_slash = issuer.path() == "/" && issuer.query().is_none();
    full == name || (added_slash && full.strip_suffix('/') == Some(name))
}

#[cfg(test)]
mod tests;
