//! (90) Nodes are restarted one after the other, behind a load balancer that goes by their readiness.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use e2e::cluster::{Cluster, Node, Stolen};
use e2e::on_redis;
use e2e::stack::Deployment;
use e2e::wait::eventually;
use futures_util::future::join_all;

/// How often the balancer asks for readiness: longer than a stop takes that waits for nobody, shorter than `drain_delay`.
const PROBE: Duration = Duration::from_millis(1_500);

/// Which nodes take new requests.
struct Balancer<'c> {
    client: reqwest::Client,
    nodes: &'c [Node],
    ready: Vec<AtomicUsize>,
    next: AtomicUsize,
    served: Vec<AtomicUsize>,
}

impl<'c> Balancer<'c> {
    fn of(cluster: &'c Cluster) -> Self {
        let zeros = || cluster.nodes().iter().map(|_| AtomicUsize::new(0)).collect();
        Self {
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            nodes: cluster.nodes(),
            ready: zeros(),
            next: AtomicUsize::new(0),
            served: zeros(),
        }
    }

    async fn probe(&self) {
        let mut ticks = tokio::time::interval(PROBE);
        loop {
            ticks.tick().await;
            for (node, ready) in self.nodes.iter().zip(&self.ready) {
                let address = node.management().expect("the nodes are administered");
                let asked = self.client.get(format!("http://{address}/health/ready")).send();
                let is_ready = asked.await.is_ok_and(|answer| answer.status().is_success());
                ready.store(usize::from(is_ready), Ordering::SeqCst);
            }
        }
    }

    fn are_ready(&self) -> usize {
        self.ready.iter().map(|ready| ready.load(Ordering::SeqCst)).sum()
    }

    /// Calls without a pause, each at the next node that is ready.
    async fn load(&self, ticket: &Stolen) {
        loop {
            let turn = self.next.fetch_add(1, Ordering::SeqCst) % self.nodes.len();
            if self.ready[turn].load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
                continue;
            }
            let answer = ticket.fetch(self.nodes[turn].address(), "/api/notes").await;
            answer.assert_status(200);
            self.served[turn].fetch_add(1, Ordering::SeqCst);
        }
    }

    async fn all_ready(&self) {
        eventually("all nodes are ready", async || {
            (self.are_ready() == self.nodes.len()).then_some(())
        })
        .await;
    }

    /// Waits until a node has served again.
    async fn serves(&self, node: usize) {
        let before = self.served[node].load(Ordering::SeqCst);
        eventually("the node serves", async || {
            (self.served[node].load(Ordering::SeqCst) > before).then_some(())
        })
        .await;
    }
}

async fn c90_a_rolling_restart_fails_no_request(deployment: Deployment) {
    let deployment = deployment
        .with_administration()
        .with_server_rules("drain_delay = \"4s\"");
    let cluster = crate::start(deployment).await;
    let browser = cluster.browser_logged_in_as("alice").await;
    let ticket = Stolen::from(cluster.stack(), &browser);
    let balancer = Balancer::of(&cluster);

    let restarts = async {
        balancer.all_ready().await;
        for (number, node) in cluster.nodes().iter().enumerate() {
            balancer.serves(number).await;
            node.stop().await;
            assert!(
                balancer.are_ready() < cluster.nodes().len(),
                "a node went away and nobody was told"
            );
            node.start_again().await;
            balancer.all_ready().await;
            balancer.serves(number).await;
        }
    };
    tokio::select! {
        () = restarts => {}
        _ = join_all((0..4).map(|_| balancer.load(&ticket))) => unreachable!("it has no end"),
        () = balancer.probe() => unreachable!("it has no end"),
    }

    let (a, ..) = cluster.abc();
    let answer = browser.at(a.address()).fetch("/api/notes").await;
    answer.assert_status(200);
}

on_redis!(c90_a_rolling_restart_fails_no_request);
