//! The program from outside: exit codes, what it says and logs, and what operators do with it, also beside a server that
//! runs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod audit;
mod back_channel;
mod client;
mod configuration;
mod harness;
mod key;
mod metrics;
#[cfg(unix)]
mod nodes;
mod races;
#[path = "../support/receiver.rs"]
#[expect(dead_code, reason = "`tests/auth-server` uses all of it")]
mod receiver;
mod session;
mod user;
