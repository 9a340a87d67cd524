use resource_server::settings::Section;

use crate::guard::rate_limit::Rate;

/// `[limits]`: how much one client, or all of them, may ask of this node.
#[derive(Debug)]
pub struct LimitsConfig {
    /// Logins begun or ended, for each client address.
    pub login_per_address: Option<Rate>,
    /// Calls to routes, for each client address.
    pub api_per_address: Option<Rate>,
    /// Calls to routes, for each session.
    pub api_per_session: Option<Rate>,
    /// Logins that are being completed at the provider at a time.
    pub concurrent_logins: usize,
}

impl LimitsConfig {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let login_per_address = section.parsed_or("login_per_address", "600/1m", Rate::parse);
        let api_per_address = section.parsed_or("api_per_address", "off", Rate::parse);
        let api_per_session = section.parsed_or("api_per_session", "off", Rate::parse);
        let concurrent_logins = section.number_or("concurrent_logins", 64, 1..=10_000);
        section.finish();

        Some(Self {
            login_per_address: login_per_address?,
            api_per_address: api_per_address?,
            api_per_session: api_per_session?,
            concurrent_logins: usize::try_from(concurrent_logins?).ok()?,
        })
    }
}
