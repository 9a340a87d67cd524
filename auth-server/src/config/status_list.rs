use std::time::Duration;

use resource_server::settings::Section;

use super::{MINUTE, SECOND};

/// `[status_list]`: by what resource servers learn of grants that have ended.
#[derive(Debug, Clone, Copy)]
pub struct StatusListConfig {
    /// Whether access tokens name their place in a list, and the lists are answered.
    pub enabled: bool,
    /// How long a resource server that has a list need not ask again.
    pub ttl: Duration,
}

impl StatusListConfig {
    pub(super) fn parse(mut section: Section<'_>) -> Option<Self> {
        let enabled = section.switch_or("enabled", true);
        let ttl = section.duration_or("ttl", 5 * SECOND, SECOND..=5 * MINUTE);
        section.finish();
        Some(Self {
            enabled: enabled?,
            ttl: ttl?,
        })
    }
}
