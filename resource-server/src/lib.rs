//! Verifies JWT access tokens where they are used, without a call per request.
//!
//! An API that takes access tokens needs three things of this crate: a [`verifier::Verifier`], which says what an
//! acceptable token is; a [`key_cache::KeyCache`], which holds the provider's public keys and renews them; and the
//! extractor [`actix::AccessToken`], which answers a request without a good token as RFC 6750 asks.
//!
//! The notes service of this crate ([`start`]) is such an API: small, whole, and an example to copy from.

pub mod actix;
pub mod algorithm;
pub mod claims;
pub mod config;
pub mod error;
pub mod http_keys;
pub mod jwks;
pub mod key_cache;
pub mod notes;
pub mod problem;
pub mod service;
pub mod settings;
pub mod time;
pub mod verifier;

mod compact;
mod json_body;
mod profile;
mod token_memory;

pub use config::Config;
pub use service::{Listeners, Running, start};

#[cfg(test)]
mod test_support;
