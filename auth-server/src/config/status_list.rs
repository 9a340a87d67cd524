use std::time::Duration;

use resource_server::settings::Section;

use super::client::signing_algorithm;
use super::{MINUTE, SECOND};
use crate::key::SigningAlgorithm;

/// `[status_list]`: by what resource servers learn of grants that have ended.
#[derive(Debug, Clone, Copy)]
pub struct StatusListConfig {
    /// Whether access tokens name their place in a list, and the lists are answered.
    pub enabled: bool,
    /// How long a resource server that has a list need not ask again.
    pub ttl: Duration,
    /// What the lists are signed with, whatever a client's tokens are: an API allows a few algorithms, and for both.
    pub signing: SigningAlgorithm,
}

impl StatusListConfig {
    pub(super) fn parse(mut section: Section<'_>) -> Option<Self> {
        let enabled = section.switch_or("enabled", true);
        let ttl = section.duration_or("ttl", 5 * SECOND, SECOND..=5 * MINUTE);
        let signing = section.parsed_or("signing_alg", "ES256", signing_algorithm);
        section.finish();
        Some(Self {
            enabled: enabled?,
            ttl: ttl?,
            signing: signing?,
        })
    }
}
