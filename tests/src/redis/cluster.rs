//! Three masters that share the keys, with or without a replica of each.

use std::time::Duration;

use super::certificates::Authority;
use super::{Program, Redis, free_port};
use crate::wait::{eventually_within, within_patience};

const MASTERS: usize = 3;
/// The slots of every cluster.
const SLOTS: u16 = 16_384;
/// To come up, or to fail over, takes what it takes.
const SETTLES: Duration = Duration::from_secs(60);

/// A running cluster.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts it, and waits until all its servers agree on it.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Self {
        Self::begin(0, None).await
    }

    /// Starts one in which each master has a replica that takes over from it.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_replicated() -> Self {
        Self::begin(1, None).await
    }

    /// Starts one with TLS, and a user who may do what the documentation says.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_secured() -> Self {
        Self::begin(0, Some(&Authority::new())).await
    }

    async fn begin(replicas: usize, security: Option<&Authority>) -> Self {
        let by_name = "tls-cluster yes\ncluster-announce-hostname localhost\n\
                       cluster-preferred-endpoint-type hostname\n";
        let mut nodes = Vec::new();
        for _ in 0..MASTERS * (1 + replicas) {
            let node = Redis::begin(Program::Server, security, || {
                format!(
                    "cluster-enabled yes\ncluster-port {}\ncluster-node-timeout 5000\n\
                     cluster-require-full-coverage no\n{}",
                    free_port(),
                    security.map_or("", |_| by_name)
                )
            });
            nodes.push(node.await);
        }
        let mut cli = nodes[0].cli();
        cli.args(["--cluster", "create"])
            // The servers meet by number, whatever names they have.
            .args(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())))
            .args(["--cluster-replicas", &replicas.to_string(), "--cluster-yes"]);
        let output = within_patience("redis-cli makes the cluster", cli.output()).await;
        let output = output.expect("redis-cli runs");
        assert!(output.status.success(), "redis-cli --cluster create: {output:?}");
        let cluster = Self { nodes };
        cluster.wait_until_ready().await;
        cluster
    }

    /// Where its servers listen.
    pub fn node_urls(&self) -> Vec<String> {
        self.nodes.iter().map(Redis::node_url).collect()
    }

    /// Its servers.
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    /// The servers that are masters now and answer, this one left out.
    pub async fn masters_but(&self, gone: Option<&Redis>) -> Vec<&Redis> {
        let mut masters = Vec::new();
        for node in &self.nodes {
            if gone.is_some_and(|gone| gone.port() == node.port()) {
                continue;
            }
            if node.command(&["ROLE"]).await[0] == "master" {
                masters.push(node);
            }
        }
        masters
    }

    /// Waits until the replica of a master that is gone has its slots.
    pub async fn wait_for_the_replica_of(&self, gone: &Redis) {
        eventually_within(SETTLES, "the replica takes over", async || {
            (self.masters_but(Some(gone)).await.len() == MASTERS).then_some(())
        })
        .await;
    }

    /// Empties all of it.
    pub async fn flush(&self) {
        for node in self.masters_but(None).await {
            node.command(&["FLUSHALL"]).await;
        }
    }

    /// Every key, with the master that holds it.
    pub async fn keys(&self) -> Vec<(&Redis, String)> {
        let mut keys = Vec::new();
        for node in self.masters_but(None).await {
            let found = node.command(&["--raw", "KEYS", "*"]).await;
            keys.extend(
                found
                    .into_iter()
                    .filter(|key| !key.is_empty())
                    .map(|key| (node, key)),
            );
        }
        keys
    }

    /// Begins to move the slot of this key to another server, and moves its keys, but does not say so to anybody: who asks
    /// the old server is redirected by `ASK`.
    ///
    /// # Panics
    /// When a server refuses.
    pub async fn begin_to_move(&self, from: &Redis, key: &str) -> Move<'_> {
        let slot = from.command(&["CLUSTER", "KEYSLOT", key]).await.remove(0);
        let to = self.nodes.iter().find(|node| node.port() != from.port());
        let to = to.expect("a cluster has several servers");
        let (from_id, to_id) = (id_of(from).await, id_of(to).await);
        to.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id])
            .await;
        from.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id])
            .await;
        let keys = from
            .command(&["--raw", "CLUSTER", "GETKEYSINSLOT", &slot, "100"])
            .await;
        for key in keys.iter().filter(|key| !key.is_empty()) {
            let port = to.port().to_string();
            from.command(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"])
                .await;
        }
        Move {
            cluster: self,
            slot,
            to_id,
        }
    }

    /// Waits until every server is there, and agrees on all the others.
    pub async fn wait_until_ready(&self) {
        for node in &self.nodes {
            eventually_within(SETTLES, "the cluster is whole", async || {
                let told = node.command(&["CLUSTER", "INFO"]).await.join("\n");
                let is_whole = told.contains("cluster_state:ok")
                    && told.contains(&format!("cluster_slots_ok:{SLOTS}"))
                    && told.contains(&format!("cluster_known_nodes:{}", self.nodes.len()));
                // A replica that has not caught up with its master must not take over.
                let told = node.command(&["INFO", "replication"]).await.join("\n");
                let follows = !told.contains("role:slave") || told.contains("master_link_status:up");
                (is_whole && follows).then_some(())
            })
            .await;
        }
        let replicas = self.nodes.len() - MASTERS;
        eventually_within(SETTLES, "the replicas follow", async || {
            (self.masters_but(None).await.len() + replicas == self.nodes.len()).then_some(())
        })
        .await;
    }
}

async fn id_of(node: &Redis) -> String {
    node.command(&["CLUSTER", "MYID"]).await.remove(0)
}

/// A slot whose keys are at their new server.
#[derive(Debug)]
pub struct Move<'c> {
    cluster: &'c RedisCluster,
    slot: String,
    to_id: String,
}

impl Move<'_> {
    /// Says so to everybody: who asks the old server is redirected by `MOVED` from now on.
    pub async fn finish(self) {
        for node in &self.cluster.nodes {
            node.command(&["CLUSTER", "SETSLOT", &self.slot, "NODE", &self.to_id])
                .await;
        }
    }
}
