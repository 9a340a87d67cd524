//! Who calls: a request of a client is read, and the client has to prove that it sends it. The token endpoint and its
//! neighbours all begin here.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpRequest, web};

use crate::client::Client;
use crate::client::authentication::{Asserted, Judged, Presented};
use crate::ops::audit;
use crate::ops::body::read_form;
use crate::params::Params;
use crate::state::Shared;
use crate::token::error::TokenError;

/// The parameters of a request, and the client that has proven to send it.
pub(crate) async fn from_client(
    request: &HttpRequest,
    payload: web::Payload,
    shared: &Shared,
) -> Result<(Params, Arc<Client>), TokenError> {
    let form = read_request(request, payload).await?;
    let client = authenticate(request, &form, shared).await?;
    Ok((form, client))
}

async fn read_request(request: &HttpRequest, payload: web::Payload) -> Result<Params, TokenError> {
    debug_assert_eq!(
        request.method(),
        Method::POST,
        "the routes let nothing else through"
    );
    // RFC 6749 §2.3.1: never in the URI, which ends up in logs.
    if !request.query_string().is_empty() {
        return Err(TokenError::invalid_request("parameters belong into the body"));
    }
    let form = read_form(request, payload).await?;
    form.refuse_repeated()?;
    Ok(form)
}

async fn authenticate(
    request: &HttpRequest,
    form: &Params,
    shared: &Shared,
) -> Result<Arc<Client>, TokenError> {
    let authorization = one_authorization(request.headers())
        .map_err(|()| TokenError::invalid_request("use one Authorization header, not two"))?;
    let presented = Presented::read(authorization, form)?;
    match presented.judge(&shared.clients(), shared.now())? {
        Judged::Proven(client) => Ok(client),
        Judged::Asserted(asserted) => Box::pin(verify(shared, asserted)).await,
    }
}

async fn verify(shared: &Shared, asserted: Asserted<'_>) -> Result<Arc<Client>, TokenError> {
    let Asserted {
        client,
        keys,
        assertion,
    } = asserted;
    let good = match shared.assertions.verify(&client.id, &keys, assertion).await {
        Ok(good) => good,
        Err(error) => {
            tracing::info!(client.id = %client.id, %error, cause = ?error, "a client's assertion was refused");
            return Err(TokenError::InvalidClient);
        }
    };
    let is_first = shared
        .store
        .use_assertion(&good.digest, good.remember_until, good.now)
        .await?;
    if !is_first {
        audit::client_assertion_replayed(&client.id);
        return Err(TokenError::InvalidClient);
    }
    Ok(client)
}

pub(super) fn one_authorization(headers: &HeaderMap) -> Result<Option<&[u8]>, ()> {
    let mut all = headers.get_all(header::AUTHORIZATION);
    match (all.next(), all.next()) {
        (first, None) => Ok(first.map(HeaderValue::as_bytes)),
        _ => Err(()),
    }
}
