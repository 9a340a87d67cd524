//! Token Status Lists (draft-ietf-oauth-status-list): by them resource servers, which ask nobody about a token, learn within
//! seconds that its grant has ended.
//!
//! Each grant has a place in a list ([`crate::grant::status`]), each list is one signed document, and each node makes the
//! documents that it is asked for from what the database says of the grants. Nothing is written down beside these.

mod bits;
mod document;
pub(crate) mod endpoint;
mod published;

pub(crate) use published::StatusLists;

use crate::config::Issuer;

/// The address of a list: the `uri` of tokens and the `sub` of the list itself.
pub(crate) fn uri(issuer: &Issuer, list: u64) -> String {
    issuer.endpoint(&format!("/statuslists/{list}"))
}
