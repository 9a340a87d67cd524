use std::time::Duration;

use resource_server::settings::Section;

/// `[refresh]`: when access tokens are renewed.
#[derive(Debug)]
pub struct RefreshConfig {
    /// How long before its end an access token is renewed; never in the first half of its life.
    pub margin: Duration,
}

impl RefreshConfig {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let margin = section.duration_or(
            "margin",
            Duration::from_secs(30),
            Duration::from_secs(1)..=Duration::from_secs(3600),
        );
        section.finish();
        Some(Self { margin: margin? })
    }
}
