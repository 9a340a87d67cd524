//! Users sign in for their account page, and once more before a change.

pub(crate) mod endpoint;
