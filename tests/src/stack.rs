//! A deployment on loopback: BFF, provider, notes service, store, with recording relays between them.

mod deployment;
mod files;
mod operator;
mod provider;
mod servers;

use std::fs::{self, OpenOptions};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use bff::session::key_ring::{KeyName, KeyRing};
use reqwest::header::ACCEPT;
use resource_server::time::{Clock as _, ManualClock, SystemClock};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::task::block_in_place;
use tokio::time::timeout;
use url::Url;

pub use self::deployment::{Deployment, ProviderKind, StoreKind};
use self::files::{CLIENT_ID, Places};
use crate::browser::Browser;
use crate::foreign::ForeignProvider;
use crate::log::Excerpt;
use crate::redis::{Redis, RedisCluster, SentinelSet};
use crate::relay::Relay;
use crate::secrets::{Kind, Secrets};
use crate::upstream::Upstream;

/// The BFF's session cookie.
pub const SESSION_COOKIE: &str = "__Host-Http-session";

/// What gateways send to a BFF that asks for it (`gateway_secret_env = "GATEWAY_SECRET"`).
pub const GATEWAY_SECRET: &str = "the-secret-of-gateways-0123456789";

/// Somebody with an account at the provider.
#[derive(Debug, Clone)]
pub struct User {
    /// The name typed into the form.
    pub name: String,
    /// The password typed into the form.
    pub password: String,
    /// The address in the provider's claims.
    pub email: String,
}

/// The provider's paths, which differ between providers.
#[derive(Debug, Clone, Copy)]
pub struct Endpoints {
    /// Where logins begin.
    pub authorize: &'static str,
    /// Where codes and refresh tokens are exchanged.
    pub token: &'static str,
    /// RFC 7009.
    pub revoke: &'static str,
    /// The signing keys.
    pub jwks: &'static str,
    /// RP-initiated logout.
    pub end_session: &'static str,
}

#[derive(Debug)]
enum Provider {
    Ours(auth_server::Running),
    Foreign(Box<ForeignProvider>),
}

/// What the sessions rest in.
#[derive(Debug)]
enum Store {
    Embedded,
    Redis(Box<Redis>),
    Sentinel(Box<SentinelSet>),
    Cluster(RedisCluster),
}

/// Everything, running. Dropping it stops everything and looks for secrets in what was logged meanwhile.
#[derive(Debug)]
pub struct Stack {
    deployment: Deployment,
    clock: ManualClock,
    secrets: Secrets,
    log: Excerpt,
    folder: TempDir,
    users: Vec<User>,
    client_secret: String,
    admin_token: String,
    app: String,
    relay: Relay,
    upstream: Upstream,
    store: Store,
    // Kept open, so that the BFF can come back to the same port and nobody takes it meanwhile.
    bff_listener: TcpListener,
    bff_management: TcpListener,
    bff: Mutex<Option<bff::Running>>,
    second_node: Mutex<Option<bff::Running>>,
    resource_server: Mutex<Option<resource_server::Running>>,
    provider: Mutex<Option<Provider>>,
}

impl Stack {
    pub(crate) async fn start(deployment: Deployment) -> Self {
        let stack = Self::start_without_bff(deployment).await;
        stack.start_bff().await;
        stack
    }

    /// Starts everything that BFFs need, and none.
    pub(crate) async fn start_without_bff(deployment: Deployment) -> Self {
        let log = Excerpt::from_now_on();
        let secrets = Secrets::default();
        let folder = TempDir::new().expect("a temporary folder");
        let bff_listener = listen_anywhere();
        let scheme = if deployment.has_tls { "https" } else { "http" };
        let app = format!("{scheme}://localhost:{}", port_of(&bff_listener));
        let client_secret = random_text("client-secret");
        secrets.learn(Kind::ClientSecret, &client_secret);
        let admin_token = random_text("admin-token");
        secrets.learn(Kind::AdminToken, &admin_token);
        let users = ["alice", "bob"].map(|name| User::new(name, &secrets)).to_vec();
        let store = match deployment.store {
            StoreKind::Embedded => Store::Embedded,
            StoreKind::Redis => Store::Redis(Box::new(Redis::start().await)),
            StoreKind::RedisSentinel => Store::Sentinel(Box::new(SentinelSet::start().await)),
            StoreKind::RedisCluster => Store::Cluster(RedisCluster::start().await),
            StoreKind::ReplicatedRedisCluster => Store::Cluster(RedisCluster::start_replicated().await),
        };
        let stack = Self {
            clock: ManualClock::new(SystemClock.now()),
            relay: Relay::start(secrets.clone()).await,
            upstream: Upstream::start().await,
            deployment,
            secrets,
            log,
            folder,
            users,
            client_secret,
            admin_token,
            app,
            store,
            bff_listener,
            bff_management: listen_anywhere(),
            bff: Mutex::default(),
            second_node: Mutex::default(),
            resource_server: Mutex::default(),
            provider: Mutex::default(),
        };
        stack.write_files();
        stack.add_users().await;
        stack.start_provider().await;
        stack.start_resource_server().await;
        stack
    }

    /// What time it is, for every server.
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Lets time pass, for every server at once.
    pub async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        if let Some(Provider::Foreign(provider)) = &*self.provider.lock().await {
            provider.set_time(self.clock.now()).await;
        }
    }

    /// Lets the access tokens issued so far expire.
    pub async fn let_access_tokens_expire(&self) {
        self.advance(self.deployment.access_token_lifetime + Duration::from_secs(10))
            .await;
    }

    /// A browser that was never here.
    ///
    /// # Panics
    /// Never: the app's address is one.
    pub fn browser(&self) -> Browser {
        let app = Url::parse(&self.app).expect("the app's address");
        Browser::new(app, self.authority(), self.clock.clone(), self.secrets.clone())
    }

    /// A browser in which this user has just signed in.
    pub async fn browser_logged_in_as(&self, name: &str) -> Browser {
        let browser = self.browser();
        let user = self.user(name);
        browser.log_in(&user.name, &user.password).await;
        browser
    }

    /// One of the users: `alice` or `bob`.
    ///
    /// # Panics
    /// When it is somebody else.
    pub fn user(&self, name: &str) -> &User {
        self.users
            .iter()
            .find(|user| user.name == name)
            .expect("alice and bob have accounts")
    }

    /// What everybody takes for the provider.
    pub fn provider(&self) -> &Relay {
        &self.relay
    }

    /// The provider's paths.
    pub fn endpoints(&self) -> Endpoints {
        match self.deployment.provider {
            ProviderKind::Ours => Endpoints {
                authorize: "/authorize",
                token: "/token",
                revoke: "/revoke",
                jwks: "/jwks",
                end_session: "/end_session",
            },
            ProviderKind::Foreign => Endpoints {
                authorize: "/auth",
                token: "/token",
                revoke: "/token/revocation",
                jwks: "/jwks",
                end_session: "/session/end",
            },
        }
    }

    /// Where the BFF's routes lead.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// The Redis of this stack.
    ///
    /// # Panics
    /// When the stack has another store.
    pub fn redis(&self) -> &Redis {
        match &self.store {
            Store::Redis(redis) => redis,
            _ => panic!("this stack has no single Redis"),
        }
    }

    /// Where a BFF of this stack finds its only Redis, if it has one.
    pub(crate) fn redis_address(&self) -> Option<SocketAddr> {
        match &self.store {
            Store::Redis(redis) => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, redis.port()))),
            _ => None,
        }
    }

    /// The sentinels of this stack, and what they watch.
    ///
    /// # Panics
    /// When the stack has another store.
    pub fn sentinel_set(&self) -> &SentinelSet {
        match &self.store {
            Store::Sentinel(set) => set,
            _ => panic!("this stack has no sentinels"),
        }
    }

    /// The Redis cluster of this stack.
    ///
    /// # Panics
    /// When the stack has another store.
    pub fn redis_cluster(&self) -> &RedisCluster {
        match &self.store {
            Store::Cluster(cluster) => cluster,
            _ => panic!("this stack has no Redis cluster"),
        }
    }

    /// The BFF's own address, which browsers know as `localhost`.
    ///
    /// # Panics
    /// Never: the listener is bound.
    pub fn bff_address(&self) -> SocketAddr {
        self.bff_listener
            .local_addr()
            .expect("a bound listener has an address")
    }

    /// What has been whispered so far.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// What was logged since the start, by this stack and whoever runs beside it.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Presents a refresh token at the provider, as somebody who stole it together with the client's secret.
    ///
    /// # Panics
    /// When the provider does not answer in JSON.
    pub async fn present_refresh_token(&self, token: &str) -> (u16, Value) {
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("an HTTP client");
        let request = client
            .post(format!("{}{}", self.relay.url(), self.endpoints().token))
            .basic_auth(CLIENT_ID, Some(&self.client_secret))
            .header(ACCEPT, "application/json")
            .form(&[("grant_type", "refresh_token"), ("refresh_token", token)]);
        let answer = request.send().await.expect("the provider answers");
        let status = answer.status().as_u16();
        (
            status,
            answer.json().await.expect("the token endpoint answers in JSON"),
        )
    }

    /// The refresh token the provider handed out last.
    ///
    /// # Panics
    /// When it has handed out none.
    pub fn newest_refresh_token(&self) -> String {
        let exchanges = self.relay.exchanges();
        let newest = exchanges
            .iter()
            .rev()
            .find_map(|exchange| exchange.answered("refresh_token"));
        newest
            .expect("the provider handed out a refresh token")
            .to_owned()
    }

    fn write_files(&self) {
        let name = KeyName::parse("k1").expect("a key's name");
        write_private(&self.folder.path().join("bff-keys"), &KeyRing::generate(&name));
        if self.deployment.has_tls {
            self.renew_certificate();
        }
        let spa = self.folder.path().join("spa");
        fs::create_dir(&spa).expect("a folder for the SPA");
        fs::write(spa.join("index.html"), SPA).expect("the SPA's page");
        fs::write(spa.join("app.js"), "'use strict';\n").expect("the SPA's script");
    }

    fn places(&self) -> Places<'_> {
        Places {
            issuer: self.relay.url(),
            app: &self.app,
            listen: "127.0.0.1:0",
            upstream: self.upstream.url(),
            folder: self.folder.path(),
            redis_nodes: match &self.store {
                Store::Embedded | Store::Redis(_) => Vec::new(),
                Store::Sentinel(set) => set.sentinel_urls(),
                Store::Cluster(cluster) => cluster.node_urls(),
            },
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // A story that failed may have left a request at a gate: nobody waits for that one, and nobody panics twice.
        let has_failed = std::thread::panicking();
        let patience = Duration::from_secs(if has_failed { 2 } else { 20 });
        let stopped = block_in_place(|| Handle::current().block_on(timeout(patience, self.stop())));
        if has_failed {
            #[expect(
                clippy::print_stderr,
                reason = "it belongs to the report of the test that failed"
            )]
            {
                eprintln!("What the servers warned of:\n{}", self.log.warnings());
            }
            return;
        }
        assert!(stopped.is_ok(), "the servers did not stop within {patience:?}");
        if let Some(finding) = self.secrets.seen_in_log(&self.log.text()) {
            panic!("the log holds a {finding}");
        }
        for received in self.upstream.received() {
            if let Some(finding) = self.secrets.seen_by_upstream(&format!("{received:?}")) {
                panic!("an upstream was told a {finding}");
            }
        }
    }
}

impl User {
    fn new(name: &str, secrets: &Secrets) -> Self {
        let user = Self {
            name: name.to_owned(),
            password: random_text("password"),
            email: format!("{}@mail.example", random_text(name)),
        };
        secrets.learn(Kind::Password, &user.password);
        secrets.learn(Kind::Email, &user.email);
        user
    }
}

const SPA: &str =
    "<!DOCTYPE html><html lang=\"en\"><title>The app</title><script src=\"/app.js\"></script></html>\n";

/// A text that nothing else contains.
fn random_text(prefix: &str) -> String {
    // The standard library keys its hashers from the system's randomness, which is enough to be unique.
    let random = || RandomState::new().build_hasher().finish();
    format!("{prefix}-{:016x}{:016x}", random(), random())
}

fn listen_anywhere() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on loopback")
}

fn port_of(listener: &TcpListener) -> u16 {
    listener
        .local_addr()
        .expect("a bound listener has an address")
        .port()
}

/// Writes a file that only its owner may read, as the servers want their keys.
fn write_private(path: &Path, text: &str) {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .expect("a file in a temporary folder");
}
