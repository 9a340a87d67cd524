//! What stands around the BFFs of these benches: one upstream, one Redis, one provider, one key ring, and sessions that were
//! made without a browser.

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use ::bff::session::device::Device;
use ::bff::session::key_ring::{KeyName, KeyRing};
use e2e::leash::Leashed;
use e2e::redis::free_port;
use e2e::sessions::content::{self, Serves};
use e2e::sessions::{Node, Place as Where, Signer};
use resource_server::time::{Clock as _, SystemClock, UnixTime};
use tempfile::TempDir;

use super::provider::Provider;
use crate::contender::{Store, bff};
use crate::cores::{self, start_server};
use crate::sign_in::USER_AGENT;
use crate::upstream::Upstream;

/// Uses are written down once a minute. Sessions that begin in a quarter of an hour, from the point of view of the BFF,
/// have none that is due: how many would be depends on how long a run has taken so far.
const AHEAD: Duration = Duration::from_secs(900);
/// In the line of the log that says that it serves.
pub(crate) const READY: &str = "the BFF listens";

#[derive(Debug)]
pub(crate) struct Site<'u> {
    pub(crate) upstream: &'u Upstream,
    pub(crate) store: Store,
    pub(crate) provider: Provider,
    ring: String,
    /// How many sessions there are.
    begun: Cell<usize>,
}

impl<'u> Site<'u> {
    pub(crate) async fn start(upstream: &'u Upstream) -> Self {
        let store = Store::start().await;
        // Every level is measured alike: no second process writes the log anew meanwhile.
        let settings = ["CONFIG", "SET", "auto-aof-rewrite-percentage", "0"];
        store.redis.command(&settings).await;
        Self {
            upstream,
            store,
            provider: Provider::start().await,
            ring: KeyRing::generate(&KeyName::parse("k1").expect("a name")).to_string(),
            begun: Cell::default(),
        }
    }

    /// Begins so many sessions of as many users, whose tokens serve as long as a run may take, and gives the headers
    /// `Cookie` of their browsers.
    pub(crate) async fn begin(&self, number: usize) -> Vec<String> {
        let now = SystemClock.now();
        let hours = Duration::from_secs(4 * 3_600);
        let serves = Serves {
            obtained_at: now,
            refresh_from: now + hours,
            expires_at: now + hours + Duration::from_secs(60),
        };
        self.begin_with(number, serves).await
    }

    /// The same with access tokens that serve as is said.
    pub(crate) async fn begin_with(&self, number: usize, serves: Serves) -> Vec<String> {
        cores::spread();
        let node = Node::open(&Where::Redis(self.store.redis.url()), &self.ring, 0).await;
        node.clock.advance(AHEAD);
        let device = Device::of_agent(USER_AGENT);
        let content = |number| {
            let content = content::of_user(number, serves);
            let refresh_token = content.tokens.refresh_token.as_ref().expect("each has one");
            self.provider.know(refresh_token.expose());
            content
        };
        let first = self.begun.get();
        let tickets = node.begin(first..first + number, &device, content).await;
        self.begun.set(first + number);
        node.store.close().await;
        cores::step_aside();
        let signer = Signer::of_ring(&self.ring);
        tickets.iter().map(|(id, _)| signer.header(id)).collect()
    }
}

/// A BFF at a site.
#[derive(Debug)]
pub(crate) struct Bff {
    pub(crate) port: u16,
    management: u16,
    process: Leashed,
    _folder: TempDir,
}

impl Bff {
    pub(crate) async fn start(site: &Site<'_>, setup: &bff::Setup) -> Self {
        let is_ready = |line: &str| line.contains(READY);
        Self::start_by(site, setup, &[], is_ready, |_| ()).await.0
    }

    /// Starts one by a command that executes what stands behind it; `before` is told the port before that.
    pub(crate) async fn start_by<B>(
        site: &Site<'_>,
        setup: &bff::Setup,
        command: &[&str],
        is_ready: impl Fn(&str) -> bool + Copy,
        before: impl Fn(u16) -> B,
    ) -> (Self, B) {
        let program = bff::program().display().to_string();
        let command: Vec<&str> = command.iter().copied().chain([program.as_str()]).collect();
        let configure = async |port: u16| {
            let (folder, management) = (TempDir::new().expect("a temporary folder"), free_port());
            let mut setup = setup.clone();
            let _ = write!(setup.lines, "[management]\nlisten = \"127.0.0.1:{management}\"\n");
            let (issuer, store) = (site.provider.issuer(), Some(&site.store));
            let text = bff::configuration(port, &issuer, site.upstream, folder.path(), store, &setup);
            let file = folder.path().join("bff.toml");
            fs::write(&file, text).expect("a file");
            let keys = folder.path().join("keys");
            fs::write(&keys, &site.ring).expect("a file");
            bff::readable_for_us_only(&keys);
            let arguments = vec!["--config".to_owned(), file.display().to_string()];
            (arguments, (folder, management, before(port)))
        };
        let (port, process, (folder, management, before)) =
            start_server(setup.place, &command, is_ready, configure).await;
        let bff = Self {
            port,
            management,
            process,
            _folder: folder,
        };
        (bff, before)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Kills it, as a crash does.
    pub(crate) async fn kill(self) {
        self.process.kill().await;
    }

    /// The sum of all counters whose line begins like this, such as `name{label="value"`.
    pub(crate) async fn counter(&self, begins: &str) -> f64 {
        let client = reqwest::Client::builder().no_proxy().build();
        let address = format!("http://127.0.0.1:{}/metrics", self.management);
        let answer = client.expect("an HTTP client").get(address).send().await;
        let text = answer.expect("the BFF answers").text().await.expect("a text");
        let lines = text.lines().filter(|line| line.starts_with(begins));
        lines
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum()
    }
}

/// The instant at which the next second begins, and that second as the BFF counts it.
pub(crate) async fn next_second() -> (std::time::Instant, UnixTime) {
    let before = SystemClock.now();
    loop {
        let (instant, now) = (std::time::Instant::now(), SystemClock.now());
        if now > before {
            return (instant, now);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
