//! `auth-server.toml` as the program uses it: whoever holds a [`Config`] knows that its rules are met.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use resource_server::settings::{Document, Environment, Faults, Section};

use crate::client::{Clients, Resource};
use crate::http::Targets;
use crate::scope::ScopeWords;

mod client;
mod issuer;
mod keys;
mod logout;
mod outbound;
mod passwords;
mod resource;
mod scope;
mod status_list;
mod storage;
#[cfg(test)]
mod tests;

pub(crate) use client::stored::Registrations;
pub use issuer::Issuer;
pub use keys::KeyConfig;
pub use logout::LogoutConfig;
pub use passwords::PasswordConfig;
pub use status_list::StatusListConfig;
pub use storage::{Durability, PostgresConfig, StorageConfig};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who this server is, byte for byte as tokens name it.
    pub issuer: Issuer,
    /// `[server]`.
    pub server: ServerConfig,
    /// `[management] listen`.
    pub management_listen: Option<SocketAddr>,
    /// `[storage]`.
    pub storage: StorageConfig,
    /// `[keys]`.
    pub keys: KeyConfig,
    /// `[tokens]`.
    pub tokens: TokenLifetimes,
    /// `[sign_in]`.
    pub sign_in: SignInLifetimes,
    /// `[logout]`.
    pub logout: LogoutConfig,
    /// `[status_list]`.
    pub status_list: StatusListConfig,
    /// Every `[[resource]]`.
    pub resources: Vec<Resource>,
    /// Every `[[scope]]`.
    pub scope_words: ScopeWords,
    /// `[passwords]`.
    pub passwords: PasswordConfig,
    /// Every `[[client]]`; those of the database stand beside them in the registry, which is the one to ask.
    pub file_clients: Clients,
    /// `[outbound]`.
    pub(crate) outbound: Targets,
    /// `[log]`.
    pub log: LogConfig,
}

/// `[server]`.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where browsers and clients connect.
    pub listen: SocketAddr,
    /// Threads that serve requests.
    pub workers: usize,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
}

/// `[tokens]`: how long what is issued lives.
#[derive(Debug, Clone, Copy)]
pub struct TokenLifetimes {
    /// Of an access token, which cannot be revoked where it is verified locally.
    pub access_token: Duration,
    /// Of an ID token.
    pub id_token: Duration,
    /// Of an authorization code.
    pub code: Duration,
    /// Of a refresh token that nobody uses; every use starts it anew.
    pub refresh_token_idle: Duration,
    /// Of a family of refresh tokens, however much it is used.
    pub refresh_token_absolute: Duration,
    /// How long the predecessor of an unused refresh token gets that same token again.
    pub rotation_grace: Duration,
}

/// `[sign_in]`: how long a browser stays signed in here.
#[derive(Debug, Clone, Copy)]
pub struct SignInLifetimes {
    /// Without any use.
    pub idle: Duration,
    /// However much it is used.
    pub absolute: Duration,
}

/// `[log]`.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// One JSON object per line instead of text.
    pub json: bool,
    /// A `tracing` filter such as `info,auth_server=debug`.
    pub filter: String,
}

/// Whether a reader of the file needs what clients prove themselves with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientSecrets {
    /// They are read from where the file says.
    Resolved,
    /// They are not looked for: commands have no use for them, and operators seldom have them.
    LeftAlone,
    /// The client is one of the database, where its secrets are.
    InDatabase,
}

/// The configuration for commands: the same file under the same rules, without the clients' secrets. No server starts
/// with it.
#[derive(Debug, Clone)]
pub struct OperatorConfig(Config, Registrations);

impl OperatorConfig {
    /// Reads the text of a configuration file.
    ///
    /// # Errors
    /// Every fault at once, but for those of the clients' secrets.
    pub fn parse(toml: &str, environment: Environment<'_>) -> Result<Self, Faults> {
        let config = Config::read(toml, environment, ClientSecrets::LeftAlone)?;
        let registrations = Registrations::of(&config);
        Ok(Self(config, registrations))
    }

    /// `[storage]`.
    #[must_use]
    pub fn storage(&self) -> &StorageConfig {
        &self.0.storage
    }

    /// Every `[[client]]`.
    #[must_use]
    pub fn clients(&self) -> &Clients {
        &self.0.file_clients
    }

    /// `[keys]`.
    #[must_use]
    pub fn keys(&self) -> &KeyConfig {
        &self.0.keys
    }

    /// What clients of the database are judged by.
    pub(crate) fn registrations(&self) -> &Registrations {
        &self.1
    }

    /// `[passwords]`.
    #[must_use]
    pub fn passwords(&self) -> &PasswordConfig {
        &self.0.passwords
    }

    /// `[log]`.
    #[must_use]
    pub fn log(&self) -> &LogConfig {
        &self.0.log
    }
}

impl Config {
    /// Reads the text of a configuration file.
    ///
    /// # Errors
    /// Every fault at once, each with its key path, value and rule.
    pub fn parse(toml: &str, environment: Environment<'_>) -> Result<Self, Faults> {
        Self::read(toml, environment, ClientSecrets::Resolved)
    }

    fn read(toml: &str, environment: Environment<'_>, secrets: ClientSecrets) -> Result<Self, Faults> {
        let faults = Faults::default();
        let mut root = Document::parse(toml, environment)?.root(&faults);

        let issuer = root.parsed("issuer", Issuer::parse);
        let server = ServerConfig::parse(root.section("server"));
        let management_listen = parse_management(root.section("management"));
        let storage = StorageConfig::parse(root.section("storage"));
        let keys = KeyConfig::parse(root.section("keys"));
        let tokens = TokenLifetimes::parse(root.section("tokens"));
        let sign_in = SignInLifetimes::parse(root.section("sign_in"));
        let logout = LogoutConfig::parse(root.section("logout"));
        let status_list = StatusListConfig::parse(root.section("status_list"));
        let passwords = PasswordConfig::parse(root.section("passwords"));
        let resources = resource::parse_all(&mut root, issuer.as_ref());
        let scope_words = scope::parse_all(&mut root);
        let clients = client::parse_all(&mut root, issuer.as_ref(), resources.as_deref(), secrets);
        if let (Some(resources), Some(clients)) = (&resources, &clients) {
            resource::check_clients(&root, resources, clients);
        }
        let outbound = outbound::parse(root.section("outbound"));
        let log = LogConfig::parse(root.section("log"));
        root.finish();

        let config = (|| {
            Some(Self {
                issuer: issuer?,
                server: server?,
                management_listen: management_listen?,
                storage: storage?,
                keys: keys?,
                tokens: tokens?,
                sign_in: sign_in?,
                logout: logout?,
                status_list: status_list?,
                resources: resources?,
                scope_words: scope_words?,
                passwords: passwords?,
                file_clients: clients?,
                outbound: outbound?,
                log: log?,
            })
        })();
        faults.into_result(config)
    }
}

impl ServerConfig {
    fn parse(mut section: Section<'_>) -> Option<Self> {
        let listen = section.parsed_or("listen", "127.0.0.1:9000", parse_address);
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        let workers = section.number_or("workers", cores, 1..=256);
        let proxies = section.texts_or("trusted_proxies", &[]);
        let trusted_proxies = proxies.and_then(|texts| parse_proxies(&section, &texts));
        section.finish();
        Some(Self {
            listen: listen?,
            workers: usize::try_from(workers?).ok()?,
            trusted_proxies: trusted_proxies?,
        })
    }
}

impl TokenLifetimes {
    fn parse(mut section: Section<'_>) -> Option<Self> {
        let access_token = section.duration_or("access_token_lifetime", 5 * MINUTE, MINUTE..=HOUR);
        let id_token = section.duration_or("id_token_lifetime", 5 * MINUTE, MINUTE..=HOUR);
        // RFC 6749 §4.1.2: ten minutes at most.
        let code = section.duration_or("code_lifetime", MINUTE, SECOND..=10 * MINUTE);
        let idle = section.duration_or("refresh_token_idle", 30 * DAY, MINUTE..=365 * DAY);
        let absolute = section.duration_or("refresh_token_absolute", 90 * DAY, MINUTE..=3650 * DAY);
        let grace = section.duration_or(
            "rotation_grace",
            Duration::from_secs(30),
            Duration::ZERO..=5 * MINUTE,
        );
        if let (Some(idle), Some(absolute)) = (idle, absolute)
            && idle > absolute
        {
            section.fault(
                "refresh_token_idle",
                None,
                "must not be longer than refresh_token_absolute",
            );
        }
        section.finish();
        Some(Self {
            access_token: access_token?,
            id_token: id_token?,
            code: code?,
            refresh_token_idle: idle?,
            refresh_token_absolute: absolute?,
            rotation_grace: grace?,
        })
    }
}

impl SignInLifetimes {
    fn parse(mut section: Section<'_>) -> Option<Self> {
        let idle = section.duration_or("idle_timeout", 8 * HOUR, MINUTE..=365 * DAY);
        let absolute = section.duration_or("absolute_timeout", 24 * HOUR, MINUTE..=365 * DAY);
        if let (Some(idle), Some(absolute)) = (idle, absolute)
            && idle > absolute
        {
            section.fault("idle_timeout", None, "must not be longer than absolute_timeout");
        }
        section.finish();
        Some(Self {
            idle: idle?,
            absolute: absolute?,
        })
    }
}

impl LogConfig {
    fn parse(mut section: Section<'_>) -> Option<Self> {
        let json = section.parsed_or("format", "text", |format| match format {
            "text" => Ok(false),
            "json" => Ok(true),
            _ => Err("must be \"text\" or \"json\""),
        });
        let filter = section.parsed_or("filter", "info", |filter| {
            tracing_subscriber::EnvFilter::try_new(filter).map(|_| filter.to_owned())
        });
        section.finish();
        Some(Self {
            json: json?,
            filter: filter?,
        })
    }
}

fn parse_management(mut section: Section<'_>) -> Option<Option<SocketAddr>> {
    let listen = section.optional_parsed("listen", parse_address);
    section.finish();
    listen
}

fn some_path(path: &str) -> Result<PathBuf, &'static str> {
    match path {
        "" => Err("must not be empty"),
        path => Ok(PathBuf::from(path)),
    }
}

fn parse_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| "must be an address and a port such as \"127.0.0.1:9000\"")
}

fn parse_proxies(section: &Section<'_>, texts: &[String]) -> Option<Vec<IpAddr>> {
    let mut addresses = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match text.parse() {
            Ok(address) => addresses.push(address),
            Err(_) => {
                let key = format!("trusted_proxies[{index}]");
                section.fault(&key, Some(format!("{text:?}")), "must be an IP address");
            }
        }
    }
    (addresses.len() == texts.len()).then_some(addresses)
}
