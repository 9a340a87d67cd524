//! `grant_type=authorization_code` (RFC 6749 §4.1.3, RFC 7636 §4.5).

use super::error::TokenError;
use super::issue::{Issuance, TokenResponse, UserGrant};
use super::resource;
use crate::client::{Client, Grant};
use crate::config::TokenLifetimes;
use crate::grant::code::{Code, CodeClaim, RedeemedCode};
use crate::grant::pkce::{CodeChallenge, CodeVerifier};
use crate::grant::refresh_token::{FamilyId, RefreshToken};
use crate::grant::status::StatusIndex;
use crate::grant::target::Target;
use crate::ops::audit::{self, Subject};
use crate::params::Params;
use crate::scope::{OFFLINE_ACCESS, OPENID, ScopeSet};
use crate::state::Shared;
use crate::store::{NewFamily, Redeemed};
use resource_server::time::UnixTime;

/// Exchanges a code for tokens.
pub(crate) async fn exchange(
    shared: &Shared,
    client: &Client,
    form: &Params,
) -> Result<TokenResponse, TokenError> {
    let (code, redirect_uri, challenge) = read(form, client)?;
    let resource = resource::asked(form)?;
    let now = shared.now();
    let code = Code::parse(code).ok_or(TokenError::InvalidGrant)?;
    let claim = CodeClaim {
        digest: code.digest(),
        client_id: &client.id,
        redirect_uri,
        challenge,
    };
    let family = FamilyId::generate();
    let first = RefreshToken::generate(family);
    // Before the code is spent: a request that does not fit the grant costs its client nothing.
    let compose = |redeemed: &RedeemedCode| {
        asked_of(client, redeemed, resource)?;
        let refresh_token = gets_refresh_token(client, &redeemed.scope).then(|| first.digest());
        let family = new_family(refresh_token, &shared.config.tokens, now);
        Ok(NewFamily {
            hears_until: hears_of_the_end(client, &redeemed.scope)
                .then(|| family.absolute_ends.max(now + shared.config.sign_in.absolute)),
            ..family
        })
    };
    let outcome = shared
        .store
        .redeem_code(&claim, family, compose, &*shared.clock)
        .await?;
    let (redeemed, status_index) = won(outcome, client)?;
    let user = shared
        .store
        .user_by_id(&redeemed.user_id)
        .await?
        .ok_or(TokenError::InvalidGrant)?;
    let (scope, target) = asked_of(client, &redeemed, resource)?;
    let grant = UserGrant {
        client,
        user: &user,
        family,
        scope: &scope,
        target: &target,
        sid: &redeemed.sid,
        auth_time: redeemed.auth_time,
        status_index: Some(status_index),
        claims: &redeemed.claims,
        nonce: redeemed.nonce.as_deref(),
    };
    let issuance = Issuance {
        config: &shared.config,
        signer: &shared.signer,
        now,
    };
    let refresh_token = gets_refresh_token(client, &redeemed.scope).then_some(&first);
    let issued = issuance.for_user(&grant, refresh_token)?;
    let who = Subject {
        user_id: &redeemed.user_id,
        sid: &redeemed.sid,
    };
    audit::code_redeemed(who, &client.id);
    Ok(issued)
}

/// The code that was won, and the place of its grant in the status lists; a replay is told of.
fn won(outcome: Redeemed<TokenError>, client: &Client) -> Result<(RedeemedCode, StatusIndex), TokenError> {
    match outcome {
        Redeemed::Now(redeemed, status_index) => Ok((redeemed, status_index)),
        Redeemed::Replayed { user_id, sid } => {
            let who = Subject {
                user_id: &user_id,
                sid: &sid,
            };
            audit::code_replayed(who, &client.id);
            Err(TokenError::InvalidGrant)
        }
        Redeemed::Unfit(error) => Err(error),
        Redeemed::Refused => Err(TokenError::InvalidGrant),
    }
}

/// What is left of the granted scope, and what the access token is to be for.
fn asked_of<'c>(
    client: &'c Client,
    redeemed: &RedeemedCode,
    resource: Option<&str>,
) -> Result<(ScopeSet, Target<'c>), TokenError> {
    let scope = ScopeSet::parse(&redeemed.scope).map_err(|_| TokenError::InvalidGrant)?;
    let scope = client.still_allows(&scope);
    if scope.is_empty() {
        return Err(TokenError::InvalidGrant);
    }
    let target = Target::for_user(&client.resources, &redeemed.resources, &scope, resource)?;
    Ok((scope, target))
}

/// The code, the redirect URI, and the challenge that the verifier belongs to. Whether the request had one is judged where
/// the code is claimed: a verifier too many is as wrong as one that is missing (RFC 9700 §4.8.2).
fn read<'f>(
    form: &'f Params,
    client: &Client,
) -> Result<(&'f str, &'f str, Option<CodeChallenge>), TokenError> {
    let code = form
        .get("code")
        .ok_or_else(|| TokenError::invalid_request("code is missing"))?;
    // Required in every authorization request here, hence required again (RFC 6749 §4.1.3).
    let redirect_uri = form
        .get("redirect_uri")
        .ok_or_else(|| TokenError::invalid_request("redirect_uri is missing"))?;
    let challenge = match form.get("code_verifier").map(CodeVerifier::parse) {
        Some(Some(verifier)) => Some(verifier.challenge()),
        Some(None) => {
            let rule = "code_verifier must be 43 to 128 unreserved characters";
            return Err(TokenError::invalid_request(rule));
        }
        None if client.needs_pkce() => {
            return Err(TokenError::invalid_request("code_verifier is missing"));
        }
        None => None,
    };
    Ok((code, redirect_uri, challenge))
}

fn gets_refresh_token(client: &Client, scope: &str) -> bool {
    client.may_use(Grant::RefreshToken) && scope.split(' ').any(|scope| scope == OFFLINE_ACCESS)
}

/// Only an ID token tells a client of the sign-in.
fn hears_of_the_end(client: &Client, scope: &str) -> bool {
    client.back_channel.is_some() && scope.split(' ').any(|scope| scope == OPENID)
}

/// A family without refresh token lasts as long as the one access token made from it.
fn new_family(
    refresh_token: Option<crate::secret::Digest>,
    lifetimes: &TokenLifetimes,
    now: UnixTime,
) -> NewFamily {
    let (idle, absolute) = match refresh_token {
        Some(_) => (lifetimes.refresh_token_idle, lifetimes.refresh_token_absolute),
        None => (lifetimes.access_token, lifetimes.access_token),
    };
    NewFamily {
        refresh_token,
        idle_ends: now + idle,
        absolute_ends: now + absolute,
        hears_until: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_needs_the_grant_and_the_scope() {
        let client = Client::for_tests("bff");
        assert!(gets_refresh_token(&client, "offline_access openid"));
        assert!(!gets_refresh_token(&client, "openid"));
        let without = Client {
            grants: vec![Grant::AuthorizationCode],
            ..client
        };
        assert!(!gets_refresh_token(&without, "offline_access openid"));
    }

    #[test]
    fn what_is_missing_is_named() {
        for (form, missing) in [
            ("", "code is missing"),
            ("code=x", "redirect_uri is missing"),
            ("code=x&redirect_uri=y", "code_verifier is missing"),
            (
                "code=x&redirect_uri=y&code_verifier=short",
                "code_verifier must be 43 to 128 unreserved characters",
            ),
        ] {
            let form = Params::parse(form.as_bytes());
            let refused = read(&form, &Client::for_tests("bff")).unwrap_err();
            assert_eq!(refused.to_string(), missing);
        }
        let without_pkce = Client {
            require_pkce: false,
            ..Client::for_tests("old")
        };
        let form = Params::parse(b"code=x&redirect_uri=y");
        assert_eq!(read(&form, &without_pkce).unwrap().2, None);
    }
}
