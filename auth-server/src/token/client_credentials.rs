//! `grant_type=client_credentials` (RFC 6749 §4.4).

use super::error::TokenError;
use super::issue::{Issuance, TokenResponse};
use super::resource;
use crate::client::Client;
use crate::grant::target::Target;
use crate::params::Params;
use crate::scope::ScopeSet;
use crate::state::Shared;

/// Issues an access token to a service that acts for itself.
pub(crate) fn issue(shared: &Shared, client: &Client, form: &Params) -> Result<TokenResponse, TokenError> {
    let requested = form.get("scope").map(ScopeSet::parse).transpose();
    let requested = requested.map_err(|_| TokenError::InvalidScope)?;
    let target = Target::for_client(
        &client.resources,
        &client.scopes,
        requested,
        resource::asked(form)?,
    )?;
    let issuance = Issuance {
        config: &shared.config,
        signer: &shared.signer,
        now: shared.now(),
    };
    issuance.for_client(client, &target)
}
