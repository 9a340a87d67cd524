//! Reads and judges an authorization request. A [`AuthorizationRequest`] is one that may be answered with a code.

use std::time::Duration;

use super::response::{AuthorizationError, AuthorizationErrorCode as Code, ReturnAddress};
use crate::client::{Client, Clients, Grant, Kind};
use crate::grant::pkce::CodeChallenge;
use crate::grant::target::{Named, NoTarget, Target};
use crate::params::Params;
use crate::scope::ScopeSet;

/// Longer values are no `state` or `nonce` of a sane client, and all of them pass through the browser's URL.
const LONGEST_VALUE: usize = 2048;

/// A request that obeys the rules.
#[derive(Debug)]
pub(crate) struct AuthorizationRequest<'c> {
    pub(crate) client: &'c Client,
    pub(crate) address: ReturnAddress,
    /// What was asked for and is allowed.
    pub(crate) scope: ScopeSet,
    /// The resources that were named (RFC 8707).
    pub(crate) resources: Named,
    pub(crate) nonce: Option<String>,
    pub(crate) challenge: CodeChallenge,
    pub(crate) prompt: Prompt,
    pub(crate) max_age: Option<Duration>,
    pub(crate) login_hint: Option<String>,
    pub(crate) id_token_hint: Option<String>,
}

/// What the client wants the user to see (OIDC Core §3.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prompt {
    /// A page if it is needed.
    IfNeeded,
    /// No page at all.
    None,
    /// The sign-in page, even to those who are signed in.
    Login,
}

/// Why a request is not answered with a code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is not known where an answer could go: the person is told, on a page of ours (RFC 6749 §4.1.2.1).
    ToThePerson(PersonalRefusal),
    /// The client is told.
    ToTheClient(ReturnAddress, AuthorizationError),
}

/// What the person is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PersonalRefusal {
    UnknownClient,
    UnknownRedirectUri,
}

impl<'c> AuthorizationRequest<'c> {
    pub(crate) fn parse(params: &Params, clients: &'c Clients) -> Result<Self, Refusal> {
        let client = params.get("client_id").and_then(|id| clients.find(id));
        let client = client.ok_or(Refusal::ToThePerson(PersonalRefusal::UnknownClient))?;
        let redirect_uri = params
            .get("redirect_uri")
            .filter(|uri| client.allows_redirect_to(uri));
        let redirect_uri = redirect_uri.ok_or(Refusal::ToThePerson(PersonalRefusal::UnknownRedirectUri))?;
        let address = ReturnAddress {
            redirect_uri: redirect_uri.to_owned(),
            state: params
                .get("state")
                .filter(|state| state.len() <= LONGEST_VALUE)
                .map(str::to_owned),
        };
        match Self::parse_addressed(params, client, &address) {
            Ok(request) => Ok(request),
            Err(error) => Err(Refusal::ToTheClient(address, error)),
        }
    }

    /// Whether a code certainly reaches the client that is named: it has a secret, or an address of its own.
    pub(crate) fn is_client_assured(&self) -> bool {
        matches!(self.client.kind, Kind::Confidential { .. }) || self.address.is_owned()
    }

    /// What the client is told about an `id_token_hint` that is not genuine.
    pub(crate) fn refuse_hint(&self) -> Refusal {
        Refusal::ToTheClient(
            self.address.clone(),
            invalid("id_token_hint is not an ID token of this server"),
        )
    }

    fn parse_addressed(
        params: &Params,
        client: &'c Client,
        address: &ReturnAddress,
    ) -> Result<Self, AuthorizationError> {
        params
            .refuse_repeated()
            .map_err(|repeated| invalid(repeated.to_string()))?;
        refuse_unsupported(params)?;
        if !client.may_use(Grant::AuthorizationCode) {
            return Err(AuthorizationError::new(
                Code::UnauthorizedClient,
                "the client may not use this grant",
            ));
        }
        for name in ["state", "nonce"] {
            if params.get(name).is_some_and(|value| value.len() > LONGEST_VALUE) {
                return Err(invalid(format!("{name} is longer than {LONGEST_VALUE} bytes")));
            }
        }
        let scope = parse_scope(params, client)?;
        Ok(Self {
            client,
            address: address.clone(),
            resources: parse_resources(params, client, &scope)?,
            scope,
            nonce: params.get("nonce").map(str::to_owned),
            challenge: parse_challenge(params)?,
            prompt: parse_prompt(params)?,
            max_age: parse_max_age(params)?,
            login_hint: params.get("login_hint").map(str::to_owned),
            id_token_hint: params.get("id_token_hint").map(str::to_owned),
        })
    }
}

fn invalid(description: impl Into<String>) -> AuthorizationError {
    AuthorizationError::new(Code::InvalidRequest, description)
}

/// What would change the meaning of a request must not be ignored (OIDC Core §6.1, §7.2.1).
fn refuse_unsupported(params: &Params) -> Result<(), AuthorizationError> {
    let unsupported = [
        ("request", Code::RequestNotSupported),
        ("request_uri", Code::RequestUriNotSupported),
        ("registration", Code::RegistrationNotSupported),
    ];
    for (name, code) in unsupported {
        if params.get(name).is_some() {
            return Err(AuthorizationError::new(code, format!("{name} is not supported")));
        }
    }
    match params.get("response_type") {
        Some("code") => {}
        Some(_) => {
            let code = Code::UnsupportedResponseType;
            return Err(AuthorizationError::new(code, "response_type must be code"));
        }
        None => return Err(invalid("response_type is missing")),
    }
    match params.get("response_mode") {
        None | Some("query") => Ok(()),
        Some(_) => Err(invalid("response_mode must be query")),
    }
}

/// OIDC Core §3.1.2.1: scopes that are not known are ignored; the token response says what was granted.
fn parse_scope(params: &Params, client: &Client) -> Result<ScopeSet, AuthorizationError> {
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
fn parse_resources(params: &Params, client: &Client, scope: &ScopeSet) -> Result<Named, AuthorizationError> {
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

/// PKCE with S256, from every client (OAuth 2.1 §4.1.1). A missing method would mean `plain` (RFC 7636 §4.3).
fn parse_challenge(params: &Params) -> Result<CodeChallenge, AuthorizationError> {
    let challenge = params
        .get("code_challenge")
        .ok_or_else(|| invalid("code_challenge is missing"))?;
    if params.get("code_challenge_method") != Some("S256") {
        return Err(invalid("code_challenge_method must be S256"));
    }
    CodeChallenge::parse(challenge)
        .ok_or_else(|| invalid("code_challenge must be base64url of a SHA-256 digest"))
}

/// `consent` has nothing to show: the operator registered the clients. `select_account` is a sign-in here. Other values
/// are ignored, as OIDC Core §3.1.2.1 allows.
fn parse_prompt(params: &Params) -> Result<Prompt, AuthorizationError> {
    let values: Vec<&str> = params
        .get("prompt")
        .unwrap_or_default()
        .split(' ')
        .filter(|v| !v.is_empty())
        .collect();
    if values.contains(&"none") {
        return if values.len() == 1 {
            Ok(Prompt::None)
        } else {
            Err(invalid("prompt=none must stand alone"))
        };
    }
    if values
        .iter()
        .any(|value| ["login", "select_account"].contains(value))
    {
        return Ok(Prompt::Login);
    }
    Ok(Prompt::IfNeeded)
}

fn parse_max_age(params: &Params) -> Result<Option<Duration>, AuthorizationError> {
    let Some(text) = params.get("max_age") else {
        return Ok(None);
    };
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(seconds) if is_number => Ok(Some(Duration::from_secs(seconds))),
        _ => Err(invalid("max_age must be a number of seconds")),
    }
}

#[cfg(test)]
mod tests;
