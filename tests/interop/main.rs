//! Our auth server and clients that are not ours: certified libraries of npm, and Debian's mod_auth_openidc; and APIs that are
//! not ours.
//!
//! For the clients the server is a process of its own, and nginx stands before it with the lines of `docs/conformance.md`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a story reports what is wrong by failing the test"
)]

mod conformance;
mod libraries;
mod relying_party;
mod resource_servers;

use std::path::Path;

use e2e::auth::{AuthServer, about_this_machine};

const NODE: &str = env!("CARGO_BIN_EXE_auth-node");

/// Starts the auth server with these clients.
async fn auth_server(clients: &str) -> AuthServer {
    AuthServer::start(NODE, |issuer, folder: &Path| {
        format!("{}{clients}", about_this_machine(issuer, folder))
    })
    .await
}
