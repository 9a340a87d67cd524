//! `/revoke` (RFC 7009).

use super::error::TokenError;
use crate::client::Client;
use crate::grant::family::EndReason;
use crate::grant::refresh_token::RefreshToken;
use crate::ops::audit::{self, Subject};
use crate::params::Params;
use crate::state::Shared;

/// Revokes a refresh token, and with it every token of its family.
///
/// Success says that the token is worth nothing: to its client that is the same whether it was revoked now, earlier,
/// or never existed (RFC 7009 §2.2). `token_type_hint` is not needed: the two kinds look different.
pub(crate) async fn revoke(shared: &Shared, client: &Client, form: &Params) -> Result<(), TokenError> {
    let token = form
        .get("token")
        .ok_or_else(|| TokenError::invalid_request("token is missing"))?;
    if let Some(claims) = shared.own_tokens.access_token(token, shared.now())
        && claims.client_id() == Some(client.id.as_str())
    {
        return Err(TokenError::UnsupportedTokenType);
    }
    let Some(token) = RefreshToken::parse(token) else {
        return Ok(());
    };
    let Some(family) = shared.store.family(token.family()).await? else {
        return Ok(());
    };
    if family.client_id != client.id {
        tracing::warn!(client.id = %client.id, "a client tried to revoke the refresh token of another");
        return Ok(());
    }
    // An older token of the family ends it, too: whoever holds one wants the grant gone.
    let ended = shared
        .store
        .end_family(token.family(), EndReason::Revoked, shared.now())
        .await?;
    if !ended {
        return Ok(());
    }
    let who = Subject {
        user_id: &family.user_id,
        sid: &family.sid,
    };
    audit::revoked(who, &client.id);
    Ok(())
}
