//! RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0), and telling clients of every logout (OpenID Connect
//! Back-Channel Logout 1.0).

mod delivery;
pub(crate) mod endpoint;
pub(crate) mod notifier;
mod places;
pub(crate) mod request;
mod token;
