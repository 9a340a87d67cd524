//! The calls to the provider. This file carries; what an answer means is decided beside it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use reqwest::header::{ACCEPT, RETRY_AFTER};
use reqwest::{RequestBuilder, Response};
use resource_server::http_keys::HttpKeys;
use resource_server::key_cache::{KeyCache, VerifyError};
use resource_server::time::{Clock, UnixTime};
use resource_server::verifier::{InvalidVerifier, Verifier};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::client_auth::{ClientAuth, Credentials};
use super::discovery::{Discovered, Metadata, document_url, tell};
use super::error::{DEFAULT_RETRY_AFTER, ProviderError};
use super::hold_off::HoldOff;
use super::id_token::{self, ExpectedIdToken, IdTokenError, Identity};
use super::token_endpoint::{Granted, TokenAnswerError, read_answer};
use crate::background::Background;
use crate::errors::chain;
use crate::outage::Outage;
use crate::session::tokens::{AccessToken, IdToken, RefreshToken};

/// No document of a provider is larger than this.
const BODY_LIMIT: usize = 512 * 1024;
/// How long metadata is used before it is fetched again beside the requests that go on with the old.
const METADATA_FRESH_FOR: Duration = Duration::from_secs(3600);
/// How soon a connection whose other end says nothing is asked whether it is there, and how long the answer may take.
const PING_INTERVAL: Duration = Duration::from_secs(3);
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// The provider and our registration with it, as configured.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    /// The issuer exactly as written: it is compared byte for byte.
    pub issuer: String,
    /// The same, parsed.
    pub issuer_url: Url,
    /// Our client.
    pub client_id: String,
    /// How our client proves itself.
    pub client_auth: ClientAuth,
    /// The deadline of each call.
    pub timeout: Duration,
    /// Whether claims are read from userinfo too.
    pub userinfo: bool,
}

/// The OpenID provider.
#[derive(Debug)]
pub struct Provider {
    settings: ProviderSettings,
    client: reqwest::Client,
    /// Where calls are made: a connection belongs to the runtime that opened it, and a worker's ends before the tasks
    /// that outlive requests do.
    background: Background,
    keys_client: reqwest::Client,
    verifier: Verifier,
    clock: Arc<dyn Clock>,
    discovered: ArcSwapOption<Known>,
    /// Held while the first metadata is fetched, so that there is one fetch at a time; when the last one failed.
    discovering: Mutex<Option<Instant>>,
    undiscovered: Outage,
    pub(super) hold_off: HoldOff,
}

#[derive(Debug)]
struct Known {
    discovered: Arc<Discovered>,
    since: UnixTime,
}

/// Why no client of a provider can be made.
#[derive(Debug, thiserror::Error)]
pub enum UnusableProvider {
    /// The TLS configuration of this machine is unusable.
    #[error("no client for HTTP can be set up")]
    Http(#[from] reqwest::Error),
    /// No ID token could be good.
    #[error("its ID tokens cannot be verified")]
    Verifier(#[from] InvalidVerifier),
}

impl Provider {
    /// Prepares the client; nothing is fetched yet, so that a provider that is down does not keep the BFF down.
    ///
    /// # Errors
    /// See `UnusableProvider`.
    pub fn new(
        settings: ProviderSettings,
        clock: Arc<dyn Clock>,
        background: Background,
    ) -> Result<Self, UnusableProvider> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .timeout(settings.timeout)
            .connect_timeout(settings.timeout)
            // Below the keep-alive time of common servers, so that a connection is not used as it is closed.
            .pool_idle_timeout(Duration::from_secs(4))
            // A connection in use is never idle; one whose other end has vanished is noticed by pings.
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_INTERVAL)
            .user_agent(concat!("cloakroom-bff/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let verifier = Verifier::id_token(&settings.issuer, &settings.client_id).build()?;
        Ok(Self {
            settings,
            client,
            background,
            keys_client: HttpKeys::client()?,
            verifier,
            clock,
            discovered: ArcSwapOption::empty(),
            discovering: Mutex::new(None),
            undiscovered: Outage::new(Duration::ZERO),
            hold_off: HoldOff::default(),
        })
    }

    /// The issuer, exactly as configured.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// Our client's id.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.settings.client_id
    }

    /// The provider's metadata. An old one is renewed beside the requests that go on with it, and stays in use while
    /// the provider is down.
    ///
    /// # Errors
    /// When no metadata has ever been had and none can be had now.
    pub async fn discovered(self: &Arc<Self>) -> Result<Arc<Discovered>, ProviderError> {
        let now = self.clock.now();
        if let Some(known) = self.discovered.load_full() {
            if now.since(known.since) >= METADATA_FRESH_FOR {
                // Renewing it counts from now on, so that one task does so and not every request.
                self.remember(Arc::clone(&known.discovered), now);
                let provider = Arc::clone(self);
                drop(
                    self.background
                        .spawn(async move { provider.renew_metadata(&known).await }),
                );
            }
            return self
                .discovered
                .load_full()
                .map(|known| Arc::clone(&known.discovered))
                .ok_or(ProviderError::JustFailed);
        }
        let arrived = Instant::now();
        let mut last_failure = self.discovering.lock().await;
        if let Some(known) = self.discovered.load_full() {
            return Ok(Arc::clone(&known.discovered));
        }
        // Those who waited for an attempt that failed are told at once, instead of failing one after the other.
        if last_failure.is_some_and(|failed| failed >= arrived) {
            return Err(ProviderError::JustFailed);
        }
        let discovered = self.discover(None).await;
        *last_failure = discovered.is_err().then(Instant::now);
        tell(&self.undiscovered, &discovered);
        discovered.map_err(|error| ProviderError::NotDiscovered(Box::new(error)))
    }

    async fn renew_metadata(&self, known: &Known) {
        if let Err(error) = self.discover(Some(known)).await {
            tracing::warn!(
                error = chain(&error),
                "the provider's metadata could not be renewed"
            );
        }
    }

    /// Exchanges a code for tokens and learns who signed in (OpenID Connect Core §3.1.3).
    ///
    /// # Errors
    /// When the provider refuses, cannot be reached, or its answer proves nothing.
    pub async fn exchange_code(
        self: &Arc<Self>,
        code: &str,
        code_verifier: &str,
        redirect_uri: &str,
        nonce: &str,
    ) -> Result<(Granted, Identity), ProviderError> {
        let discovered = self.discovered().await?;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", code_verifier),
        ];
        let granted = self
            .token_request(&discovered.metadata, &form, read_answer)
            .await?;
        match self.who_signed_in(&discovered, &granted, nonce).await {
            Ok(identity) => Ok((granted, identity)),
            Err(error) => {
                self.revoke_unused(&granted).await;
                Err(error)
            }
        }
    }

    async fn who_signed_in(
        &self,
        discovered: &Discovered,
        granted: &Granted,
        nonce: &str,
    ) -> Result<Identity, ProviderError> {
        let id_token = granted
            .id_token
            .as_ref()
            .ok_or_else(|| unproven("the answer holds no ID token"))?;
        let expected = ExpectedIdToken::OfLogin { nonce };
        let mut identity = self
            .identify(discovered, id_token, expected, &granted.access_token)
            .await?;
        if let Some(endpoint) = discovered
            .metadata
            .userinfo_endpoint
            .as_ref()
            .filter(|_| self.settings.userinfo)
        {
            let more = self
                .userinfo(endpoint, &granted.access_token, &identity.subject)
                .await?;
            // What is signed wins over what is not.
            for (name, value) in more {
                identity.claims.entry(name).or_insert(value);
            }
        }
        Ok(identity)
    }

    /// Revokes a refresh token (RFC 7009); nothing to do where the provider has no such endpoint.
    ///
    /// # Errors
    /// When the provider cannot be reached or refuses.
    pub async fn revoke(self: &Arc<Self>, refresh_token: &RefreshToken) -> Result<(), ProviderError> {
        let discovered = self.discovered().await?;
        let Some(endpoint) = &discovered.metadata.revocation_endpoint else {
            return Ok(());
        };
        let form = [
            ("token", refresh_token.expose()),
            ("token_type_hint", "refresh_token"),
        ];
        let response = self.send(self.authenticated(endpoint, &form)).await?;
        expect_success("the revocation endpoint", &response)
    }

    /// Revokes a refresh token, and tells only the log if that fails: nobody waits for it.
    pub async fn revoke_or_report(self: &Arc<Self>, refresh_token: &RefreshToken) {
        if let Err(error) = self.revoke(refresh_token).await {
            tracing::warn!(
                error = chain(&error),
                "a refresh token that nobody uses any more could not be revoked"
            );
        }
    }

    /// Tokens that proved nothing must not stay good.
    pub(super) async fn revoke_unused(self: &Arc<Self>, granted: &Granted) {
        if let Some(token) = &granted.refresh_token {
            self.revoke_or_report(token).await;
        }
    }

    async fn discover(&self, known: Option<&Known>) -> Result<Arc<Discovered>, ProviderError> {
        let request = self
            .client
            .get(document_url(&self.settings.issuer_url))
            .header(ACCEPT, "application/json");
        let response = self.send(request).await?;
        expect_success("the metadata document", &response)?;
        let metadata = Metadata::parse(&read_body(response).await?, &self.settings.issuer)?;
        // The keys that are known stay, unless they moved.
        let discovered = match known.map(|known| &known.discovered) {
            Some(known) if known.metadata == metadata => Arc::clone(known),
            _ => {
                let keys = HttpKeys::at(metadata.jwks_uri.clone(), self.keys_client.clone());
                let keys = KeyCache::new(Arc::new(keys), Arc::clone(&self.clock));
                Arc::new(Discovered { metadata, keys })
            }
        };
        self.remember(Arc::clone(&discovered), self.clock.now());
        Ok(discovered)
    }

    fn remember(&self, discovered: Arc<Discovered>, since: UnixTime) {
        self.discovered.store(Some(Arc::new(Known { discovered, since })));
    }

    pub(super) async fn token_request(
        &self,
        metadata: &Metadata,
        form: &[(&str, &str)],
        read: fn(u16, &[u8]) -> Result<Granted, TokenAnswerError>,
    ) -> Result<Granted, ProviderError> {
        let response = self
            .send(self.authenticated(&metadata.token_endpoint, form))
            .await?;
        let (status, retry_after) = (response.status().as_u16(), named_retry_after(&response));
        self.hold_off.note(status, retry_after, Instant::now());
        let retry_after = retry_after.unwrap_or(DEFAULT_RETRY_AFTER);
        let body = read_body(response).await?;
        read(status, &body).map_err(|answer| ProviderError::TokenAnswer { answer, retry_after })
    }

    pub(super) async fn identify(
        &self,
        discovered: &Discovered,
        id_token: &IdToken,
        expected: ExpectedIdToken<'_>,
        access_token: &AccessToken,
    ) -> Result<Identity, ProviderError> {
        let claims = match discovered.keys.verify(&self.verifier, id_token.expose()).await {
            Ok(claims) => claims,
            Err(VerifyError::Token(error)) => return Err(ProviderError::Unproven(error.into())),
            Err(error @ VerifyError::UnknownKeyForNow) => return Err(ProviderError::Keys(error.into())),
            Err(VerifyError::KeysUnavailable(error)) => return Err(ProviderError::Keys(error.into())),
        };
        id_token::judge(
            id_token,
            claims.all(),
            &self.settings.client_id,
            expected,
            access_token,
        )
        .map_err(|error: IdTokenError| ProviderError::Unproven(error.into()))
    }

    async fn userinfo(
        &self,
        endpoint: &Url,
        access_token: &AccessToken,
        subject: &str,
    ) -> Result<Map<String, Value>, ProviderError> {
        let request = self
            .client
            .get(endpoint.clone())
            .bearer_auth(access_token.expose());
        let response = self.send(request.header(ACCEPT, "application/json")).await?;
        if response.status().is_client_error() {
            // Several providers take no access token here that was issued for an API. The ID token has proven who it
            // is; what is missing is decoration.
            tracing::warn!(
                status = response.status().as_u16(),
                "userinfo refused the access token and was left out"
            );
            return Ok(Map::new());
        }
        expect_success("userinfo", &response)?;
        let claims: Map<String, Value> = serde_json::from_slice(&read_body(response).await?)
            .map_err(|_| unproven("userinfo is not a JSON object"))?;
        // OpenID Connect Core §5.3.2: it may be about somebody else.
        if claims.get("sub").and_then(Value::as_str) != Some(subject) {
            return Err(unproven("userinfo is about another user"));
        }
        Ok(id_token::about_the_user(&claims))
    }

    fn authenticated(&self, endpoint: &Url, form: &[(&str, &str)]) -> RequestBuilder {
        let request = self
            .client
            .post(endpoint.clone())
            .header(ACCEPT, "application/json");
        match self.settings.client_auth.credentials(&self.settings.client_id) {
            Credentials::Header { user, password } => request.basic_auth(user, Some(password)).form(form),
            Credentials::Fields(fields) => {
                let form: Vec<_> = form.iter().chain(fields.iter()).collect();
                request.form(&form)
            }
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, ProviderError> {
        let sent = self.background.spawn(request.send()).await;
        let answered = sent.map_err(|ended| ProviderError::AnswerLost {
            source: ended.into(),
            timed_out: true,
        })?;
        answered.map_err(failed)
    }
}

/// The URL is left out: an authorization server may put what it likes into its endpoints' queries.
fn failed(error: reqwest::Error) -> ProviderError {
    let (is_connect, timed_out) = (error.is_connect(), error.is_timeout());
    let source = error.without_url().into();
    if is_connect {
        ProviderError::Unreachable(source)
    } else {
        ProviderError::AnswerLost { source, timed_out }
    }
}

fn unproven(what: &'static str) -> ProviderError {
    ProviderError::Unproven(anyhow::anyhow!(what))
}

fn expect_success(call: &'static str, response: &Response) -> Result<(), ProviderError> {
    if response.status().is_success() {
        return Ok(());
    }
    Err(ProviderError::Status {
        call,
        status: response.status().as_u16(),
        retry_after: retry_after(response),
    })
}

fn retry_after(response: &Response) -> Duration {
    named_retry_after(response).unwrap_or(DEFAULT_RETRY_AFTER)
}

/// `Retry-After` in seconds (RFC 9110 §10.2.3), bounded; dates are taken as absent.
fn named_retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?;
    let seconds = value.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER))
}

async fn read_body(mut response: Response) -> Result<Vec<u8>, ProviderError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > BODY_LIMIT {
            return Err(ProviderError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
