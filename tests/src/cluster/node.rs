//! A BFF in a process of its own.

use std::fs;
use std::net::SocketAddr;
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
    pub(super) redis: SocketAddr,
}

/// One node of a cluster. It can be killed, stopped, frozen and cut off from its Redis.
#[derive(Debug)]
pub struct Node {
    command: Vec<String>,
    log: PathBuf,
    link: Link,
    // Of the process that runs, or of the last one that ran: every start has a port of its own.
    address: std::sync::Mutex<SocketAddr>,
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
        let link = Link::start(setup.redis).await;
        let node = Self {
            command: vec![
                format!("CLIENT_SECRET={}", setup.client_secret),
                format!("REDIS_URL=redis://{}/", link.address()),
                setup.program.to_owned(),
                text(&config),
                text(setup.clock),
                text(&log),
            ],
            log,
            address: std::sync::Mutex::new(link.address()),
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

    /// Its wire to Redis.
    pub fn link(&self) -> &Link {
        &self.link
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
        let address = printed.lines().find_map(|line| line.strip_prefix("listens on "));
        *self.address.lock().unwrap() = address
            .and_then(|address| address.parse().ok())
            .expect("a node says where it listens");
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

    /// What it logged, all its processes together.
    pub fn log(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }
}
