//! How a session ends because its user wants it: here first, then at the provider.

pub mod endpoint;
pub mod sessions;
