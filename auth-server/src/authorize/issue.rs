//! Stores a code and says where the browser takes it.

use super::request::AuthorizationRequest;
use crate::grant::code::{Code, NewCode};
use crate::signin::session::SignedIn;
use crate::state::Shared;
use crate::store::{CodeAdded, StoreError};

/// Issues a code after a right password; gives the URL to send the browser to. `None`: the user has been disabled since
/// the password was judged.
pub(crate) async fn issue_code(
    shared: &Shared,
    request: &AuthorizationRequest<'_>,
    signed_in: &SignedIn,
) -> Result<Option<String>, StoreError> {
    let code = Code::generate();
    let stored = new_code(shared, request, signed_in, &code);
    Ok(match shared.store.add_code_after_password(&stored).await? {
        CodeAdded::Now => Some(location(shared, request, &code)),
        CodeAdded::SessionOver => None,
    })
}

/// Issues a code for a session as the request brought it; `None` when the session is over by now.
pub(crate) async fn issue_code_of_session(
    shared: &Shared,
    request: &AuthorizationRequest<'_>,
    signed_in: &SignedIn,
) -> Result<Option<String>, StoreError> {
    let code = Code::generate();
    let stored = new_code(shared, request, signed_in, &code);
    Ok(
        match shared.store.add_code_of_session(&stored, shared.now()).await? {
            CodeAdded::Now => Some(location(shared, request, &code)),
            CodeAdded::SessionOver => None,
        },
    )
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
        nonce: request.nonce.clone(),
        auth_time: signed_in.auth_time,
        expires_at: shared.now() + shared.config.tokens.code,
    }
}

fn location(shared: &Shared, request: &AuthorizationRequest<'_>, code: &Code) -> String {
    request
        .address
        .with_code(shared.config.issuer.as_str(), &code.to_text())
}
