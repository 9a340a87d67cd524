//! Verifies JWT access tokens where they are used, without a call per request.
//!
//! # What an API puts together
//!
//! * a [`verifier::Verifier`], which says what an acceptable token is: of one issuer, for one audience, of one kind
//!   (access token by RFC 9068, ID token, logout token, client assertion);
//! * a [`key_cache::KeyCache`], which holds the issuer's public keys and renews them, from wherever a
//!   [`key_cache::FetchKeys`] gets them;
//! * [`issuers::Issuers`], which remembers the tokens that were verified, and takes those of one issuer or of several.
//!
//! That is all there is by default, and it depends on no server and no client:
//!
//! ```
//! use std::sync::Arc;
//!
//! use resource_server::error::FetchKeysError;
//! use resource_server::issuers::{Issuers, NotAccepted};
//! use resource_server::key_cache::{FetchKeys, KeyCache};
//! use resource_server::time::SystemClock;
//! use resource_server::verifier::{Algorithm, Verifier};
//!
//! /// Keys that an operator puts into a file.
//! #[derive(Debug)]
//! struct KeysInFile;
//!
//! #[async_trait::async_trait]
//! impl FetchKeys for KeysInFile {
//!     async fn fetch(&self) -> Result<Vec<u8>, FetchKeysError> {
//!         std::fs::read("jwks.json").map_err(|error| FetchKeysError::Transport(Arc::new(error)))
//!     }
//! }
//!
//! fn issuers() -> Result<Issuers, Box<dyn std::error::Error>> {
//!     let verifier = Verifier::access_token("https://issuer.example", "https://api.example")
//!         .algorithms(&[Algorithm::Es256, Algorithm::EdDsa])
//!         .roles_in(["realm_access", "roles"])
//!         .build()?;
//!     let keys = KeyCache::new(Arc::new(KeysInFile), Arc::new(SystemClock));
//!     Ok(Issuers::one(verifier, keys)?)
//! }
//!
//! async fn may_read_orders(issuers: &Issuers, token: &str) -> Result<bool, NotAccepted> {
//!     let claims = issuers.verify(token).await?;
//!     Ok(claims.has_scope("orders:read") || claims.has_role("clerk"))
//! }
//! # issuers().unwrap();
//! ```
//!
//! # Features
//!
//! | | adds |
//! |---|---|
//! | `actix` | [`actix`]: extractor, guards, RFC 6750 challenges and RFC 9728 metadata for actix-web |
//! | `http-keys` | [`http_keys`]: the keys of an issuer over HTTP, found by its metadata |
//! | `status-list` | [`status_list`]: refuses tokens of grants that have ended (draft-ietf-oauth-status-list), once `with_status_lists` says whose lists to follow |
//! | `settings` | [`settings`]: a configuration file whose faults are told all at once |
//! | `test-support` | [`test_support`]: mints tokens, good and bad ones, for tests of an API |
//! | `service` | the notes API ([`start`]) and its program: small, whole, and an example to copy from |
//!
//! # With actix-web
//!
//! ```
//! # #[cfg(all(feature = "actix", feature = "http-keys"))] {
//! use std::sync::Arc;
//!
//! use actix_web::{App, HttpServer, web};
//! use resource_server::actix::{AccessToken, Protection, RequireScope};
//! use resource_server::http_keys::HttpKeys;
//! use resource_server::key_cache::KeyCache;
//! use resource_server::time::SystemClock;
//! use resource_server::verifier::Verifier;
//!
//! async fn orders(token: AccessToken) -> String {
//!     format!("orders of {}", token.claims().subject())
//! }
//!
//! async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//!     let (issuer, audience) = ("https://issuer.example", "https://api.example");
//!     let verifier = Verifier::access_token(issuer, audience).build()?;
//!     let source = HttpKeys::of_issuer(issuer.parse()?, HttpKeys::client()?);
//!     let keys = KeyCache::new(Arc::new(source), Arc::new(SystemClock));
//!     let protection = web::Data::new(Protection::new(verifier, keys, audience)?);
//!     let app = move || {
//!         let orders = web::get().to(orders).wrap(RequireScope::new("orders:read"));
//!         App::new().app_data(protection.clone()).route("/orders", orders)
//!     };
//!     Ok(HttpServer::new(app).bind("127.0.0.1:8080")?.run().await?)
//! }
//! # }
//! ```
//!
//! Whole programs are in `examples/`: `minimal`, `scopes`, `several_issuers` and `tests_with_a_fake_issuer`. How other
//! languages and proxies keep the same rules is told in `docs/resource-servers.md`.

#[cfg(feature = "actix")]
pub mod actix;
pub mod algorithm;
pub mod claims;
#[cfg(feature = "service")]
pub mod config;
pub mod error;
#[cfg(feature = "http-keys")]
pub mod http_keys;
pub mod issuers;
pub mod jwks;
pub mod key_cache;
#[cfg(feature = "service")]
pub mod notes;
#[cfg(feature = "actix")]
pub mod problem;
#[cfg(feature = "service")]
pub mod service;
#[cfg(feature = "settings")]
pub mod settings;
pub mod status;
#[cfg(feature = "status-list")]
pub mod status_list;
#[cfg(any(test, feature = "test-support"))]
pub mod test_support;
pub mod time;
pub mod verifier;

mod compact;
#[cfg(feature = "http-keys")]
mod http;
mod json;
#[cfg(feature = "service")]
mod json_body;
mod profile;
mod roles;
#[cfg(test)]
mod test_log;
mod token_memory;

#[cfg(feature = "service")]
pub use config::Config;
#[cfg(feature = "service")]
pub use service::{Listeners, Running, start};
