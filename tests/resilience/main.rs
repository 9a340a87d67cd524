//! What is promised of several BFFs on one Redis, shown on real processes (`docs/guarantees.md` says which test shows
//! what).
//!
//! Nodes are killed, frozen and cut off; the provider is slow, down, or loses its answer. Requests are held where the
//! story needs them, and time is moved: only leases and other matters between nodes and Redis run by the real clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a story reports what is wrong by failing the test"
)]

mod administration;
mod dumps;
mod herd;
mod logouts;
mod losses;
mod outages;

use e2e::cluster::Cluster;
use e2e::stack::Deployment;

/// The program of a node.
const NODE: &str = env!("CARGO_BIN_EXE_bff-node");
/// Stands at the head of what the vault seals: a key's name of two letters, `k1`. Found in what a node says to Redis while it
/// refreshes, it is the session's new tokens on their way.
const SEALED: &[u8] = b"\x02k1";

/// Three nodes. They wait for Redis for longer than in production: on a busy machine it may be slow without being away.
async fn start(deployment: Deployment) -> Cluster {
    let deployment = deployment.with_redis_timeout("3s");
    Cluster::start(deployment, NODE).await
}

/// Makes tests of stories, `async fn(Deployment)`: one with our provider, one with npm `oidc-provider`.
macro_rules! on_every_provider {
    ($($story:ident),+ $(,)?) => {$(
        mod $story {
            use e2e::stack::Deployment;

            #[test]
            fn our_provider() {
                e2e::story::run(super::$story(Deployment::with_redis()));
            }

            #[test]
            fn foreign_provider() {
                e2e::story::run(super::$story(Deployment::with_redis().and_foreign_provider()));
            }
        }
    )+};
}
use on_every_provider;
