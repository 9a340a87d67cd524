//! What clients can learn about this server without being told: metadata and keys.

pub(crate) mod endpoint;
pub(crate) mod metadata;
