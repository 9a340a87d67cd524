//! A Redis of the test's own: a real `redis-server` on a free port, with nothing in it.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::leash::Leashed;
use crate::wait::within_patience;

/// A `redis-server` that can be stopped, started again with what it knew, frozen and emptied.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    data: TempDir,
    process: Mutex<Option<Leashed>>,
}

impl Redis {
    /// Starts an empty one.
    ///
    /// # Panics
    /// When `redis-server` is missing or does not start.
    pub async fn start() -> Self {
        let data = TempDir::new().expect("a temporary folder");
        loop {
            let port = free_port();
            match spawn(port, data.path()).await {
                Ok(process) => {
                    return Self {
                        port,
                        data,
                        process: Mutex::new(Some(process)),
                    };
                }
                // Another process took the port between our look and Redis's.
                Err(printed) if printed.contains("Address already in use") => {}
                Err(printed) => panic!("redis-server did not start:\n{printed}"),
            }
        }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Kills it, as a crash does. What it had acknowledged is on disk.
    ///
    /// # Panics
    /// When it is not running.
    pub async fn stop(&self) {
        self.process
            .lock()
            .await
            .take()
            .expect("redis is running")
            .kill()
            .await;
    }

    /// Starts it again, where it was and with what it knew.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_again(&self) {
        let process = spawn(self.port, self.data.path())
            .await
            .expect("redis-server starts again");
        *self.process.lock().await = Some(process);
    }

    /// Makes it hang: connections stay open and nothing is answered.
    ///
    /// # Panics
    /// When it is not running.
    pub async fn freeze(&self) {
        self.process
            .lock()
            .await
            .as_ref()
            .expect("redis is running")
            .freeze();
    }

    /// Ends a [`freeze`](Self::freeze).
    ///
    /// # Panics
    /// When it is not running.
    pub async fn thaw(&self) {
        self.process
            .lock()
            .await
            .as_ref()
            .expect("redis is running")
            .thaw();
    }

    /// Sends one command and gives the answer's lines, as `redis-cli` prints them.
    ///
    /// # Panics
    /// When Redis does not take the command.
    pub async fn command(&self, words: &[&str]) -> Vec<String> {
        let cli = tokio::process::Command::new("redis-cli")
            .args(["-p", &self.port.to_string(), "--no-auth-warning", "-e"])
            .args(words)
            .kill_on_drop(true)
            .output();
        let output = within_patience("redis-cli", cli).await.expect("redis-cli runs");
        assert!(output.status.success(), "redis-cli {words:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

async fn spawn(port: u16, data: &Path) -> Result<Leashed, String> {
    let port = port.to_string();
    let data = data.to_str().expect("a temporary folder's path is text");
    let arguments = [
        ["--port", &port],
        ["--bind", "127.0.0.1"],
        ["--dir", data],
        ["--save", ""],
        // An acknowledged write survives the kill: a stop stands for an outage, not for a loss of data.
        ["--appendonly", "yes"],
        ["--appendfsync", "always"],
    ];
    let started = Leashed::start("redis-server", arguments.as_flattened(), |line| {
        line.contains("Ready to accept connections")
    });
    within_patience("redis-server is ready", started)
        .await
        .map(|(process, _)| process)
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener
        .local_addr()
        .expect("a bound listener has an address")
        .port()
}
