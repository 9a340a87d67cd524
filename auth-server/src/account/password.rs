//! Users change their passwords.

pub(crate) mod endpoint;
