//! The auth server from outside: the program as it is built, with a configuration file, in processes of its own; spoken to
//! over HTTP only, and looked after by the commands that operators have.
//!
//! Nothing of its library is called here. Time stands still unless a story moves it: the program reads the system's clock,
//! and libfaketime stands before that. Each response passes through [`harness`], which checks what has to hold for all
//! of them. Some stories open the database beside the server, to break it, to look for secrets in it, or to count what
//! is left.

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
