//! Verifies JWT access tokens where they are used, without a call per request.
//!
//! An API that takes access tokens needs three things of this crate: a [`verifier::Verifier`], which says what an
//! acceptable token is; a [`key_cache::KeyCache`], which holds the provider's public keys and renews them; and the
//! extractor [`actix::AccessToken`], which answers a request without a good token as RFC 6750 asks.
//!
//! The notes service of this crate ([`start`]) is such an API: small, whole, and an example to copy from.

#[cfg(feature = "actix")]
pub mod actix;
pub mod algorithm;
pub mod claims;
#[cfg(feature = "service")]
pub mod config;
pub mod error;
#[cfg(feature = "http-keys")]
pub mod http_keys;
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
#[cfg(feature = "service")]
mod json_body;
mod profile;
#[cfg(feature = "actix")]
mod token_memory;

#[cfg(feature = "service")]
pub use config::Config;
#[cfg(feature = "service")]
pub use service::{Listeners, Running, start};
