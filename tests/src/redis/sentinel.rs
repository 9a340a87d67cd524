//! A master, a replica, and three sentinels that know when to make the one the other.

use super::{Program, Redis};
use crate::wait::{eventually, eventually_within};
use std::time::Duration;

/// What the sentinels call the master.
pub const MASTER: &str = "sessions";
/// A failover takes what it takes.
const FAILOVER: Duration = Duration::from_secs(60);

/// All of them, running.
#[derive(Debug)]
pub struct SentinelSet {
    servers: [Redis; 2],
    sentinels: Vec<Redis>,
}

impl SentinelSet {
    /// Starts them, and waits until they know each other.
    ///
    /// # Panics
    /// When they do not start.
    pub async fn start() -> Self {
        let master = Redis::start().await;
        let replica_of = format!("port {{port}}\nreplicaof 127.0.0.1 {}\n", master.port());
        let replica = Redis::begin(Program::Server, false, |_, _| replica_of.clone()).await;
        eventually("the replica follows", async || {
            let role = replica.command(&["ROLE"]).await;
            role.contains(&"connected".to_owned()).then_some(())
        })
        .await;
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            let watch = format!(
                "port {{port}}\nsentinel monitor {MASTER} 127.0.0.1 {} 2\nsentinel down-after-milliseconds {MASTER} 1500\n\
                 sentinel failover-timeout {MASTER} 5000\n",
                master.port()
            );
            sentinels.push(Redis::begin(Program::Sentinel, false, |_, _| watch.clone()).await);
        }
        let set = Self {
            servers: [master, replica],
            sentinels,
        };
        set.wait_until_ready().await;
        set
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

    async fn wait_until_ready(&self) {
        for sentinel in &self.sentinels {
            eventually_within(
                FAILOVER,
                "the sentinels know each other and the replica",
                async || {
                    let known = sentinel.command(&["SENTINEL", "MASTER", MASTER]).await;
                    let field = |name: &str| {
                        let position = known.iter().position(|line| line == name)?;
                        known.get(position + 1).cloned()
                    };
                    let is_ready = field("num-slaves")? == "1" && field("num-other-sentinels")? == "2";
                    is_ready.then_some(())
                },
            )
            .await;
        }
    }
}
