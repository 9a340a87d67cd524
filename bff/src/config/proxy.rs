use std::time::Duration;

use resource_server::settings::Section;

/// RFC 6455 §7.4.1: what the other end does is against a policy.
const POLICY_VIOLATION: u64 = 1_008;
/// RFC 6455 §7.4.2: codes that applications agree upon.
const PRIVATE: std::ops::RangeInclusive<u64> = 4_000..=4_999;

/// `[proxy]`: what holds for all routes.
#[derive(Debug)]
pub struct ProxyConfig {
    /// How long streams go on when nobody can say whether their session lives.
    pub stream_grace: Duration,
    /// What WebSockets are closed with when their session is over.
    pub websocket_close_code: u16,
}

impl ProxyConfig {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let stream_grace = section.duration_or(
            "stream_grace",
            Duration::from_secs(30),
            Duration::ZERO..=Duration::from_secs(3_600),
        );
        let code = section.number_that(
            "websocket_close_code",
            POLICY_VIOLATION,
            |code| code == POLICY_VIOLATION || PRIVATE.contains(&code),
            "must be 1008 or from 4000 to 4999",
        );
        section.finish();

        Some(Self {
            stream_grace: stream_grace?,
            websocket_close_code: u16::try_from(code?).ok()?,
        })
    }
}
