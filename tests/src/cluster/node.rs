//! A BFF in a process of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use tokio::sync::Mutex;

use super::link::Link;
use crate::leash::Leashed;
use crate::wait::within_patience;

/// What a node's process is started with.
#[derive(Debug)]
pub(super) struct Setup<'s> {
    pub(super) program: &'s str,
    pub(super) folder: &'s Path,
    pub(super) name: String,
    pub(super) config: String,
    pub(super) clock: &'s Path,
    pub(super) client_secret: &'s str,
    pub(super) admin_token: &'s str,
    /// Where Redis is, if it is a single server; otherwise the configuration says it.
    pub(super) redis: Option<SocketAddr>,
}

/// One node of a cluster. It can be killed, stopped, frozen and cut off from its Redis.
#[derive(Debug)]
pub struct Node {
    command: Vec<String>,
    log: PathBuf,
    link: Option<Link>,
    // Of the process that runs, or of the last one that ran: every start has a port of its own.
    address: std::sync::Mutex<SocketAddr>,
    management: std::sync::Mutex<Option<SocketAddr>>,
    process: Mutex<Option<Leashed>>,
}

impl Node {
    pub(super) async fn start(setup: Setup<'_>) -> Self {
        let file = |kind: &str| setup.folder.join(format!("{}.{kind}", setup.name));
        let text = |path: &Path| {
            path.to_str()
                .expect("a temporary folder's path is text")
                .to_owned()
        };
        let (config, log) = (file("toml"), file("log"));
        fs::write(&config, &setup.config).expect("a file in a temporary folder");
        let link = match setup.redis {
            Some(redis) => Some(Link::start(redis).await),
            None => None,
        };
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let through = link.as_ref().map_or(nowhere, Link::address);
        let node = Self {
            command: vec![
                format!("CLIENT_SECRET={}", setup.client_secret),
                format!("ADMIN_TOKEN={}", setup.admin_token),
                format!("REDIS_URL=redis://{through}/"),
                setup.program.to_owned(),
                text(&config),
                text(setup.clock),
                text(&log),
            ],
            log,
            address: std::sync::Mutex::new(nowhere),
            management: std::sync::Mutex::default(),
            link,
            process: Mutex::default(),
        };
        node.start_again().await;
        node
    }

    /// Where browsers reach this node.
    pub fn address(&self) -> SocketAddr {
        *self.address.lock().unwrap()
    }

    /// Where operators reach this node, if it is administered.
    pub fn management(&self) -> Option<SocketAddr> {
        *self.management.lock().unwrap()
    }

    /// Its wire to Redis.
    ///
    /// # Panics
    /// When Redis is not a single server.
    pub fn link(&self) -> &Link {
        self.link.as_ref().expect("Redis is a single server")
    }

    /// Starts a process for this node, on another port.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_again(&self) {
        // `env` gives the process its variables and its place.
        let started = Leashed::start("env", &self.command, |line| line.starts_with("listens on "));
        let (process, printed) = within_patience("a node starts", started)
            .await
            .unwrap_or_else(|printed| panic!("a node did not start:\n{printed}"));
        let told = |prefix: &str| {
            let address = printed.lines().find_map(|line| line.strip_prefix(prefix));
            address.and_then(|address| address.parse().ok())
        };
        *self.address.lock().unwrap() = told("listens on ").expect("a node says where it listens");
        *self.management.lock().unwrap() = told("is managed at ");
        *self.process.lock().await = Some(process);
    }

    /// Kills it: `kill -9`.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn kill(&self) {
        let process = self.process.lock().await.take();
        process.expect("the node runs").kill().await;
    }

    /// Tells it to stop, and waits until it has.
    ///
    /// # Panics
    /// When it does not run, or does not stop.
    pub async fn stop(&self) {
        let process = self.process.lock().await.take();
        let stopped = process.expect("the node runs").terminate();
        within_patience("a node stops", stopped).await;
    }

    /// How much memory it takes while something goes on: what it held before, and the most it held meanwhile.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn memory_during(&self, something: impl Future<Output = ()>) -> (u64, u64) {
        let process = || async { self.process.lock().await };
        let before = {
            let process = process().await;
            let process = process.as_ref().expect("the node runs");
            process.forget_peak();
            process.memory().0
        };
        something.await;
        let peak = process().await.as_ref().expect("the node runs").memory().1;
        (before, peak)
    }

    /// Freezes it: `SIGSTOP`.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn freeze(&self) {
        self.process
            .lock()
            .await
            .as_ref()
            .expect("the node runs")
            .freeze();
    }

    /// Ends a [`freeze`](Self::freeze).
    ///
    /// # Panics
    /// When it does not run.
    pub async fn thaw(&self) {
        self.process.lock().await.as_ref().expect("the node runs").thaw();
    }

    /// Its process.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn pid(&self) -> u32 {
        self.process.lock().await.as_ref().expect("the node runs").pid()
    }

    /// How much memory it holds.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn resident_bytes(&self) -> u64 {
        let process = self.process.lock().await;
        process.as_ref().expect("the node runs").resident_bytes()
    }

    /// What it logged, all its processes together.
    pub fn log(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }
}
