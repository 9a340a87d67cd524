//! The program from outside: exit codes, what it says and logs, and what operators do with it, also beside a server that
//! runs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod audit;
mod client;
mod configuration;
mod harness;
#[cfg(unix)]
mod nodes;
mod session;
mod user;
