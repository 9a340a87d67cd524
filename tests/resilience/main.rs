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
mod floods;
mod herd;
mod logouts;
mod losses;
mod metrics;
mod outages;
mod redis_forms;
mod rolling;
mod streams;

use std::time::Instant;

use e2e::browser::Browser;
use e2e::cluster::{Answered, Cluster, Load, Stolen};
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

/// A session that is used without a pause on every node.
struct LoadEverywhere(Vec<Load>);

impl LoadEverywhere {
    /// Starts, and waits until every node has served.
    async fn start(cluster: &Cluster, browser: &Browser) -> Self {
        let ticket = Stolen::from(cluster.stack(), browser);
        let nodes = cluster.nodes().iter();
        let loads = nodes.map(|node| Load::start(2, &ticket, node.address(), "/api/notes"));
        let load = Self(loads.collect());
        load.sees_next("the session is served", 200).await;
        load
    }

    /// Waits until every node has given such an answer to a request that was sent from now on.
    async fn sees_next(&self, what: &str, status: u16) {
        let now = Instant::now();
        for load in &self.0 {
            load.sees_after(now, what, status).await;
        }
    }

    /// Stops, and looks at every answer.
    async fn was_served_or_told_of_an_outage(self) {
        for answers in self.stop().await {
            let others: Vec<_> = answers
                .iter()
                .filter(|answered| !answered.is_served_or_outage)
                .collect();
            assert!(others.is_empty(), "{others:?}");
        }
    }

    /// Stops, and gives every node's answers.
    async fn stop(self) -> Vec<Vec<Answered>> {
        let mut answers = Vec::new();
        for load in self.0 {
            answers.push(load.stop().await);
        }
        answers
    }
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
