//! `/introspect` (RFC 7662): what a token says, and whether it still counts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use resource_server::claims::Claims;
use resource_server::time::UnixTime;
use serde::Serialize;

use super::claims::GRANT_CLAIM;
use super::error::TokenError;
use crate::client::{Client, Grant, Kind};
use crate::config::Config;
use crate::grant::family::Standing;
use crate::grant::refresh_token::RefreshToken;
use crate::params::Params;
use crate::scope::{OFFLINE_ACCESS, ScopeSet};
use crate::state::Shared;
use crate::store::GrantState;

/// The answer (RFC 7662 §2.2). Of a token that does not count, or that is not for the asking client, nothing is told:
/// which of the two it is would be told, too.
#[derive(Debug, Serialize)]
pub(crate) struct Introspection {
    active: bool,
    #[serde(flatten)]
    says: Option<Says>,
}

/// What an active token says.
#[derive(Debug, Serialize)]
struct Says {
    iss: String,
    sub: String,
    client_id: String,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aud: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    /// RFC 6749 §7.1: how it is used; a refresh token has no such type.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    /// Who acts for the user (RFC 8693 §4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<serde_json::Value>,
}

/// Looks a token up for a client. `token_type_hint` is not needed: the two kinds look different.
pub(crate) async fn introspect(
    shared: &Shared,
    client: &Client,
    form: &Params,
) -> Result<Introspection, TokenError> {
    // RFC 7662 §2.1, §4: whoever has no secret could be anybody, trying out tokens.
    if !matches!(client.kind, Kind::Confidential { .. }) {
        return Err(TokenError::InvalidClient);
    }
    let token = form
        .get("token")
        .ok_or_else(|| TokenError::invalid_request("token is missing"))?;
    let says = match RefreshToken::parse(token) {
        Some(token) => of_refresh_token(shared, client, &token).await?,
        None => of_access_token(shared, client, token).await?,
    };
    Ok(Introspection {
        active: says.is_some(),
        says,
    })
}

/// A refresh token is its client's business alone. Looking at it changes nothing, even if it is an old one: a look is no
/// use. The one before the current one, which a refresh still forgives, counts no more.
async fn of_refresh_token(
    shared: &Shared,
    client: &Client,
    token: &RefreshToken,
) -> Result<Option<Says>, TokenError> {
    let Some(family) = shared.store.family(token.family()).await? else {
        return Ok(None);
    };
    let grace = shared.config.tokens.rotation_grace;
    if family.judge(&token.digest(), &client.id, grace, shared.now()) != Standing::Current {
        return Ok(None);
    }
    // The standing is the family's alone; this asks for its user, too.
    if shared.store.grant_state(&token.family().handle()).await? == GrantState::Ended {
        return Ok(None);
    }
    let granted = ScopeSet::parse(&family.scope).unwrap_or_default();
    let scope = client.still_allows(&granted);
    if !client.may_use(Grant::RefreshToken) || !scope.contains(OFFLINE_ACCESS) {
        return Ok(None);
    }
    Ok(Some(Says {
        iss: shared.config.issuer.to_string(),
        sub: family.user_id,
        client_id: family.client_id,
        exp: family.idle_ends.min(family.absolute_ends).as_secs(),
        scope: Some(scope.to_string()),
        aud: Vec::new(),
        iat: None,
        jti: None,
        token_type: None,
        act: None,
    }))
}

async fn of_access_token(shared: &Shared, client: &Client, token: &str) -> Result<Option<Says>, TokenError> {
    let now = shared.now();
    let Some(claims) = shared.own_tokens.access_token(token, now) else {
        return Ok(None);
    };
    let clients = shared.clients();
    let Some(owner) = claims.client_id().and_then(|id| clients.find(id)) else {
        return Ok(None);
    };
    if owner.id != client.id && !is_for(&shared.config, client, &claims) {
        tracing::warn!(client.id = %client.id, "a client asked about an access token that is not for it");
        return Ok(None);
    }
    if !is_live(shared, &claims, now).await? {
        return Ok(None);
    }
    Ok(Some(Says {
        iss: claims.issuer().to_owned(),
        sub: claims.subject().to_owned(),
        client_id: owner.id.clone(),
        exp: claims.expires_at().as_secs(),
        scope: claims
            .get("scope")
            .and_then(serde_json::Value::as_str)
            .map(str::to_owned),
        aud: claims.audience().map(str::to_owned).collect(),
        iat: claims.issued_at().map(UnixTime::as_secs),
        jti: claims.jti().map(str::to_owned),
        token_type: Some("Bearer"),
        act: claims.get("act").cloned(),
    }))
}

/// Whether the client speaks for one of the APIs that the token is for.
fn is_for(config: &Config, client: &Client, claims: &Claims) -> bool {
    config.resources.iter().any(|resource| {
        resource.introspected_by.contains(&client.id)
            && claims.audience().any(|one| one == resource.identifier)
    })
}

/// Whoever asks here gets no leeway, and a token of a user's grant lives as long as the grant.
async fn is_live(shared: &Shared, claims: &Claims, now: UnixTime) -> Result<bool, TokenError> {
    if now >= claims.expires_at() {
        return Ok(false);
    }
    match grant_handle(claims) {
        Some(handle) => Ok(shared.store.grant_state(&handle).await? == GrantState::Live),
        // A client's own token has no grant.
        None => Ok(claims.get(GRANT_CLAIM).is_none()),
    }
}

/// The grant that an access token was made from.
pub(super) fn grant_handle(claims: &Claims) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(claims.get(GRANT_CLAIM)?.as_str()?).ok()
}
