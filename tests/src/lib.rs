//! The harness of the end-to-end tests: real servers, real Redis, an OpenID provider that is not ours, a browser.
//!
//! A story starts a [`Stack`](stack::Stack), which is everything a deployment has, each on a port of its own that the
//! harness bound first; it acts through a [`Browser`](browser::Browser), which behaves towards cookies, redirects and
//! `Sec-Fetch-*` as Chromium does and looks at *every* answer of the BFF for what must never reach a browser; and it
//! learns what happened behind the counter from recording relays: [`Relay`](relay::Relay) stands between the BFF and
//! the provider, [`Upstream`](upstream::Upstream) where the APIs are.
//!
//! Nothing waits by sleeping. Requests are held at a [`Gate`](gate::Gate), time is a clock that the story moves, and
//! where a foreign process gives no signal, [`wait::eventually`] asks it again, bounded.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a harness reports what is wrong by failing the test"
)]

pub mod apache;
pub mod auth;
pub mod browser;
pub mod chromium;
pub mod cluster;
pub mod cores;
pub mod foreign;
pub mod frames;
pub mod gate;
pub mod gateway;
pub mod grpc;
pub mod http_server;
pub mod jose;
pub mod leash;
pub mod log;
pub mod measure;
pub mod misfits;
pub mod operator;
pub mod peer;
pub mod process;
pub mod program;
pub mod raw;
pub mod redis;
pub mod relay;
pub mod report;
pub mod secrets;
pub mod sessions;
pub mod signer;
pub mod stack;
pub mod story;
pub mod upstream;
pub mod vite;
pub mod wait;
pub mod wire;
pub mod writer;
