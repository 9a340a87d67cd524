//! A compact OAuth 2.1 authorization server and OpenID provider.
//!
//! Authorization code with PKCE, pushed requests, refresh tokens that rotate, client credentials, token exchange, resource
//! indicators, introspection, revocation, userinfo, discovery, RP-initiated and back-channel logout; users with passwords,
//! and pages for consent and their account; clients from the configuration or the database; signing keys that rotate; an
//! SQLite file or a PostgreSQL database. [`start`] runs it in any tokio runtime, several of them in one process if need be.

mod account;
mod app;
mod authorize;
pub mod client;
pub mod config;
mod discovery;
mod grant;
mod http;
mod key;
mod logout;
pub mod operator;
mod ops;
mod page;
mod params;
pub mod scope;
mod secret;
mod signin;
mod state;
mod status_list;
mod store;
mod token;
pub mod user;

pub use app::{Listeners, Running, StopHandle, start};
pub use config::Config;
pub use ops::audit::TARGET as AUDIT_TARGET;
pub use ops::metrics::install as install_metrics;
