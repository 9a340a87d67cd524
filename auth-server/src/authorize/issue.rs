//! Makes a code and says where the browser takes it.

use super::request::AuthorizationRequest;
use crate::client::Consent;
use crate::grant::code::{Code, NewCode};
use crate::signin::session::SignedIn;
use crate::state::Shared;
use crate::store::{CodeAdded, StoreError};

/// A code after a right password, to be stored with the session, and the URL to send the browser to.
pub(crate) fn code_after_password(
    shared: &Shared,
    request: &AuthorizationRequest<'_>,
    signed_in: &SignedIn,
) -> (NewCode, String) {
    let code = Code::generate();
    let stored = new_code(shared, request, signed_in, &code);
    (stored, location(shared, request, &code))
}

/// How issuing a code turned out.
#[derive(Debug)]
#[must_use]
pub(crate) enum Issued {
    /// The URL to send the browser to.
    Now(String),
    /// The session is over by now.
    SessionOver,
    /// What the user had allowed is taken back by now.
    ConsentOver,
    /// The pushed request is answered, or ran out, by now.
    RequestGone,
}

/// Issues a code for a session as the request brought it.
pub(crate) async fn issue_code_of_session(
    shared: &Shared,
    request: &AuthorizationRequest<'_>,
    signed_in: &SignedIn,
) -> Result<Issued, StoreError> {
    let code = Code::generate();
    let stored = new_code(shared, request, signed_in, &code);
    let (store, now) = (&shared.store, shared.now());
    let added = match request.client.consent {
        Consent::None => store.add_code_of_session(&stored, now).await?,
        Consent::Required => store.add_code_of_consent(&stored, &request.asked(), now).await?,
    };
    Ok(issued(added, || location(shared, request, &code)))
}

/// Issues a code for what the user has just allowed, which is remembered where it is asked for.
pub(crate) async fn issue_code_of_answer(
    shared: &Shared,
    request: &AuthorizationRequest<'_>,
    signed_in: &SignedIn,
) -> Result<Issued, StoreError> {
    let code = Code::generate();
    let stored = new_code(shared, request, signed_in, &code);
    let (store, now) = (&shared.store, shared.now());
    let added = match request.client.consent {
        Consent::None => store.add_code_of_session(&stored, now).await?,
        Consent::Required => store.allow(&stored, &request.asked(), now).await?,
    };
    Ok(issued(added, || location(shared, request, &code)))
}

fn issued(added: CodeAdded, location: impl FnOnce() -> String) -> Issued {
    match added {
        CodeAdded::Now => Issued::Now(location()),
        CodeAdded::SessionOver => Issued::SessionOver,
        CodeAdded::ConsentOver => Issued::ConsentOver,
        CodeAdded::RequestGone => Issued::RequestGone,
    }
}

fn new_code(
    shared: &Shared,
    request: &AuthorizationRequest<'_>,
    signed_in: &SignedIn,
    code: &Code,
) -> NewCode {
    NewCode {
        digest: code.digest(),
        client_id: request.client.id.clone(),
        redirect_uri: request.address.redirect_uri.clone(),
        challenge: request.challenge.clone(),
        user_id: signed_in.user_id.clone(),
        sid: signed_in.sid.clone(),
        scope: request.scope.to_string(),
        resources: request.granted_resources(),
        claims: request.claims.asked.clone(),
        nonce: request.nonce.clone(),
        auth_time: signed_in.auth_time,
        expires_at: shared.now() + shared.config.tokens.code,
        pushed: request.pushed,
    }
}

fn location(shared: &Shared, request: &AuthorizationRequest<'_>, code: &Code) -> String {
    request
        .address
        .with_code(shared.config.issuer.as_str(), &code.to_text())
}
