//! `grant_type=client_credentials` (RFC 6749 §4.4).

use super::error::TokenError;
use super::issue::{Issuance, TokenResponse};
use crate::client::Client;
use crate::params::Params;
use crate::scope::ScopeSet;
use crate::state::Shared;

/// Issues an access token to a service that acts for itself.
pub(crate) fn issue(shared: &Shared, client: &Client, form: &Params) -> Result<TokenResponse, TokenError> {
    let scope = requested_scope(client, form.get("scope"))?;
    let issuance = Issuance {
        config: &shared.config,
        signer: &shared.signer,
        now: shared.now(),
    };
    issuance.for_client(client, &scope)
}

/// Nobody looks at a page here who could see that less was granted, so a scope too many is an error.
fn requested_scope(client: &Client, requested: Option<&str>) -> Result<ScopeSet, TokenError> {
    let allowed = client.scopes.without_user();
    let Some(requested) = requested else {
        return Ok(allowed);
    };
    let requested = ScopeSet::parse(requested).map_err(|_| TokenError::InvalidScope)?;
    if requested.is_within(&allowed) {
        Ok(requested)
    } else {
        Err(TokenError::InvalidScope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_gets_what_it_asks_for_or_nothing() {
        let client = Client::for_tests("service");
        let scope = |requested| {
            requested_scope(&client, requested)
                .map(|scope| scope.to_string())
                .ok()
        };
        assert_eq!(scope(None).as_deref(), Some("notes:read"));
        assert_eq!(scope(Some("notes:read")).as_deref(), Some("notes:read"));
        assert_eq!(scope(Some("notes:read notes:write")), None);
        assert_eq!(scope(Some("openid")), None);
    }
}
