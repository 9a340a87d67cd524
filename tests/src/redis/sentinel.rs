//! A master, two replicas, and three sentinels that know when to make one of these the master.
//!
//! Two, as `min-replicas-to-write 1` asks for: with a single one, the new master would have none and take no writes.

use std::net::SocketAddr;
use std::time::Duration;

use super::certificates::Authority;
use super::{ADMIN, PASSWORD, Program, Redis, host};
use crate::wait::eventually_within;

/// What the sentinels call the master.
pub const MASTER: &str = "sessions";
/// A failover takes what it takes.
const FAILOVER: Duration = Duration::from_secs(60);

/// All of them, running.
#[derive(Debug)]
pub struct SentinelSet {
    servers: Vec<Redis>,
    sentinels: Vec<Redis>,
}

impl SentinelSet {
    /// Starts them, and waits until they know each other.
    ///
    /// # Panics
    /// When they do not start.
    pub async fn start() -> Self {
        Self::begin(None).await
    }

    /// The same with TLS, and users who may do what the documentation says.
    ///
    /// # Panics
    /// When they do not start.
    pub async fn start_secured() -> Self {
        Self::begin(Some(&Authority::new())).await
    }

    async fn begin(security: Option<&Authority>) -> Self {
        let host = host(security.is_some());
        let server = |replica_of: String| {
            let lines = format!("min-replicas-to-write 1\nreplica-announce-ip {host}\n{replica_of}");
            Redis::begin(Program::Server, security, move || lines.clone())
        };
        let mut servers = vec![server(String::new()).await];
        let port = servers[0].port();
        for _ in 0..2 {
            servers.push(server(format!("replicaof {host} {port}\n")).await);
        }
        let credentials = security.map_or_else(String::new, |_| {
            format!("sentinel auth-user {MASTER} {ADMIN}\nsentinel auth-pass {MASTER} {PASSWORD}\n")
        });
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            let watch = format!(
                "sentinel resolve-hostnames yes\nsentinel announce-hostnames yes\n\
                 sentinel monitor {MASTER} {host} {port} 2\nsentinel down-after-milliseconds {MASTER} 3000\n\
                 sentinel failover-timeout {MASTER} 5000\n{credentials}"
            );
            sentinels.push(Redis::begin(Program::Sentinel, security, move || watch.clone()).await);
        }
        let set = Self { servers, sentinels };
        set.wait_until_ready().await;
        set
    }

    /// All of them, master, replicas and sentinels.
    pub fn all(&self) -> impl Iterator<Item = &Redis> {
        self.servers.iter().chain(&self.sentinels)
    }

    /// Where the sentinels listen.
    pub fn sentinel_urls(&self) -> Vec<String> {
        self.sentinels.iter().map(Redis::node_url).collect()
    }

    /// The server that is the master now.
    ///
    /// # Panics
    /// When the sentinels do not say.
    pub async fn master(&self) -> &Redis {
        let port = self.master_port().await;
        let server = self.servers.iter().find(|server| server.port() == port);
        server.expect("the master is one of ours")
    }

    /// Waits until another server than this one is the master.
    pub async fn wait_for_another_master_than(&self, old: &Redis) {
        eventually_within(FAILOVER, "the replica takes over", async || {
            (self.master_port().await != old.port()).then_some(())
        })
        .await;
    }

    async fn master_port(&self) -> u16 {
        let question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER];
        let answer = self.sentinels[0].command(&question).await;
        answer[1].parse().expect("a port")
    }

    /// The servers that are no masters now.
    ///
    /// # Panics
    /// When the sentinels do not say who is.
    pub async fn replicas(&self) -> Vec<&Redis> {
        let port = self.master_port().await;
        let replicas = self.servers.iter().filter(|server| server.port() != port);
        replicas.collect()
    }

    /// Has the first sentinel watch one more master.
    pub async fn watch_too(&self, name: &str, master: SocketAddr) {
        let (ip, port) = (master.ip().to_string(), master.port().to_string());
        self.sentinels[0]
            .command(&["SENTINEL", "MONITOR", name, &ip, &port, "2"])
            .await;
    }

    /// Waits until this server knows that it is a replica.
    pub async fn wait_until_replica(&self, server: &Redis) {
        eventually_within(
            FAILOVER,
            "the old master is told that it is one no more",
            async || {
                // The sentinels end all connections when they say so, also the one of who asks.
                let role = server.try_command(&["ROLE"]).await.ok()?;
                (role.first()? == "slave").then_some(())
            },
        )
        .await;
    }

    async fn wait_until_ready(&self) {
        eventually_within(FAILOVER, "the replicas follow", async || {
            let told = self.servers[0].command(&["INFO", "replication"]).await;
            let follow = told.iter().any(|line| line.trim() == "min_slaves_good_slaves:2");
            follow.then_some(())
        })
        .await;
        for sentinel in &self.sentinels {
            eventually_within(
                FAILOVER,
                "the sentinels know each other and the replicas",
                async || {
                    let known = sentinel.command(&["SENTINEL", "MASTER", MASTER]).await;
                    let field = |name: &str| {
                        let position = known.iter().position(|line| line == name)?;
                        known.get(position + 1).cloned()
                    };
                    let is_ready = field("num-slaves")? == "2" && field("num-other-sentinels")? == "2";
                    is_ready.then_some(())
                },
            )
            .await;
        }
    }
}
