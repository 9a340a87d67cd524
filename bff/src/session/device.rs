//! What a browser tells of itself, so that a person recognises it in the list of sessions.

use serde::{Deserialize, Serialize};

/// A device as its headers described it at login. Nothing here is proof of anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The browser's family, such as `Firefox`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<String>,
    /// The operating system's family, such as `Android`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
}
