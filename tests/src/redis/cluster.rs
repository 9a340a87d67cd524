//! Three masters that share the keys.

use super::{Program, Redis, free_port};
use crate::wait::{eventually, within_patience};

/// The slots of every cluster.
const SLOTS: u16 = 16_384;

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
        let mut nodes = Vec::new();
        for _ in 0..3 {
            let node = Redis::begin(Program::Server, false, |_, _| {
                format!(
                    "port {{port}}\ncluster-enabled yes\ncluster-port {}\ncluster-node-timeout 5000\n\
                     cluster-require-full-coverage no\n",
                    free_port()
                )
            });
            nodes.push(node.await);
        }
        let addresses: Vec<_> = nodes
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port()))
            .collect();
        let mut cli = tokio::process::Command::new("redis-cli");
        cli.args(["--cluster", "create"])
            .args(&addresses)
            .args(["--cluster-replicas", "0", "--cluster-yes"])
            .kill_on_drop(true);
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

    /// Empties all of it.
    pub async fn flush(&self) {
        for node in &self.nodes {
            node.command(&["FLUSHALL"]).await;
        }
    }

    /// Every key, with the server that holds it.
    pub async fn keys(&self) -> Vec<(&Redis, String)> {
        let mut keys = Vec::new();
        for node in &self.nodes {
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

    async fn wait_until_ready(&self) {
        for node in &self.nodes {
            eventually("the cluster is whole", async || {
                let told = node.command(&["CLUSTER", "INFO"]).await.join("\n");
                let is_whole = told.contains("cluster_state:ok")
                    && told.contains(&format!("cluster_slots_ok:{SLOTS}"))
                    && told.contains("cluster_known_nodes:3");
                is_whole.then_some(())
            })
            .await;
        }
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
