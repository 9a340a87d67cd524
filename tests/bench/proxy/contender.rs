//! Who is measured: a proxy that runs, its Redis, and a session at it.

pub(crate) mod bff;
pub(crate) mod mod_auth_openidc;
pub(crate) mod nginx;
pub(crate) mod oauth2_proxy;

use std::time::Duration;

use e2e::leash::Leashed;
use e2e::process::{cpu, family};
use e2e::redis::Redis;
use tempfile::TempDir;

use crate::sign_in::{Provider, USER_AGENT, app};
use crate::upstream::Upstream;

/// A proxy that runs, with all it needs.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    process: Leashed,
    session: Option<Session>,
    store: Option<Store>,
    _folder: TempDir,
}

/// Somebody who is signed in.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) cookie: String,
    pub(crate) _provider: Provider,
}

/// A Redis of the contender's own.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) redis: Redis,
    pid: u32,
}

impl Store {
    /// One that loses a second at most, as one would run it for sessions.
    pub(crate) async fn start() -> Self {
        let redis = Redis::start().await;
        redis.command(&["CONFIG", "SET", "appendfsync", "everysec"]).await;
        let pid = redis.info("server", "process_id").await;
        Self { pid, redis }
    }

    /// Its processor time.
    pub(crate) fn cpu(&self) -> Duration {
        cpu(self.pid)
    }

    /// How many commands it was sent so far, this question included.
    pub(crate) async fn commands(&self) -> u64 {
        self.redis.info("stats", "total_commands_processed").await
    }
}

/// Starts one by its name, as it is set up beside the others.
///
/// # Panics
/// When there is none with that name, or it is not installed.
pub(crate) async fn start(name: &str, upstream: &Upstream) -> Contender {
    match name {
        nginx::NAME => nginx::start(upstream).await,
        bff::REDIS => bff::start(upstream, bff::Setup::named(bff::REDIS)).await,
        bff::EMBEDDED => bff::start(upstream, bff::Setup::named(bff::EMBEDDED)).await,
        mod_auth_openidc::NAME => mod_auth_openidc::start(upstream).await,
        oauth2_proxy::NAME => {
            let program = oauth2_proxy::program().expect("OAUTH2_PROXY names a program");
            oauth2_proxy::start(upstream, &program).await
        }
        _ => panic!("there is no contender {name}"),
    }
}

impl Contender {
    pub(crate) fn cookie(&self) -> Option<&str> {
        self.session.as_ref().map(|session| session.cookie.as_str())
    }

    /// What a page's own `fetch` carries in Chromium, with its cookie.
    pub(crate) fn headers(&self, is_post: bool) -> Vec<(&'static str, String)> {
        let mut headers = headers_of_browser(self.port, is_post);
        headers.extend(self.cookie().map(|cookie| ("Cookie", cookie.to_owned())));
        headers
    }

    /// The processor time of all its processes.
    pub(crate) fn cpu(&self) -> Duration {
        family(self.process.pid()).into_iter().map(cpu).sum()
    }

    /// How many connections to it are open.
    ///
    /// # Panics
    /// When the kernel does not tell.
    pub(crate) fn connections(&self) -> u32 {
        let sockets = std::fs::read_to_string("/proc/net/tcp").expect("the kernel tells");
        // `sl local_address rem_address st …`, in hexadecimal; 01 is ESTABLISHED (proc(5)).
        let port = format!(":{:04X}", self.port);
        let is_open = |line: &&str| {
            let mut words = line.split_whitespace().skip(1);
            let (local, state) = (words.next(), words.nth(1));
            local.is_some_and(|local| local.ends_with(&port)) && state == Some("01")
        };
        u32::try_from(sockets.lines().filter(is_open).count()).expect("ports are few")
    }

    pub(crate) fn process(&self) -> &Leashed {
        &self.process
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The processor time of its Redis.
    pub(crate) fn redis_cpu(&self) -> Option<Duration> {
        self.store.as_ref().map(Store::cpu)
    }

    /// How many commands its Redis was sent so far, this question included.
    pub(crate) async fn redis_commands(&self) -> Option<u64> {
        Some(self.store.as_ref()?.commands().await)
    }
}

/// What a page's own `fetch` carries in Chromium, without a cookie.
pub(crate) fn headers_of_browser(port: u16, is_post: bool) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("Host", format!("localhost:{port}")),
        ("User-Agent", USER_AGENT.to_owned()),
        ("Accept", "*/*".to_owned()),
        ("Accept-Language", "en-US,en;q=0.9".to_owned()),
        ("Accept-Encoding", "gzip, deflate, br, zstd".to_owned()),
        ("Referer", format!("{}/", app(port))),
        ("Sec-Fetch-Site", "same-origin".to_owned()),
        ("Sec-Fetch-Mode", "cors".to_owned()),
        ("Sec-Fetch-Dest", "empty".to_owned()),
    ];
    if is_post {
        headers.push(("Origin", app(port)));
        headers.push(("Content-Type", "application/octet-stream".to_owned()));
    }
    headers
}
