use std::time::Duration;

use resource_server::settings::Section;

/// What a lease is longer than a call to the provider, unless configured.
const LEASE_BEYOND_CALL: Duration = Duration::from_secs(5);
const LONGEST_LEASE: Duration = Duration::from_secs(300);

/// `[refresh]`: when access tokens are renewed.
#[derive(Debug)]
pub struct RefreshConfig {
    /// How long before its end an access token is renewed; never in the first half of its life.
    pub margin: Duration,
    /// How long one node has the sole right to refresh a session, unless it says that it still does.
    pub lease: Duration,
    /// How large a request body may be to be kept for the case that the upstream refuses the access token.
    pub replay_body_limit: usize,
}

impl RefreshConfig {
    /// `call` is the deadline of a call to the provider, if that is known.
    pub(super) fn read(mut section: Section<'_>, call: Option<Duration>) -> Option<Self> {
        let margin = section.duration_or(
            "margin",
            Duration::from_secs(30),
            Duration::from_secs(1)..=Duration::from_secs(3600),
        );
        let lease = section.duration_or(
            "lease",
            call.unwrap_or_default() + LEASE_BEYOND_CALL,
            Duration::from_secs(1)..=LONGEST_LEASE,
        );
        let replay_body_limit = section.number_or("replay_body_limit", 64 * 1024, 0..=1024 * 1024);
        if let (Some(lease), Some(call)) = (lease, call)
            && lease <= call
        {
            section.fault(
                "lease",
                Some(format!("{lease:?}")),
                format!(
                    "must be longer than provider.timeout ({call:?}): a second node would present a refresh token \
                     that is still under way"
                ),
            );
            section.finish();
            return None;
        }
        section.finish();
        Some(Self {
            margin: margin?,
            lease: lease?,
            replay_body_limit: usize::try_from(replay_body_limit?).ok()?,
        })
    }
}
