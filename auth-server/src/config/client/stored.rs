//! Clients that are described elsewhere than in the configuration file, and judged by the same rules.

use resource_server::settings::{Document, Faults};

use super::parse;
use crate::client::{Client, Clients, Resource};
use crate::config::{ClientSecrets, Config, Issuer};

/// The clients of the file, and what other clients are judged by.
#[derive(Debug, Clone)]
pub(crate) struct Registrations {
    /// Every `[[client]]` of the file.
    pub(crate) clients: Clients,
    issuer: Issuer,
    resources: Vec<Resource>,
}

impl Registrations {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            clients: config.file_clients.clone(),
            issuer: config.issuer.clone(),
            resources: config.resources.clone(),
        }
    }

    /// Reads a client described by the keys of one `[[client]]`. Its secrets are kept elsewhere.
    ///
    /// # Errors
    /// Every fault at once.
    pub(crate) fn parse_stored(&self, settings: &str) -> Result<Client, Faults> {
        let faults = Faults::default();
        let mut section = Document::parse(settings, &|_| None)?.root(&faults);
        let client = parse(
            &mut section,
            Some(&self.issuer),
            Some(&self.resources),
            ClientSecrets::InDatabase,
        );
        section.finish();
        faults.into_result(client)
    }
}
