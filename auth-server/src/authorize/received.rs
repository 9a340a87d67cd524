//! What a browser brings to `/authorize`, and back to it from our pages: the request itself, or the name of one that its
//! client pushed.

use super::pushed::{KEPT, OPENED, RequestUri};
use super::request::{AuthorizationRequest, PersonalRefusal, Refusal};
use super::response::{AuthorizationError, AuthorizationErrorCode};
use crate::client::Clients;
use crate::params::Params;
use crate::signin::form_token::BrowserMark;
use crate::state::Shared;
use crate::store::{Opening, StoreError};

/// A request that obeys the rules, and what of it our pages carry.
#[derive(Debug)]
pub(crate) struct Received<'c> {
    pub(crate) request: AuthorizationRequest<'c>,
    /// The parameters; of a pushed request, its name and its client's.
    pub(crate) carried: Params,
}

/// Reads and judges what this browser brings.
///
/// A pushed request belongs to the browser that opens it first, through reloads and all pages, until a code is issued or
/// the client told an error; see [`crate::store::Store::open_pushed_request`]. Whatever comes with its name is not
/// looked at (RFC 9126 §4, RFC 9101 §6.3).
pub(crate) async fn receive<'c>(
    shared: &Shared,
    clients: &'c Clients,
    params: &Params,
    browser: &BrowserMark,
) -> Result<Result<Received<'c>, Refusal>, StoreError> {
    match params.get("request_uri") {
        Some(name) if RequestUri::is_meant_by(name) => open(shared, clients, params, name, browser).await,
        _ => Ok(read(clients, params)),
    }
}

fn read<'c>(clients: &'c Clients, params: &Params) -> Result<Received<'c>, Refusal> {
    let request = AuthorizationRequest::parse(params, clients)?;
    if request.client.require_pushed_requests {
        let code = AuthorizationErrorCode::InvalidRequest;
        let error = AuthorizationError::new(code, "this client has to push its requests");
        return Err(Refusal::ToTheClient(request.address, error));
    }
    Ok(Received {
        request,
        carried: params.clone(),
    })
}

async fn open<'c>(
    shared: &Shared,
    clients: &'c Clients,
    params: &Params,
    name: &str,
    browser: &BrowserMark,
) -> Result<Result<Received<'c>, Refusal>, StoreError> {
    let client = params.get("client_id").and_then(|id| clients.find(id));
    let Some(client) = client else {
        return Ok(Err(Refusal::ToThePerson(PersonalRefusal::UnknownClient)));
    };
    let gone = || Ok(Err(Refusal::ToThePerson(PersonalRefusal::RequestGone)));
    let Some(name) = RequestUri::parse(name) else {
        return gone();
    };
    let now = shared.now();
    let opening = Opening {
        digest: name.digest(),
        client_id: &client.id,
        browser: browser.digest(),
        opened_ends: now + OPENED,
        limits: KEPT,
    };
    let Some(parameters) = shared.store.open_pushed_request(&opening, now).await? else {
        return gone();
    };
    let pushed = Params::parse(parameters.as_bytes());
    let judged = AuthorizationRequest::of_client(&pushed, client);
    Ok(judged.map(|request| Received {
        request: AuthorizationRequest {
            pushed: Some(name.digest()),
            ..request
        },
        carried: params.only(&["client_id", "request_uri"]),
    }))
}
