//! The configuration as the program uses it: whoever holds one knows that its rules are met.
//!
//! One file a section. Every key, its default and a sentence stand in `bff.example.toml`.

mod cors;
mod forward_auth;
mod limits;
mod log;
mod management;
mod provider;
mod proxy;
mod refresh;
mod replica;
mod routes;
mod server;
mod session;
mod spa;
mod store;

use std::collections::{BTreeMap, BTreeSet};

use resource_server::settings::{Document, Environment, Faults, Section};

pub use self::forward_auth::{ForwardAuthConfig, OriginalMethod};
pub use self::limits::LimitsConfig;
pub use self::log::{LogConfig, LogFormat};
pub use self::management::{AdminToken, ManagementConfig, Needs};
pub use self::provider::ProviderConfig;
use self::provider::ProviderFacts;
pub use self::proxy::ProxyConfig;
pub use self::refresh::RefreshConfig;
pub use self::replica::ReplicaConfig;
pub use self::server::{PublicUrl, ServerConfig};
pub use self::session::{SessionConfig, read_key_ring};
pub use self::spa::SpaConfig;
pub use self::store::StoreConfig;
use crate::guard::cors::AllowedOrigins;
use crate::routing::RouteTable;

/// Everything that can be set.
#[derive(Debug)]
pub struct Config {
    /// `[server]`.
    pub server: ServerConfig,
    /// `[management]`.
    pub management: ManagementConfig,
    /// `[provider]`.
    pub provider: ProviderConfig,
    /// `[session]`.
    pub session: SessionConfig,
    /// `[store]`.
    pub store: StoreConfig,
    /// `[refresh]`.
    pub refresh: RefreshConfig,
    /// `[replica]`.
    pub replica: ReplicaConfig,
    /// `[proxy]`.
    pub proxy: ProxyConfig,
    /// `[[route]]`.
    pub routes: RouteTable,
    /// `[spa]`.
    pub spa: SpaConfig,
    /// `[forward_auth]`.
    pub forward_auth: ForwardAuthConfig,
    /// `[log]`.
    pub log: LogConfig,
    /// `[cors]`.
    pub allowed_origins: AllowedOrigins,
    /// `[limits]`.
    pub limits: LimitsConfig,
    /// What the file says beside the routes.
    pub fixed: Fixed,
}

/// The text of everything that holds until a restart, by the key it stands under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed(BTreeMap<String, String>);

impl Fixed {
    /// The keys under which another file says something else.
    #[must_use]
    pub fn changed_in(&self, other: &Self) -> Vec<String> {
        let keys: BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        let changed = keys
            .into_iter()
            .filter(|key| self.0.get(*key) != other.0.get(*key));
        changed.cloned().collect()
    }
}

impl Config {
    /// Reads a configuration file's text; secrets come from the files and variables that it names.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn parse(toml: &str, environment: Environment<'_>) -> Result<Self, Faults> {
        let document = Document::parse(toml, environment)?;
        let faults = Faults::default();
        let read = Self::read(document, &faults);
        faults.into_result(read)
    }

    fn read(document: Document<'_>, faults: &Faults) -> Option<Self> {
        let mut fixed = document.texts();
        fixed.remove("route");
        let mut root = document.root(faults);
        let mut facts = ProviderFacts::default();
        let server = ServerConfig::read(root.section("server"));
        let management = ManagementConfig::read(root.section("management"));
        let provider = ProviderConfig::read(root.section("provider"), &mut facts);
        let session = SessionConfig::read(root.section("session"));
        let store = StoreConfig::read(root.section("store"));
        let refresh = RefreshConfig::read(root.section("refresh"), facts.timeout);
        let replica = ReplicaConfig::read(root.section("replica"));
        let proxy = ProxyConfig::read(root.section("proxy"));
        let base_path = server.as_ref().map_or("/bff", |server| server.base_path.as_str());
        let spa = SpaConfig::read(root.section("spa"));
        let dev_server = spa.as_ref().and_then(|spa| spa.dev_server.clone());
        let routes = routes::read(&mut root, base_path, &facts, dev_server);
        let forward_auth = ForwardAuthConfig::read(root.section("forward_auth"), base_path);
        let log = LogConfig::read(root.section("log"));
        let allowed_origins = cors::read(root.section("cors"));
        let limits = LimitsConfig::read(root.section("limits"));
        root.finish();

        Some(Self {
            server: server?,
            management: management?,
            provider: provider?,
            session: session?,
            store: store?,
            refresh: refresh?,
            replica: replica?,
            proxy: proxy?,
            routes: routes?,
            spa: spa?,
            forward_auth: forward_auth?,
            log: log?,
            allowed_origins: allowed_origins?,
            limits: limits?,
            fixed: Fixed(fixed),
        })
    }
}

/// Parses each text of a list, and notes a fault at each that is not what it may be.
fn each<T>(
    section: &Section<'_>,
    key: &str,
    texts: Option<Vec<String>>,
    parse: fn(&str) -> Result<T, &'static str>,
) -> Option<Vec<T>> {
    let texts = texts?;
    let parsed = texts.iter().enumerate().map(|(index, text)| {
        let parsed = parse(text);
        parsed
            .map_err(|rule| section.fault(&format!("{key}[{index}]"), Some(format!("{text:?}")), rule))
            .ok()
    });
    // All of them first: every fault is told.
    parsed.collect::<Vec<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests;
