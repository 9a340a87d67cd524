//! What a user granted to a client: the code that carries it, and the family of refresh tokens made from it.

pub(crate) mod claims;
pub(crate) mod code;
pub(crate) mod consent;
pub(crate) mod family;
pub(crate) mod pkce;
pub(crate) mod refresh_token;
pub(crate) mod status;
pub(crate) mod target;
