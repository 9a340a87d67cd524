//! Reads and judges an authorization request. A [`AuthorizationRequest`] is one that may be answered with a code.

mod parameters;

use std::time::Duration;

use super::claims_parameter::ClaimsParameter;
use super::response::{AuthorizationError, AuthorizationErrorCode as Code, ReturnAddress};
use crate::client::{Client, Clients, Consent, Grant, Kind};
use crate::grant::consent::Asked;
use crate::grant::pkce::CodeChallenge;
use crate::grant::target::Named;
use crate::params::Params;
use crate::scope::ScopeSet;
use crate::secret::Digest;

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
    /// `None` only from a client that may go without PKCE.
    pub(crate) challenge: Option<CodeChallenge>,
    pub(crate) prompt: Prompt,
    /// Whether the user is to be asked for consent even if it was given before.
    pub(crate) wants_consent: bool,
    pub(crate) max_age: Option<Duration>,
    pub(crate) login_hint: Option<String>,
    pub(crate) id_token_hint: Option<String>,
    /// Which claims were asked for by name, and about whom.
    pub(crate) claims: ClaimsParameter,
    /// The languages that pages should be in, the best first.
    pub(crate) ui_locales: Vec<String>,
    /// By what it is known, if the client pushed it.
    pub(crate) pushed: Option<Digest>,
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
    /// A pushed request that was answered, ran out, belongs to another browser, or never was.
    RequestGone,
}

impl<'c> AuthorizationRequest<'c> {
    pub(crate) fn parse(params: &Params, clients: &'c Clients) -> Result<Self, Refusal> {
        let client = params.get("client_id").and_then(|id| clients.find(id));
        let client = client.ok_or(Refusal::ToThePerson(PersonalRefusal::UnknownClient))?;
        Self::of_client(params, client)
    }

    /// The same, once it is known whose request it is.
    pub(crate) fn of_client(params: &Params, client: &'c Client) -> Result<Self, Refusal> {
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

    /// What a code for it would tell and allow: the scopes that were asked for, and those that bring the claims that were
    /// asked for by name. This is what a person has to agree to.
    pub(crate) fn asked(&self) -> Asked {
        let scope = self.scope.joined_with(&self.claims.asked.scopes());
        Asked::of(self.client, &scope, &self.resources)
    }

    /// The resources that a code for it is for. A grant that rests on what a user allowed stays with the APIs that the page
    /// said, in the order in which the client has them: without a name it would be for those of later registrations, too.
    pub(crate) fn granted_resources(&self) -> Named {
        match self.client.consent {
            Consent::Required if self.resources.is_empty() => {
                let apis = self.client.resources.apis();
                Named::new(apis.map(|api| api.identifier.as_str()))
            }
            Consent::None | Consent::Required => self.resources.clone(),
        }
    }

    /// The languages that its pages should be in, the best first.
    pub(crate) fn languages(&self) -> String {
        self.ui_locales.join(" ")
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
            // PostgreSQL stores no NUL.
            if params.get(name).is_some_and(|value| value.contains('\0')) {
                return Err(invalid(format!("{name} has a NUL in it")));
            }
        }
        let scope = parameters::scope(params, client)?;
        let (prompt, wants_consent) = parameters::prompt(params)?;
        let mut claims = params.get("claims").map(ClaimsParameter::parse).transpose()?;
        if let Some(claims) = &mut claims {
            claims.asked = claims.asked.allowed_by(&client.scopes);
        }
        // `acr_values`, `claims_locales` and `display` are wishes that there is nothing to fulfil of: a password is the one
        // way of signing in, claims have one language, and pages fit any window.
        Ok(Self {
            client,
            address: address.clone(),
            resources: parameters::resources(params, client, &scope)?,
            scope,
            nonce: params.get("nonce").map(str::to_owned),
            challenge: parameters::challenge(params, client)?,
            prompt,
            wants_consent,
            max_age: parameters::max_age(params)?,
            login_hint: params.get("login_hint").map(str::to_owned),
            id_token_hint: params.get("id_token_hint").map(str::to_owned),
            claims: claims.unwrap_or_default(),
            ui_locales: parameters::ui_locales(params),
            pushed: None,
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

#[cfg(test)]
mod tests;
