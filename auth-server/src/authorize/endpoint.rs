//! `GET` and `POST /authorize` over HTTP.

use actix_session::Session;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};

use super::interaction::{self, NextStep};
use super::issue::issue_code_of_session;
use super::request::{AuthorizationRequest, PersonalRefusal, Refusal};
use crate::ops::body::{BodyError, read_form};
use crate::page::ConfirmPage;
use crate::page::endpoint::{
    as_navigation, came_without_cookies, mark_of, message, page_response, see_other, send, unavailable,
};
use crate::params::Params;
use crate::signin;
use crate::signin::endpoint::is_own_form;
use crate::signin::form_token::Form;
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
            Err(error) => return unread_form(&shared, &error),
        }
    } else {
        Params::parse(request.query_string().as_bytes())
    };
    match answer(&request, &params, &session, &shared).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(%error, cause = ?error, "an authorization request failed");
            unavailable(&shared.stylesheet)
        }
    }
}

async fn answer(
    http_request: &HttpRequest,
    params: &Params,
    session: &Session,
    shared: &Shared,
) -> Result<HttpResponse, StoreError> {
    let request = match AuthorizationRequest::parse(params, &shared.config.clients) {
        Ok(request) => request,
        Err(refusal) => return Ok(refuse(shared, &refusal)),
    };
    let signed_in = signed_in(session);
    if signed_in.is_none() && came_without_cookies(http_request) {
        return Ok(as_navigation(shared, "/authorize", params));
    }
    let hinted_user = match hinted_user(shared, &request) {
        Ok(hinted_user) => hinted_user,
        Err(refusal) => return Ok(refuse(shared, &refusal)),
    };
    let step = interaction::next_step(&request, signed_in.as_ref(), hinted_user.as_deref(), shared.now());
    carry_out(http_request, shared, &request, params, step, signed_in).await
}

async fn carry_out(
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
                Some(location) => return Ok(see_other(&location)),
                None => interaction::without_session(request),
            }
        }
        (step, _) => step,
    };
    match (step, signed_in) {
        (NextStep::Confirm, Some(signed_in)) => {
            confirm(http_request, shared, request, params, &signed_in).await
        }
        (NextStep::Refuse(error), _) => Ok(see_other(
            &request.address.with_error(shared.config.issuer.as_str(), &error),
        )),
        (NextStep::SignIn | NextStep::IssueCode, _) | (NextStep::Confirm, None) => Ok(
            signin::endpoint::show_page(http_request, shared, request, params, None),
        ),
    }
}

async fn confirm(
    http_request: &HttpRequest,
    shared: &Shared,
    request: &AuthorizationRequest<'_>,
    params: &Params,
    signed_in: &SignedIn,
) -> Result<HttpResponse, StoreError> {
    let Some(user) = shared.store.user_by_id(&signed_in.user_id).await? else {
        return Ok(signin::endpoint::show_page(
            http_request,
            shared,
            request,
            params,
            None,
        ));
    };
    let form_target = request.address.csp_source();
    let mut response = page_response(&shared.stylesheet, StatusCode::OK, form_target.as_deref());
    let mark = mark_of(http_request, &mut response);
    let encoded = params.encode_without(&[]);
    let page = ConfirmPage {
        style: shared.stylesheet.text,
        action: &shared.config.issuer.endpoint_path("/continue"),
        client_name: &request.client.name,
        user_name: user.name.as_str(),
        request: &encoded,
        form_token: &shared.forms.make(Form::Continue, &mark, &encoded),
    };
    Ok(send(response, &page))
}

/// `POST /continue`: the person has answered.
pub(crate) async fn submit(
    http_request: HttpRequest,
    payload: web::Payload,
    session: Session,
    shared: web::Data<Shared>,
) -> HttpResponse {
    let Ok(form) = read_form(&http_request, payload).await else {
        return bad_form(&shared);
    };
    match answer_submitted(&http_request, &form, &session, &shared).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(%error, cause = ?error, "a confirmed authorization request failed");
            unavailable(&shared.stylesheet)
        }
    }
}

async fn answer_submitted(
    http_request: &HttpRequest,
    form: &Params,
    session: &Session,
    shared: &Shared,
) -> Result<HttpResponse, StoreError> {
    let params = Params::parse(form.get("request").unwrap_or_default().as_bytes());
    // Judged anew, as everything that comes back from a browser: without a genuine form the page is shown again.
    if !is_own_form(http_request, form, shared, Form::Continue) {
        return answer(http_request, &params, session, shared).await;
    }
    let request = match AuthorizationRequest::parse(&params, &shared.config.clients) {
        Ok(request) => request,
        Err(refusal) => return Ok(refuse(shared, &refusal)),
    };
    let hinted_user = match hinted_user(shared, &request) {
        Ok(hinted_user) => hinted_user,
        Err(refusal) => return Ok(refuse(shared, &refusal)),
    };
    let signed_in = signed_in(session);
    let step = interaction::next_step(&request, signed_in.as_ref(), hinted_user.as_deref(), shared.now());
    let step = interaction::after_answer(step, form.get("action"));
    carry_out(http_request, shared, &request, &params, step, signed_in).await
}

/// The user that a genuine `id_token_hint` names; a hint that is not genuine is the client's error.
pub(crate) fn hinted_user(
    shared: &Shared,
    request: &AuthorizationRequest<'_>,
) -> Result<Option<String>, Refusal> {
    let Some(hint) = &request.id_token_hint else {
        return Ok(None);
    };
    match shared.own_tokens.id_token_hint(hint, shared.now()) {
        Some(hint) => Ok(Some(hint.user_id)),
        None => Err(request.refuse_hint()),
    }
}

/// Tells the client, or the person if the client cannot be told.
pub(crate) fn refuse(shared: &Shared, refusal: &Refusal) -> HttpResponse {
    let (title, text) = match refusal {
        Refusal::ToTheClient(address, error) => {
            return see_other(&address.with_error(shared.config.issuer.as_str(), error));
        }
        Refusal::ToThePerson(PersonalRefusal::UnknownClient) => (
            "This application is not known here",
            "The link that brought you here names an application that is not registered. Please go back and tell \
             those who run the application.",
        ),
        Refusal::ToThePerson(PersonalRefusal::UnknownRedirectUri) => (
            "This address is not registered",
            "The application asks for an answer at an address that is not registered for it, so nothing was sent. \
             Please go back and tell those who run the application.",
        ),
    };
    message(&shared.stylesheet, StatusCode::BAD_REQUEST, title, text)
}

/// What is shown when a form cannot be read.
pub(crate) fn bad_form(shared: &Shared) -> HttpResponse {
    cannot_be_read(shared, StatusCode::BAD_REQUEST)
}

/// A form that did not arrive whole, is too large, or is none.
pub(crate) fn unread_form(shared: &Shared, error: &BodyError) -> HttpResponse {
    cannot_be_read(shared, error.status())
}

fn cannot_be_read(shared: &Shared, status: StatusCode) -> HttpResponse {
    let text = "What was sent is not a form of this server. Please go back and try again.";
    message(&shared.stylesheet, status, "This request cannot be read", text)
}
