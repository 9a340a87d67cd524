//! `GET` and `POST /end_session`, and the answer to its question, `POST /sign-out`.

use actix_session::Session;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};

use super::request::{LogoutRefusal, LogoutRequest, NextStep};
use crate::account::change::{Change, may_change};
use crate::account::endpoint::{answered, tell_of_ended};
use crate::account::sign_in::endpoint::ask_again;
use crate::client::Clients;
use crate::ops::audit;
use crate::ops::body::read_form;
use crate::page::endpoint::{
    as_navigation, came_without_cookies, mark_of, message, page_response, see_other, send, unavailable,
    unread_form,
};
use crate::page::texts::Notice;
use crate::page::{FormTag, Look, SignOutPage};
use crate::params::Params;
use crate::signin::endpoint::is_form_of;
use crate::signin::form_token::{Binding, Form};
use crate::signin::middleware::signed_in;
use crate::signin::session::SignedIn;
use crate::state::Shared;
use crate::store::StoreError;

/// `/end_session`.
pub(crate) async fn end_session(
    http_request: HttpRequest,
    payload: web::Payload,
    session: Session,
    shared: web::Data<Shared>,
) -> HttpResponse {
    let params = if http_request.method() == Method::POST {
        match read_form(&http_request, payload).await {
            Ok(params) => params,
            Err(error) => return unread_form(Look::of(&http_request, &shared, None), &error),
        }
    } else {
        Params::parse(http_request.query_string().as_bytes())
    };
    let look = Look::of(&http_request, &shared, params.get("ui_locales"));
    let clients = shared.clients();
    let request = match parse(&params, &shared, &clients) {
        Ok(request) => request,
        Err(refusal) => return message(look, StatusCode::BAD_REQUEST, Notice::SignOutRefused(refusal)),
    };
    let signed_in = signed_in(&session);
    // Before anything is said: only the navigation that follows can tell who is signed in here.
    if signed_in.is_none() && came_without_cookies(&http_request) {
        return as_navigation(&shared, "/end_session", &params);
    }
    match request.next_step(signed_in.as_ref()) {
        NextStep::EndNow(sid) => finish(end(&shared, &session, sid).await, look, &request),
        NextStep::EndLeftovers { sid, client_id } => {
            finish(end_leftovers(&shared, sid, client_id).await, look, &request)
        }
        NextStep::Ask => ask(
            &http_request,
            &shared,
            look,
            &request,
            &params,
            signed_in.as_ref(),
        ),
        NextStep::NothingToEnd => done(look, &request),
    }
}

/// `POST /sign-out`: the person has answered.
pub(crate) async fn submit(
    http_request: HttpRequest,
    payload: web::Payload,
    session: Session,
    shared: web::Data<Shared>,
) -> HttpResponse {
    let form = match read_form(&http_request, payload).await {
        Ok(form) => form,
        Err(error) => return unread_form(Look::of(&http_request, &shared, None), &error),
    };
    let params = Params::parse(form.get("request").unwrap_or_default().as_bytes());
    let look = Look::of(&http_request, &shared, params.get("ui_locales"));
    let clients = shared.clients();
    let request = match parse(&params, &shared, &clients) {
        Ok(request) => request,
        Err(refusal) => return message(look, StatusCode::BAD_REQUEST, Notice::SignOutRefused(refusal)),
    };
    let Some(signed_in) = signed_in(&session) else {
        return done(look, &request);
    };
    let ask_anew = || ask(&http_request, &shared, look, &request, &params, Some(&signed_in));
    let shown = form.get("request").unwrap_or_default();
    if !is_form_of(
        &http_request,
        &form,
        &shared,
        Form::SignOut,
        Some(&signed_in),
        shown,
    ) {
        return ask_anew();
    }
    match form.get("action") {
        Some("sign-out") => finish(end(&shared, &session, &signed_in.sid).await, look, &request),
        Some("sign-out-everywhere") if !may_change(&signed_in, shared.now()) => {
            let change = Change::EndAll.encode();
            let asked = ask_again(&http_request, &shared, &signed_in, &change, None).await;
            answered(&http_request, &shared, asked.map_err(Into::into))
        }
        Some("sign-out-everywhere") => finish(
            end_everywhere(&shared, &session, &signed_in).await,
            look,
            &request,
        ),
        Some("stay") => message(look, StatusCode::OK, Notice::StillSignedIn),
        // No answer, or two.
        _ => ask_anew(),
    }
}

fn parse<'c>(
    params: &Params,
    shared: &Shared,
    clients: &'c Clients,
) -> Result<LogoutRequest<'c>, LogoutRefusal> {
    let read_hint = |token: &str| shared.own_tokens.id_token_hint(token, clients, shared.now());
    LogoutRequest::parse(params, clients, read_hint)
}

/// Ends the session and all that came from it: refresh tokens, `offline_access` or not, and codes on their way.
async fn end(shared: &Shared, session: &Session, sid: &str) -> Result<(), StoreError> {
    let user_id = signed_in(session).filter(|signed_in| signed_in.sid == sid);
    shared.store.end_sign_in(sid, shared.now()).await?;
    audit::signed_out(user_id.map(|signed_in| signed_in.user_id).as_deref(), sid);
    session.purge();
    Ok(())
}

/// Ends all that the user is signed in by, in whichever browser. As on the account page, it takes a password that was typed
/// a short while ago.
pub(crate) async fn end_everywhere(
    shared: &Shared,
    session: &Session,
    signed_in: &SignedIn,
) -> Result<(), StoreError> {
    let user_id = signed_in.user_id.as_str();
    let ended = shared.store.end_sign_ins_of(user_id, None, shared.now()).await?;
    tell_of_ended(user_id, &ended);
    session.purge();
    Ok(())
}

/// Ends what the client still holds of a session that is over.
async fn end_leftovers(shared: &Shared, sid: &str, client_id: &str) -> Result<(), StoreError> {
    if shared.store.end_leftovers(sid, client_id, shared.now()).await? {
        audit::signed_out(None, sid);
    }
    Ok(())
}

fn finish(ended: Result<(), StoreError>, look: Look<'_>, request: &LogoutRequest<'_>) -> HttpResponse {
    match ended {
        Ok(()) => done(look, request),
        Err(error) => {
            tracing::error!(%error, cause = ?error, "a sign-out failed");
            unavailable(look)
        }
    }
}

fn done(look: Look<'_>, request: &LogoutRequest<'_>) -> HttpResponse {
    match request.return_to() {
        Some(location) => see_other(location),
        None => message(look, StatusCode::OK, Notice::SignedOut),
    }
}

fn ask(
    http_request: &HttpRequest,
    shared: &Shared,
    look: Look<'_>,
    request: &LogoutRequest<'_>,
    params: &Params,
    signed_in: Option<&SignedIn>,
) -> HttpResponse {
    let form_target = request
        .return_to()
        .and_then(crate::authorize::response::csp_source);
    let mut response = page_response(look, StatusCode::OK, form_target.as_deref());
    let mark = mark_of(http_request, &mut response);
    let encoded = params.encode_without(&[]);
    let binding = Binding {
        form: Form::SignOut,
        mark: &mark,
        session: signed_in,
        request: &encoded,
    };
    let page = SignOutPage {
        look,
        form: FormTag {
            action: &shared.config.issuer.endpoint_path("/sign-out"),
            request: &encoded,
            token: &shared.forms.make(binding, shared.now()),
        },
        client_name: request.client.map(|client| client.name.as_str()),
    };
    send(response, &page)
}
