//! `GET` and `POST /authorize` over HTTP.

use actix_session::Session;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};

use super::interaction::{self, NextStep};
use super::issue::{Issued, issue_code_of_session};
use super::question::endpoint::{ask, is_allowed};
use super::received::{Received, receive};
use super::request::{AuthorizationRequest, PersonalRefusal, Refusal};
use super::response::AuthorizationError;
use crate::ops::body::read_form;
use crate::page::Look;
use crate::page::endpoint::{
    as_navigation, came_without_cookies, mark_for, message, see_other, unavailable, unread_form,
};
use crate::page::texts::Notice;
use crate::params::Params;
use crate::signin;
use crate::signin::middleware::signed_in;
use crate::signin::session::SignedIn;
use crate::state::Shared;
use crate::store::StoreError;

/// `/authorize`.
pub(crate) async fn authorize(
    request: HttpRequest,
    payload: web::Payload,
    session: Session,
    shared: web::Data<Shared>,
) -> HttpResponse {
    let params = if request.method() == Method::POST {
        match read_form(&request, payload).await {
            Ok(params) => params,
            Err(error) => return unread_form(Look::of(&request, &shared, None), &error),
        }
    } else {
        Params::parse(request.query_string().as_bytes())
    };
    match answer(&request, &params, &session, &shared).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(%error, cause = ?error, "an authorization request failed");
            unavailable(Look::of(&request, &shared, params.get("ui_locales")))
        }
    }
}

pub(crate) async fn answer(
    http_request: &HttpRequest,
    params: &Params,
    session: &Session,
    shared: &Shared,
) -> Result<HttpResponse, StoreError> {
    let signed_in = signed_in(session);
    // Before anything is judged: without its cookies it is not known whose a pushed request is.
    if signed_in.is_none() && came_without_cookies(http_request) {
        return Ok(as_navigation(shared, "/authorize", params));
    }
    let (clients, mark) = (shared.clients(), mark_for(http_request));
    let Received { request, carried } = match receive(shared, &clients, params, &mark).await? {
        Ok(received) => received,
        Err(refusal) => return Ok(refuse(http_request, shared, params, &refusal)),
    };
    let hinted_user = match hinted_user(shared, &request) {
        Ok(hinted_user) => hinted_user,
        Err(refusal) => return Ok(refuse(http_request, shared, params, &refusal)),
    };
    let is_allowed = match &signed_in {
        Some(signed_in) => is_allowed(shared, &request, &signed_in.user_id).await?,
        None => false,
    };
    let step = interaction::next_step(
        &request,
        signed_in.as_ref(),
        hinted_user.as_deref(),
        is_allowed,
        shared.now(),
    );
    carry_out(http_request, shared, &request, &carried, step, signed_in).await
}

/// Does what was decided, for whoever is signed in.
pub(crate) async fn carry_out(
    http_request: &HttpRequest,
    shared: &Shared,
    request: &AuthorizationRequest<'_>,
    params: &Params,
    step: NextStep,
    signed_in: Option<SignedIn>,
) -> Result<HttpResponse, StoreError> {
    let step = match (step, &signed_in) {
        (NextStep::IssueCode, Some(signed_in)) => {
            match issue_code_of_session(shared, request, signed_in).await? {
                Issued::Now(location) => return Ok(see_other(&location)),
                Issued::SessionOver => interaction::without_session(request),
                Issued::ConsentOver => interaction::without_consent(request),
                Issued::RequestGone => return Ok(gone(http_request, shared, params)),
            }
        }
        (step, _) => step,
    };
    match (step, signed_in) {
        (NextStep::Ask(question), Some(signed_in)) => {
            ask(http_request, shared, request, params, question, &signed_in).await
        }
        (NextStep::Refuse(error), _) => tell_client(shared, request, &error).await,
        (NextStep::SignIn | NextStep::IssueCode, _) | (NextStep::Ask(_), None) => Ok(
            signin::endpoint::show_page(http_request, shared, request, params, None),
        ),
    }
}

/// The user that a genuine `id_token_hint` names; a hint that is not genuine is the client's error.
pub(crate) fn hinted_user(
    shared: &Shared,
    request: &AuthorizationRequest<'_>,
) -> Result<Option<String>, Refusal> {
    let Some(hint) = &request.id_token_hint else {
        return Ok(None);
    };
    match shared
        .own_tokens
        .id_token_hint(hint, &shared.clients(), shared.now())
    {
        Some(hint) => Ok(Some(hint.user_id)),
        None => Err(request.refuse_hint()),
    }
}

/// Tells the client that there will be no code. A pushed request is used up by that, too.
pub(crate) async fn tell_client(
    shared: &Shared,
    request: &AuthorizationRequest<'_>,
    error: &AuthorizationError,
) -> Result<HttpResponse, StoreError> {
    if let Some(pushed) = &request.pushed {
        shared.store.end_pushed_request(pushed).await?;
    }
    let issuer = shared.config.issuer.as_str();
    Ok(see_other(&request.address.with_error(issuer, error)))
}

/// Tells the person that a pushed request was answered, or ran out, while it was being answered here.
pub(crate) fn gone(http_request: &HttpRequest, shared: &Shared, params: &Params) -> HttpResponse {
    let gone = Refusal::ToThePerson(PersonalRefusal::RequestGone);
    refuse(http_request, shared, params, &gone)
}

/// Tells the client, or the person if the client cannot be told.
pub(crate) fn refuse(
    http_request: &HttpRequest,
    shared: &Shared,
    params: &Params,
    refusal: &Refusal,
) -> HttpResponse {
    let notice = match refusal {
        Refusal::ToTheClient(address, error) => {
            return see_other(&address.with_error(shared.config.issuer.as_str(), error));
        }
        Refusal::ToThePerson(PersonalRefusal::UnknownClient) => Notice::UnknownClient,
        Refusal::ToThePerson(PersonalRefusal::UnknownRedirectUri) => Notice::UnknownRedirectUri,
        Refusal::ToThePerson(PersonalRefusal::RequestGone) => Notice::RequestGone,
    };
    let look = Look::of(http_request, shared, params.get("ui_locales"));
    message(look, StatusCode::BAD_REQUEST, notice)
}
