//! Redis servers of the test's own, in every form: real `redis-server`s on free ports, with nothing in them.

pub(crate) mod certificates;
mod cluster;
mod old;
mod sentinel;

use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tempfile::TempDir;
use tokio::sync::Mutex;

use self::certificates::Authority;
pub use self::cluster::RedisCluster;
pub use self::old::OldRedis;
pub use self::sentinel::{MASTER, SentinelSet};
use crate::leash::Leashed;
use crate::wait::within_patience;

/// The prefix of all keys and channels: the only ones that [`Redis::start_secured`] grants.
pub const PREFIX: &str = "cloakroom";
/// What `docs/operations.md` tells operators to grant, and no more.
pub const GRANTED: &str = "~cloakroom:* &cloakroom:* -@all +get +set +del +exists +hget +hset +hdel +hmget +expireat +zadd \
     +zrem +zrange +zremrangebyscore +scan +ping +time +publish +subscribe +eval +evalsha +info +asking +cluster|slots";
/// What it tells them to grant at the sentinels.
pub const GRANTED_AT_SENTINELS: &str = "-@all +sentinel|get-master-addr-by-name";
/// The BFF's user at secured servers.
pub const USER: &str = "cloakroom";
/// That user's password.
pub const PASSWORD: &str = "p4ss-of-the-test";
const ADMIN: &str = "admin";

/// A `redis-server` that can be stopped, started again with what it knew, frozen and emptied.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    data: TempDir,
    program: Program,
    process: Mutex<Option<Leashed>>,
    is_secured: bool,
}

/// As what `redis-server` runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    Server,
    Sentinel,
}

impl Redis {
    /// Starts an empty one.
    ///
    /// # Panics
    /// When `redis-server` is missing or does not start.
    pub async fn start() -> Self {
        Self::begin(Program::Server, None, String::new).await
    }

    /// Starts an empty one that takes TLS connections only, and commands only of a user who may do what the
    /// documentation says.
    ///
    /// # Panics
    /// When `redis-server` is missing or does not start.
    pub async fn start_secured() -> Self {
        Self::begin(Program::Server, Some(&Authority::new()), String::new).await
    }

    /// Starts one with these further lines of configuration.
    async fn begin(program: Program, security: Option<&Authority>, lines: impl Fn() -> String) -> Self {
        loop {
            let (port, data) = (free_port(), TempDir::new().expect("a temporary folder"));
            let mut file = match security {
                Some(authority) => {
                    authority.equip(data.path());
                    secured(program, port, data.path())
                }
                None => format!("port {port}\n"),
            };
            let _ = write!(file, "bind 127.0.0.1\ndir {}\n{}", data.path().display(), lines());
            if program == Program::Server {
                // An acknowledged write survives the kill: a stop stands for an outage, not for a loss of data.
                file.push_str("save \"\"\nappendonly yes\nappendfsync always\n");
            }
            std::fs::write(data.path().join("redis.conf"), file).expect("a file in a temporary folder");
            match spawn(program, data.path()).await {
                Ok(process) => {
                    return Self {
                        port,
                        data,
                        program,
                        process: Mutex::new(Some(process)),
                        is_secured: security.is_some(),
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
        if self.is_secured {
            format!("rediss://{USER}:{PASSWORD}@{}/", self.address())
        } else {
            format!("{}/", self.node_url())
        }
    }

    /// Where it listens, without user and path.
    pub fn node_url(&self) -> String {
        let scheme = if self.is_secured { "rediss" } else { "redis" };
        format!("{scheme}://{}", self.address())
    }

    /// Host and port.
    fn address(&self) -> String {
        format!("{}:{}", host(self.is_secured), self.port)
    }

    /// The certificate of the authority that vouches for a secured one.
    pub fn authority(&self) -> PathBuf {
        self.data.path().join(certificates::AUTHORITY)
    }

    /// Its port on loopback.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Kills it, as a crash does. What it had acknowledged is on disk.
    ///
    /// # Panics
    /// When it is not running.
    pub async fn stop(&self) {
        let process = self.process.lock().await.take();
        process.expect("redis is running").kill().await;
    }

    /// Starts it again, where it was and with what it knew.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_again(&self) {
        let process = spawn(self.program, self.data.path())
            .await
            .expect("redis-server starts again");
        *self.process.lock().await = Some(process);
    }

    /// Makes it hang: connections stay open and nothing is answered.
    ///
    /// # Panics
    /// When it is not running.
    pub async fn freeze(&self) {
        let process = self.process.lock().await;
        process.as_ref().expect("redis is running").freeze();
    }

    /// Ends a [`freeze`](Self::freeze).
    ///
    /// # Panics
    /// When it is not running.
    pub async fn thaw(&self) {
        let process = self.process.lock().await;
        process.as_ref().expect("redis is running").thaw();
    }

    /// Sends one command and gives the answer's lines, as `redis-cli` prints them.
    ///
    /// # Panics
    /// When Redis does not take the command.
    pub async fn command(&self, words: &[&str]) -> Vec<String> {
        let lines = self.try_command(words).await;
        lines.unwrap_or_else(|output| panic!("redis-cli {words:?}: {output}"))
    }

    /// A number of a section of `INFO`.
    ///
    /// # Panics
    /// When the section has no such number, or none of this type.
    pub async fn info<N: FromStr>(&self, section: &str, field: &str) -> N {
        let lines = self.command(&["INFO", section]).await;
        let value = lines
            .iter()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or_else(|| panic!("INFO says nothing of {field}"))
    }

    /// As [`command`](Self::command); the error is what `redis-cli` printed.
    ///
    /// # Errors
    /// When Redis does not take the command.
    ///
    /// # Panics
    /// When `redis-cli` does not run.
    pub async fn try_command(&self, words: &[&str]) -> Result<Vec<String>, String> {
        let mut cli = self.cli();
        cli.args(["-h", host(self.is_secured), "-p", &self.port.to_string(), "-e"]);
        let output = within_patience("redis-cli", cli.args(words).output())
            .await
            .expect("redis-cli runs");
        if !output.status.success() {
            return Err(format!("{output:?}"));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// What the user of the BFF was not allowed to do so far, as `ACL LOG` has it.
    pub async fn denied(&self) -> String {
        self.command(&["ACL", "LOG"]).await.join("\n").trim().to_owned()
    }

    /// The `redis-cli` of somebody who may do everything.
    fn cli(&self) -> tokio::process::Command {
        let mut cli = tokio::process::Command::new("redis-cli");
        cli.arg("--no-auth-warning").kill_on_drop(true);
        if self.is_secured {
            cli.args(["--tls", "--cacert"]).arg(self.authority());
            cli.args(["--user", ADMIN, "--pass", PASSWORD]);
        }
        cli
    }
}

/// By which name a server is reached: certificates are for the one, and a plain server needs no name.
const fn host(is_secured: bool) -> &'static str {
    if is_secured { "localhost" } else { "127.0.0.1" }
}

/// TLS everywhere, two users who may do something, and nobody else.
fn secured(program: Program, port: u16, folder: &Path) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    let (granted, among_themselves) = match program {
        Program::Server => (GRANTED, format!("masteruser {ADMIN}\nmasterauth {PASSWORD}\n")),
        Program::Sentinel => (
            GRANTED_AT_SENTINELS,
            format!("sentinel sentinel-user {ADMIN}\nsentinel sentinel-pass {PASSWORD}\n"),
        ),
    };
    format!(
        "port 0\ntls-port {port}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\ntls-auth-clients no\n\
         tls-replication yes\nuser default off\nuser {USER} on >{PASSWORD} {granted}\n\
         user {ADMIN} on >{PASSWORD} ~* &* +@all\n{among_themselves}",
        at(certificates::CERTIFICATE),
        at(certificates::KEY),
        at(certificates::AUTHORITY),
    )
}

async fn spawn(program: Program, folder: &Path) -> Result<Leashed, String> {
    let file = folder.join("redis.conf").display().to_string();
    let (arguments, ready): (&[&str], _) = match program {
        Program::Server => (&[&file], "Ready to accept connections"),
        Program::Sentinel => (&[&file, "--sentinel"], "+monitor master"),
    };
    let started = Leashed::start("redis-server", arguments, |line| line.contains(ready));
    within_patience("redis-server is ready", started)
        .await
        .map(|(process, _)| process)
}

/// A port that was free a moment ago.
///
/// # Panics
/// When this machine has none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener
        .local_addr()
        .expect("a bound listener has an address")
        .port()
}
