//! Reads the parameters of an authorization request, each by itself.

use std::time::Duration;

use super::{Prompt, invalid};
use crate::authorize::response::{AuthorizationError, AuthorizationErrorCode as Code};
use crate::client::Client;
use crate::grant::pkce::CodeChallenge;
use crate::grant::target::{Named, NoTarget, Target};
use crate::params::Params;
use crate::scope::ScopeSet;

const MOST_LOCALES: usize = 8;

/// OIDC Core §3.1.2.1: scopes that are not known are ignored; the token response says what was granted.
pub(super) fn scope(params: &Params, client: &Client) -> Result<ScopeSet, AuthorizationError> {
    let refused = |description| AuthorizationError::new(Code::InvalidScope, description);
    let requested = params.get("scope").ok_or_else(|| refused("scope is missing"))?;
    let requested = ScopeSet::parse(requested).map_err(|_| refused("scope is malformed"))?;
    let granted = requested.common_with(&client.scopes);
    if granted.is_empty() {
        return Err(refused("none of the scopes is allowed to this client"));
    }
    Ok(granted)
}

/// RFC 8707 §2.1. A grant may be for several resources, each token made from it is for one. Something of the scope has to
/// mean something at each of them, or no token could be made.
pub(super) fn resources(
    params: &Params,
    client: &Client,
    scope: &ScopeSet,
) -> Result<Named, AuthorizationError> {
    let named = Named::new(params.get_all("resource"));
    for resource in params.get_all("resource") {
        let refused = |code, why| Err(AuthorizationError::new(code, why));
        // Names are stored with spaces between them.
        if resource.contains(char::is_whitespace) {
            return refused(Code::InvalidTarget, "resource must be a URI");
        }
        match Target::for_user(&client.resources, &named, scope, Some(resource)) {
            Ok(_) => {}
            Err(NoTarget::NotAllowed) => {
                return refused(Code::InvalidTarget, "resource is not one of this client's");
            }
            Err(NoTarget::NoScope) => {
                return refused(Code::InvalidScope, "none of the scopes is known at the resource");
            }
        }
    }
    Ok(named)
}

/// PKCE with S256, from every client (OAuth 2.1 §4.1.1) but those that are registered to go without. A missing method would
/// mean `plain` (RFC 7636 §4.3).
pub(super) fn challenge(
    params: &Params,
    client: &Client,
) -> Result<Option<CodeChallenge>, AuthorizationError> {
    let Some(challenge) = params.get("code_challenge") else {
        // A method alone is what is left of a request that somebody took the challenge out of.
        if client.needs_pkce() || params.get("code_challenge_method").is_some() {
            return Err(invalid("code_challenge is missing"));
        }
        return Ok(None);
    };
    if params.get("code_challenge_method") != Some("S256") {
        return Err(invalid("code_challenge_method must be S256"));
    }
    CodeChallenge::parse(challenge)
        .map(Some)
        .ok_or_else(|| invalid("code_challenge must be base64url of a SHA-256 digest"))
}

/// What the client wants the user to see, and whether the consent page is part of it. `select_account` is a sign-in here.
/// Other values are ignored, as OIDC Core §3.1.2.1 allows.
pub(super) fn prompt(params: &Params) -> Result<(Prompt, bool), AuthorizationError> {
    let values: Vec<&str> = split(params.get("prompt")).collect();
    if values.contains(&"none") {
        return if values.len() == 1 {
            Ok((Prompt::None, false))
        } else {
            Err(invalid("prompt=none must stand alone"))
        };
    }
    let asks_anew = values
        .iter()
        .any(|value| ["login", "select_account"].contains(value));
    let prompt = if asks_anew {
        Prompt::Login
    } else {
        Prompt::IfNeeded
    };
    Ok((prompt, values.contains(&"consent")))
}

/// The languages that the user is said to read, the best first (OIDC Core §3.1.2.1). What is no language tag is left out,
/// and nobody reads very many: an error about languages helps nobody either.
pub(super) fn ui_locales(params: &Params) -> Vec<String> {
    let tags = split(params.get("ui_locales")).filter(|tag| is_language_tag(tag));
    tags.take(MOST_LOCALES).map(str::to_owned).collect()
}

/// As far as it matters here (RFC 5646 §2.1): parts of up to eight letters and digits.
fn is_language_tag(tag: &str) -> bool {
    let is_part =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    tag.len() <= 35 && tag.split('-').all(is_part)
}

fn split(list: Option<&str>) -> impl Iterator<Item = &str> {
    let values = list.unwrap_or_default().split(' ');
    values.filter(|value| !value.is_empty())
}

pub(super) fn max_age(params: &Params) -> Result<Option<Duration>, AuthorizationError> {
    let Some(text) = params.get("max_age") else {
        return Ok(None);
    };
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(seconds) if is_number => Ok(Some(Duration::from_secs(seconds))),
        _ => Err(invalid("max_age must be a number of seconds")),
    }
}
