//! `GET` and `POST /account`.

use actix_session::{Session, SessionExt as _};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::change::{Change, may_change};
use super::overview::{applications, sessions};
use super::sign_in::endpoint as sign_in;
use crate::grant::family::EndReason;
use crate::logout::endpoint::end_everywhere;
use crate::ops::audit::{self, Subject};
use crate::ops::body::read_form;
use crate::page::endpoint::{mark_of, message, page_response, see_other, send, unavailable, unread_form};
use crate::page::texts::{Done, Notice};
use crate::page::{AccountPage, Look};
use crate::params::Params;
use crate::signin::endpoint::{is_form_of, is_token_of};
use crate::signin::form_token::{Binding, Form};
use crate::signin::middleware::{browser_mark, signed_in};
use crate::signin::session::SignedIn;
use crate::state::Shared;
use crate::store::{StoreError, Whose};

/// `GET /account`.
pub(crate) async fn show(
    http_request: HttpRequest,
    session: Session,
    shared: web::Data<Shared>,
) -> HttpResponse {
    let Some(signed_in) = signed_in(&session) else {
        return sign_in::show(&http_request, &shared, None);
    };
    let shown = page(&http_request, &shared, &signed_in).await;
    answered(&http_request, &shared, shown.map_err(Into::into))
}

/// `POST /account`: a change.
pub(crate) async fn submit(
    http_request: HttpRequest,
    payload: web::Payload,
    session: Session,
    shared: web::Data<Shared>,
) -> HttpResponse {
    let form = match read_form(&http_request, payload).await {
        Ok(form) => form,
        Err(error) => return unread_form(look_of(&http_request, &shared), &error),
    };
    let Some(signed_in) = signed_in(&session) else {
        return sign_in::show(&http_request, &shared, None);
    };
    let change = Change::parse(&form);
    let is_genuine = is_form_of(&http_request, &form, &shared, Form::Account, Some(&signed_in), "");
    // A form that is none of ours, or has lain open for too long: the page comes anew, and nothing is changed.
    let Some(change) = change.filter(|_| is_genuine) else {
        return see_other(&account_url(&http_request, &shared));
    };
    let outcome = if may_change(&signed_in, shared.now()) {
        carry_out(&http_request, &shared, &signed_in, change).await
    } else {
        sign_in::ask_again(&http_request, &shared, &signed_in, &change.encode(), None).await
    };
    answered(&http_request, &shared, outcome.map_err(Into::into))
}

pub(crate) fn answered(
    http_request: &HttpRequest,
    shared: &Shared,
    outcome: anyhow::Result<HttpResponse>,
) -> HttpResponse {
    outcome.unwrap_or_else(|error| {
        tracing::error!(%error, cause = ?error, "a request for the account page failed");
        unavailable(look_of(http_request, shared))
    })
}

async fn page(
    http_request: &HttpRequest,
    shared: &Shared,
    signed_in: &SignedIn,
) -> Result<HttpResponse, StoreError> {
    let Some(user) = shared.store.user_by_id(&signed_in.user_id).await? else {
        return Ok(sign_in::show(http_request, shared, None));
    };
    let look = look_of(http_request, shared);
    let (sessions, has_more_sessions) = sessions(shared, signed_in).await?;
    let applications = applications(shared, &user.id, look.language).await?;
    let query = Params::parse(http_request.query_string().as_bytes());
    let done = query.get("done").and_then(Done::parse);
    // Said only to who has just done it: nobody is sent here by a link that says so.
    let done = done.filter(|done| {
        let proof = query.get("proof").unwrap_or_default();
        is_token_of(
            http_request,
            proof,
            shared,
            Form::Done,
            Some(signed_in),
            done.as_str(),
        )
    });

    let mut response = page_response(look, StatusCode::OK, None);
    let mark = mark_of(http_request, &mut response);
    let binding = Binding {
        form: Form::Account,
        mark: &mark,
        session: Some(signed_in),
        request: "",
    };
    let account = AccountPage {
        look,
        action: &path_of(http_request, shared, "/account"),
        password_path: &path_of(http_request, shared, "/account/password"),
        sign_out_path: &path_of(http_request, shared, "/end_session"),
        token: &shared.forms.make(binding, shared.now()),
        user: &user,
        has_others: has_more_sessions || sessions.iter().any(|session| !session.is_this),
        sessions,
        has_more_sessions,
        applications,
        done,
    };
    Ok(send(response, &account))
}

/// Makes a change for who is signed in, and shows the page again.
pub(crate) async fn carry_out(
    http_request: &HttpRequest,
    shared: &Shared,
    signed_in: &SignedIn,
    change: Change,
) -> Result<HttpResponse, StoreError> {
    let (store, now) = (&shared.store, shared.now());
    let user_id = signed_in.user_id.as_str();
    let done = match change {
        Change::EndSession(sid) => {
            let named = store.live_sessions(Whose::Sid(&sid), "", 1, now).await?;
            let is_own = named.iter().any(|session| session.user_id == user_id);
            // This one ends by signing out, which tells the browser, too.
            if is_own && sid != signed_in.sid {
                store.end_sign_ins(&[&sid], EndReason::SignedOut, now).await?;
                audit::signed_out(Some(user_id), &sid);
            }
            Done::SessionEnded
        }
        Change::EndOthers => {
            let ended = store.end_sign_ins_of(user_id, Some(&signed_in.sid), now).await?;
            tell_of_ended(user_id, &ended);
            Done::OthersEnded
        }
        Change::EndAll => {
            end_everywhere(shared, &http_request.get_session(), signed_in).await?;
            let look = look_of(http_request, shared);
            return Ok(message(look, StatusCode::OK, Notice::SignedOut));
        }
        Change::TakeBack(client_id) => {
            if store.take_back(user_id, &client_id, now).await?.is_some() {
                let sid = &signed_in.sid;
                audit::taken_back(Subject { user_id, sid }, &client_id);
            }
            Done::Revoked
        }
    };
    Ok(see_other(&url_when_done(http_request, shared, signed_in, done)))
}

pub(crate) fn tell_of_ended(user_id: &str, sids: &[String]) {
    for sid in sids {
        audit::signed_out(Some(user_id), sid);
    }
}

/// An application that links here may say which language its user reads; that stays from page to page.
fn wanted_languages(http_request: &HttpRequest) -> Option<String> {
    let query = Params::parse(http_request.query_string().as_bytes());
    query.get("ui_locales").map(str::to_owned)
}

pub(crate) fn look_of<'s>(http_request: &HttpRequest, shared: &'s Shared) -> Look<'s> {
    Look::of(http_request, shared, wanted_languages(http_request).as_deref())
}

fn query_of(http_request: &HttpRequest, shared: &Shared) -> String {
    match wanted_languages(http_request) {
        Some(_) => format!("?ui_locales={}", look_of(http_request, shared).language.tag()),
        None => String::new(),
    }
}

/// The path of a page that goes on in the same language.
pub(crate) fn path_of(http_request: &HttpRequest, shared: &Shared, path: &str) -> String {
    shared.config.issuer.endpoint_path(path) + &query_of(http_request, shared)
}

pub(crate) fn account_url(http_request: &HttpRequest, shared: &Shared) -> String {
    shared.config.issuer.endpoint("/account") + &query_of(http_request, shared)
}

/// The page, with what it says about the change that has just been made.
pub(crate) fn url_when_done(
    http_request: &HttpRequest,
    shared: &Shared,
    signed_in: &SignedIn,
    done: Done,
) -> String {
    let url = account_url(http_request, shared);
    let Some(mark) = browser_mark(http_request) else {
        return url;
    };
    let binding = Binding {
        form: Form::Done,
        mark: &mark,
        session: Some(signed_in),
        request: done.as_str(),
    };
    let proof = shared.forms.make(binding, shared.now());
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}done={}&proof={proof}", done.as_str())
}
