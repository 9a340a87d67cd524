//! The notes service from outside: `docs/resource-server-checks.md`, line by line, over real HTTP.
//!
//! Each test starts the service and an issuer on ports of the system's choice. Time stands still unless a test moves it.
//! Tokens are signed here and not with the crate's own means; each answer passes through [`harness`], which checks what has
//! to hold for all of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod algorithms;
mod claims;
mod credentials;
mod floods;
mod harness;
mod header;
mod outages;
mod rotation;
mod structure;
