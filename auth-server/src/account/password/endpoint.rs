//! `GET` and `POST /account/password`.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::SecretString;

use crate::account::endpoint::{answered, look_of, path_of, tell_of_ended, url_when_done};
use crate::account::sign_in::endpoint as sign_in;
use crate::ops::audit;
use crate::ops::body::read_form;
use crate::page::endpoint::{mark_of, page_response, see_other, send, unavailable, unread_form};
use crate::page::texts::Done;
use crate::page::{PasswordPage, PasswordProblem};
use crate::params::Params;
use crate::signin::endpoint::{address_of, is_form_of, tell};
use crate::signin::form_token::{Binding, Form};
use crate::signin::middleware::{begin, signed_in};
use crate::signin::service::{Attempt, SignIn, sign_in as judge};
use crate::signin::session::SignedIn;
use crate::state::Shared;
use crate::store::{CredentialsVersion, OwnPassword, SignInStored};
use crate::user::password;

/// `GET /account/password`.
pub(crate) async fn show(
    http_request: HttpRequest,
    session: Session,
    shared: web::Data<Shared>,
) -> HttpResponse {
    match signed_in(&session) {
        Some(signed_in) => page(&http_request, &shared, &signed_in, None),
        None => sign_in::show(&http_request, &shared, None),
    }
}

/// `POST /account/password`.
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
    if !is_form_of(
        &http_request,
        &form,
        &shared,
        Form::Password,
        Some(&signed_in),
        "",
    ) {
        let problem = PasswordProblem::FormExpired;
        return page(&http_request, &shared, &signed_in, Some(&problem));
    }
    let outcome = change(&http_request, &form, &session, &shared, &signed_in).await;
    answered(&http_request, &shared, outcome)
}

fn page(
    http_request: &HttpRequest,
    shared: &Shared,
    signed_in: &SignedIn,
    problem: Option<&PasswordProblem>,
) -> HttpResponse {
    let look = look_of(http_request, shared);
    let status = match problem {
        None => StatusCode::OK,
        Some(PasswordProblem::FormExpired) => StatusCode::FORBIDDEN,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let mut response = page_response(look, status, None);
    let mark = mark_of(http_request, &mut response);
    let binding = Binding {
        form: Form::Password,
        mark: &mark,
        session: Some(signed_in),
        request: "",
    };
    let page = PasswordPage {
        look,
        action: &path_of(http_request, shared, "/account/password"),
        account_path: &path_of(http_request, shared, "/account"),
        token: &shared.forms.make(binding, shared.now()),
        problem,
    };
    send(response, &page)
}

async fn change(
    http_request: &HttpRequest,
    form: &Params,
    session: &Session,
    shared: &Shared,
    signed_in: &SignedIn,
) -> anyhow::Result<HttpResponse> {
    let show_again = |problem| Ok(page(http_request, shared, signed_in, Some(&problem)));
    let field = |name| form.get(name).unwrap_or_default();
    let (current, new) = (field("current"), field("new"));
    if new != field("repeated") {
        return show_again(PasswordProblem::Differ);
    }
    let Some(user) = shared.store.user_by_id(&signed_in.user_id).await? else {
        return Ok(sign_in::show(http_request, shared, None));
    };
    let now = shared.now();
    // The same judge as at sign-in, with the same counters: no page is a second place to guess at.
    let attempt = Attempt {
        client_id: None,
        typed_name: user.name.as_str(),
        password: SecretString::from(current),
        address: address_of(http_request, shared),
    };
    let credentials = match judge(&shared.store, &shared.checker, attempt, now).await? {
        SignIn::Welcome(_, credentials) => credentials,
        SignIn::Refused | SignIn::Throttled => return show_again(PasswordProblem::Refused),
        SignIn::Busy => return Ok(unavailable(look_of(http_request, shared))),
    };
    if new == current {
        return show_again(PasswordProblem::Unchanged);
    }
    let new = SecretString::from(new);
    if let Err(unfit) = password::check(&new, &user) {
        return show_again(PasswordProblem::Unfit(unfit));
    }
    let Some(place) = shared.checker.take_place() else {
        return Ok(unavailable(look_of(http_request, shared)));
    };
    let hash = shared.checker.hash(place, new).await?;
    let change = OwnPassword {
        user_id: &user.id,
        proven: credentials,
        hash: &hash,
    };
    let Some(changed) = shared.store.change_own_password(change, now).await? else {
        // Somebody else was faster: what was typed as the current one is so no more.
        return show_again(PasswordProblem::Refused);
    };
    audit::password_changed(&user.id);
    tell_of_ended(&user.id, &changed.ended);
    begin_anew(http_request, session, shared, &user.id, changed.credentials).await
}

/// Signs this browser in with the new password: what it was signed in by has ended with all the rest, so that this is
/// another session, with a `sid` that nobody has seen.
async fn begin_anew(
    http_request: &HttpRequest,
    session: &Session,
    shared: &Shared,
    user_id: &str,
    credentials: CredentialsVersion,
) -> anyhow::Result<HttpResponse> {
    let begun = SignedIn::begin(user_id, shared.now());
    let stored = begin(session, http_request, shared, &begun, credentials, None).await?;
    tell(&stored, user_id, None, address_of(http_request, shared));
    match stored {
        SignInStored::Now(sid) => {
            let begun = SignedIn { sid, ..begun };
            let url = url_when_done(http_request, shared, &begun, Done::PasswordChanged);
            Ok(see_other(&url))
        }
        // There is no client and no request of one here.
        SignInStored::UserDisabled | SignInStored::PasswordChanged | SignInStored::RequestGone => {
            Ok(sign_in::show(http_request, shared, None))
        }
    }
}
