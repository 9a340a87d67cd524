use std::time::Duration;

use resource_server::settings::Section;

use super::{DAY, HOUR, MINUTE};

/// `[logout]`: how clients are told of sign-outs.
#[derive(Debug, Clone, Copy)]
pub struct LogoutConfig {
    /// How long a client that does not take a notification is sent it again.
    pub give_up_after: Duration,
    /// How many notifications may wait for one client; of more the oldest go.
    pub queue: u32,
}

impl LogoutConfig {
    pub(super) fn parse(mut section: Section<'_>) -> Option<Self> {
        let give_up_after = section.duration_or("give_up_after", 24 * HOUR, MINUTE..=7 * DAY);
        let queue = section.number_or("queue", 100_000, 1..=10_000_000);
        section.finish();
        Some(Self {
            give_up_after: give_up_after?,
            queue: u32::try_from(queue?).ok()?,
        })
    }
}
