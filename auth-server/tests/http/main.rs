//! The server from outside: started in this process on a port of the system's choice, spoken to over HTTP only.
//!
//! Time stands still unless a test moves it. Each response passes through [`harness`], which checks what has to hold
//! for all of them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use harness::Database;

/// The stories of which PostgreSQL could make others are told on it, too: `postgres.rs`.
const DATABASE: Database = Database::Sqlite;

mod account;
mod algorithms;
mod authorization;
mod back_channel;
mod claims;
mod client_assertions;
mod client_credentials;
mod cluster;
mod code_exchange;
mod consent;
mod disabled;
mod discovery;
mod flood;
mod forgeries;
mod harness;
mod introspection;
mod keys;
mod languages;
mod logout;
mod native_client;
mod oidcc_basic;
mod outage;
mod own_password;
mod par;
mod pkce;
mod refresh;
mod registry;
mod resource_matrix;
mod resources;
mod revocation;
mod sessions;
mod sign_in;
mod status_lists;
mod timing;
mod token_endpoint;
mod token_exchange;
mod userinfo;
