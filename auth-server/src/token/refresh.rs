//! `grant_type=refresh_token` (RFC 6749 §6) with rotation (RFC 9700 §4.14.2).

use super::error::TokenError;
use super::issue::{Issuance, TokenResponse, UserGrant};
use super::resource;
use crate::client::Client;
use crate::grant::family::{EndReason, Family, Standing};
use crate::grant::refresh_token::RefreshToken;
use crate::grant::status::StatusIndex;
use crate::grant::target::Target;
use crate::ops::audit;
use crate::params::Params;
use crate::scope::{OFFLINE_ACCESS, ScopeSet};
use crate::state::Shared;
use crate::store::Rotation;
use crate::user::User;

/// Exchanges a refresh token for an access token and the next refresh token.
pub(crate) async fn refresh(
    shared: &Shared,
    client: &Client,
    form: &Params,
) -> Result<TokenResponse, TokenError> {
    let presented = form
        .get("refresh_token")
        .ok_or_else(|| TokenError::invalid_request("refresh_token is missing"))
        .map(RefreshToken::parse)?
        .ok_or(TokenError::InvalidGrant)?;
    let (family, user) = known(shared, &presented).await?;
    let (family, user, given) = match step(shared, client, &presented, &family, form).await? {
        Step::Done(given) => (family, user, given),
        // Somebody else rotated, revoked or signed out since the family was read: judged once more, by what is now.
        Step::Overtaken => {
            let (family, user) = known(shared, &presented).await?;
            match step(shared, client, &presented, &family, form).await? {
                Step::Done(given) => (family, user, given),
                Step::Overtaken => return Err(TokenError::InvalidGrant),
            }
        }
    };
    respond(shared, client, &family, &user, &given).await
}

/// What is known of a token: nothing, if its user is disabled.
async fn known(shared: &Shared, presented: &RefreshToken) -> Result<(Family, User), TokenError> {
    let known = shared.store.family_of_user(presented.family()).await?;
    known.ok_or(TokenError::InvalidGrant)
}

/// How one attempt turned out.
enum Step<'c> {
    Done(Given<'c>),
    Overtaken,
}

/// What is given for a refresh token.
struct Given<'c> {
    next: RefreshToken,
    /// What the client asked for of what was granted.
    scope: ScopeSet,
    /// What the access token is to be for.
    target: Target<'c>,
}

/// Judges the token by the family as it was read. The reading decides nothing about the rotation itself, which is
/// one conditional update: it happens only if the token is current at that moment.
async fn step<'c>(
    shared: &Shared,
    client: &'c Client,
    presented: &RefreshToken,
    family: &Family,
    form: &Params,
) -> Result<Step<'c>, TokenError> {
    let now = shared.now();
    let lifetimes = &shared.config.tokens;
    match family.judge(&presented.digest(), &client.id, lifetimes.rotation_grace, now) {
        Standing::Current => {
            // Looked at before anything moves: a refused request costs the client nothing.
            let (scope, target) = requested(form, family, client)?;
            let next = RefreshToken::generate(presented.family());
            let rotation = Rotation {
                presented,
                next: &next,
                client_id: &client.id,
                idle_ends: now + lifetimes.refresh_token_idle,
            };
            let rotated = shared.store.rotate(&rotation, &shared.clock).await?;
            Ok(if rotated {
                Step::Done(Given { next, scope, target })
            } else {
                Step::Overtaken
            })
        }
        Standing::Repeated { sealed_successor } => {
            let (scope, target) = requested(form, family, client)?;
            tracing::info!(client.id = %client.id, "a refresh token came again: its successor is given again");
            let next = presented.open(sealed_successor);
            let next = next.ok_or(TokenError::InvalidGrant)?;
            Ok(Step::Done(Given { next, scope, target }))
        }
        Standing::Reused => {
            shared
                .store
                .end_family(presented.family(), EndReason::Reuse, now)
                .await?;
            audit::refresh_token_reused(subject_of(family), &client.id);
            Err(TokenError::InvalidGrant)
        }
        Standing::Over => Err(TokenError::InvalidGrant),
        Standing::Foreign => {
            tracing::warn!(client.id = %client.id, "a client presented the refresh token of another");
            Err(TokenError::InvalidGrant)
        }
    }
}

async fn respond(
    shared: &Shared,
    client: &Client,
    family: &Family,
    user: &User,
    given: &Given<'_>,
) -> Result<TokenResponse, TokenError> {
    let Given { next, scope, target } = given;
    let status_index = status_index(shared, family, next).await?;
    let grant = UserGrant {
        client,
        user,
        family: next.family(),
        scope,
        target,
        sid: &family.sid,
        auth_time: family.auth_time,
        status_index,
        claims: &family.claims,
        nonce: None,
    };
    let issuance = Issuance {
        config: &shared.config,
        signer: &shared.signer,
        now: shared.now(),
    };
    let issued = issuance.for_user(&grant, Some(next))?;
    audit::refreshed(subject_of(family), &client.id);
    Ok(issued)
}

/// Where a grant stands in the status lists. One that began before there were lists gets its place here, once.
async fn status_index(
    shared: &Shared,
    family: &Family,
    next: &RefreshToken,
) -> Result<Option<StatusIndex>, TokenError> {
    if family.status_index.is_some() || !shared.config.status_list.enabled {
        return Ok(family.status_index);
    }
    let given = shared.store.status_index(next.family()).await?;
    // It has ended since it was rotated.
    given.ok_or(TokenError::InvalidGrant).map(Some)
}

fn subject_of(family: &Family) -> audit::Subject<'_> {
    audit::Subject {
        user_id: &family.user_id,
        sid: &family.sid,
    }
}

/// What the new access token is to be for, and the scope that was asked for.
fn requested<'c>(
    form: &Params,
    family: &Family,
    client: &'c Client,
) -> Result<(ScopeSet, Target<'c>), TokenError> {
    let scope = requested_scope(form, family, client)?;
    let target = Target::for_user(
        &client.resources,
        &family.resources,
        &scope,
        resource::asked(form)?,
    )?;
    Ok((scope, target))
}

/// RFC 6749 §6: less than was granted, for this access token alone, and never more. What the client's registration
/// no longer allows is no longer granted, and without `offline_access` there is nothing to refresh.
fn requested_scope(form: &Params, family: &Family, client: &Client) -> Result<ScopeSet, TokenError> {
    let granted = ScopeSet::parse(&family.scope).map_err(|_| TokenError::InvalidGrant)?;
    let granted = client.still_allows(&granted);
    if !granted.contains(OFFLINE_ACCESS) {
        return Err(TokenError::InvalidGrant);
    }
    let Some(requested) = form.get("scope") else {
        return Ok(granted);
    };
    let requested = ScopeSet::parse(requested).map_err(|_| TokenError::InvalidScope)?;
    if requested.is_empty() || !requested.is_within(&granted) {
        return Err(TokenError::InvalidScope);
    }
    Ok(requested)
}

#[cfg(test)]
mod tests {
    use resource_server::time::UnixTime;

    use super::*;
    use crate::grant::claims::AskedClaims;
    use crate::grant::target::Named;

    fn scope(allowed: &str, requested: &str) -> Result<String, &'static str> {
        let client = Client {
            scopes: ScopeSet::parse(allowed).unwrap(),
            ..Client::for_tests("bff")
        };
        let family = Family {
            client_id: "bff".to_owned(),
            user_id: "u".to_owned(),
            sid: "s".to_owned(),
            scope: "notes:read notes:write offline_access".to_owned(),
            resources: Named::default(),
            claims: AskedClaims::default(),
            auth_time: UnixTime::from_secs(0),
            status_index: None,
            current: None,
            previous: None,
            sealed_successor: None,
            rotated_at: None,
            idle_ends: UnixTime::from_secs(1),
            absolute_ends: UnixTime::from_secs(1),
            has_ended: false,
        };
        let form = Params::parse(requested.as_bytes());
        requested_scope(&form, &family, &client)
            .map(|scope| scope.to_string())
            .map_err(|error| error.code_and_status().0)
    }

    #[test]
    fn a_grant_shrinks_with_the_registration_of_its_client() {
        let narrowed = "notes:read offline_access openid";
        assert_eq!(scope(narrowed, "").unwrap(), "notes:read offline_access");
        assert_eq!(scope(narrowed, "scope=notes:read").unwrap(), "notes:read");
        assert_eq!(scope(narrowed, "scope=notes:write"), Err("invalid_scope"));
        assert_eq!(
            scope(narrowed, "scope=openid"),
            Err("invalid_scope"),
            "it does not grow with it"
        );
    }

    #[test]
    fn without_offline_access_nothing_is_left_to_refresh() {
        assert_eq!(scope("notes:read", ""), Err("invalid_grant"));
        assert_eq!(scope("openid", "scope=openid"), Err("invalid_grant"));
    }
}
