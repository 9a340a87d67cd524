//! `/authorize`: from a client's request to a code (RFC 6749 §4.1, OIDC Core §3.1.2, OAuth 2.1 §4.1).

pub(crate) mod claims_parameter;
pub(crate) mod endpoint;
pub(crate) mod interaction;
pub(crate) mod issue;
pub(crate) mod pushed;
pub(crate) mod question;
pub(crate) mod received;
pub(crate) mod request;
pub(crate) mod response;
