//! Tokens: how they are got, used at `/userinfo`, looked at and revoked.

pub(crate) mod claims;
pub(crate) mod client_credentials;
pub(crate) mod code_exchange;
pub(crate) mod endpoint;
pub(crate) mod error;
pub(crate) mod exchange;
pub(crate) mod introspection;
pub(crate) mod issue;
pub(crate) mod own_tokens;
pub(crate) mod refresh;
pub(crate) mod resource;
pub(crate) mod revocation;
pub(crate) mod userinfo;
