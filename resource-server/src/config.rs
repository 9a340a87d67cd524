//! The configuration of the notes service.

mod issuer;
mod log;
mod status_list;
mod token;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

pub use issuer::{InvalidIssuer, Issuer};
pub use log::{LogConfig, LogFormat};
pub use status_list::{StatusListConfig, StatusUse};
pub use token::{IssuerConfig, TokenConfig};

use crate::settings::{Document, Environment, Faults, Section};

/// A configuration whose rules are met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// How many threads serve requests.
    pub workers: usize,
    /// Where the health endpoints listen, if anywhere.
    pub management_listen: Option<SocketAddr>,
    /// Which access tokens are accepted.
    pub token: TokenConfig,
    /// How tokens of grants that have ended are told, of the issuers of which they are.
    pub status_list: StatusListConfig,
    /// The file that keeps the notes; without one they are kept in memory.
    pub notes_path: Option<PathBuf>,
    /// How the log is written.
    pub log: LogConfig,
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// Every fault of the file at once.
    pub fn parse(toml: &str, environment: Environment<'_>) -> Result<Self, Faults> {
        let document = Document::parse(toml, environment)?;
        let faults = Faults::default();
        let config = Self::read(document.root(&faults));
        faults.into_result(config)
    }

    /// Takes every key before anything gives up, so that no fault hides another.
    fn read(mut root: Section<'_>) -> Option<Self> {
        let mut server = root.section("server");
        let listen = server.parsed_or("listen", "127.0.0.1:9100", address);
        let workers = server.number_or("workers", cores(), 1..=256);
        server.finish();

        let mut management = root.section("management");
        let management_listen = management.optional_parsed("listen", address);
        management.finish();

        let mut token = root.section("token");
        let over_http = token.switch_or("issuer_over_http", false).unwrap_or(true);
        let mut status_list = root.section("status_list");
        let status = StatusUse::read(&mut status_list, StatusUse::Judged);
        let token = TokenConfig::read(token, over_http, status.unwrap_or(StatusUse::Judged));
        let leeway = token.as_ref().map(|token| token.leeway);
        let status_list = StatusListConfig::read(status_list, leeway, over_http);

        let mut notes = root.section("notes");
        let notes_path = notes.optional_parsed("path", path);
        notes.finish();

        let log = LogConfig::read(root.section("log"));
        root.finish();

        status?;
        Some(Self {
            listen: listen?,
            workers: usize::try_from(workers?).ok()?,
            management_listen: management_listen?,
            token: token?,
            status_list: status_list?,
            notes_path: notes_path?,
            log: log?,
        })
    }
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| "must be an IP address and a port, such as \"127.0.0.1:9100\"")
}

fn path(text: &str) -> Result<PathBuf, &'static str> {
    if text.is_empty() {
        Err("must not be empty; leave it out to keep notes in memory")
    } else {
        Ok(text.into())
    }
}

fn cores() -> u64 {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    u64::try_from(cores).unwrap_or(1).clamp(1, 256)
}

#[cfg(test)]
mod tests;
