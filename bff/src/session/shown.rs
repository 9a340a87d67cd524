//! How a living session is told of in JSON, to its user and to operators.

use std::time::{Duration, UNIX_EPOCH};

use resource_server::time::UnixTime;
use serde_json::{Map, Value, json};

use super::registry::Living;

/// What everybody is told who may see the session at all: when it began and was used, and where.
#[must_use]
pub fn shown(living: &Living) -> Map<String, Value> {
    let members = [
        ("created_at", rfc3339(living.times.created_at)),
        ("last_used_at", rfc3339(living.times.last_used_at)),
        (
            "device",
            json!({"browser": living.device.browser, "platform": living.device.platform}),
        ),
    ];
    members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// An instant as `new Date(…)` reads it.
#[must_use]
pub fn rfc3339(instant: UnixTime) -> Value {
    let since_epoch = Duration::from_secs(u64::try_from(instant.as_secs()).unwrap_or(0));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since_epoch)
        .to_string()
        .into()
}
