//! The `resource` of a token request (RFC 8707 §2.2).

use super::error::TokenError;
use crate::params::Params;

/// What the token is asked for. One resource at a time: with a token for several APIs, each of them could go to the others.
pub(crate) fn asked(form: &Params) -> Result<Option<&str>, TokenError> {
    let mut all = form.get_all("resource");
    match (all.next(), all.next()) {
        (asked, None) => Ok(asked),
        _ => Err(TokenError::InvalidTarget),
    }
}
