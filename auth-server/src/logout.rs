//! `/end_session` (OpenID Connect RP-Initiated Logout 1.0).

pub(crate) mod endpoint;
pub(crate) mod request;
