//! Signing in for the account page, and once more before a change: `POST /account/sign-in`.

use actix_session::Session;
use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::SecretString;

use crate::account::change::Change;
use crate::account::endpoint::{account_url, answered, carry_out, look_of, path_of};
use crate::ops::body::read_form;
use crate::page::endpoint::{mark_of, page_response, see_other, send, unavailable, unread_form};
use crate::page::{FormTag, SignInPage, SignInProblem, SignInPurpose};
use crate::params::Params;
use crate::signin::endpoint::{Failed, address_of, is_form_of, tell};
use crate::signin::form_token::{Binding, Form};
use crate::signin::middleware::{begin, signed_in};
use crate::signin::service::{Attempt, SignIn, sign_in};
use crate::signin::session::SignedIn;
use crate::state::Shared;
use crate::store::{SignInStored, StoreError};

/// The sign-in page, when nobody is signed in.
pub(crate) fn show(http_request: &HttpRequest, shared: &Shared, failed: Option<&Failed<'_>>) -> HttpResponse {
    let username = failed.map_or("", |failed| failed.username);
    let problem = failed.map(|failed| failed.problem);
    render(
        http_request,
        shared,
        SignInPurpose::Account,
        None,
        ("", username),
        problem,
    )
}

/// The page that asks who is signed in for the password, to go on with `change`.
pub(crate) async fn ask_again(
    http_request: &HttpRequest,
    shared: &Shared,
    signed_in: &SignedIn,
    change: &str,
    problem: Option<SignInProblem>,
) -> Result<HttpResponse, StoreError> {
    let Some(user) = shared.store.user_by_id(&signed_in.user_id).await? else {
        return Ok(show(http_request, shared, None));
    };
    let about = (change, user.name.as_str());
    Ok(render(
        http_request,
        shared,
        SignInPurpose::Again,
        Some(signed_in),
        about,
        problem,
    ))
}

fn render(
    http_request: &HttpRequest,
    shared: &Shared,
    purpose: SignInPurpose<'_>,
    session: Option<&SignedIn>,
    (request, username): (&str, &str),
    problem: Option<SignInProblem>,
) -> HttpResponse {
    let look = look_of(http_request, shared);
    let mut response = page_response(look, SignInProblem::status(problem), None);
    let mark = mark_of(http_request, &mut response);
    let binding = Binding {
        form: Form::AccountSignIn,
        mark: &mark,
        session,
        request,
    };
    let page = SignInPage {
        look,
        form: FormTag {
            action: &path_of(http_request, shared, "/account/sign-in"),
            request,
            token: &shared.forms.make(binding, shared.now()),
        },
        purpose,
        username,
        problem,
    };
    send(response, &page)
}

/// `POST /account/sign-in`.
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
    let outcome = answer(&http_request, &form, &session, &shared).await;
    answered(&http_request, &shared, outcome)
}

async fn answer(
    http_request: &HttpRequest,
    form: &Params,
    session: &Session,
    shared: &Shared,
) -> anyhow::Result<HttpResponse> {
    let request = form.get("request").unwrap_or_default();
    let is_form = |session: Option<&SignedIn>| {
        is_form_of(http_request, form, shared, Form::AccountSignIn, session, request)
    };
    // Whoever is signed in confirms it; the name is theirs, whatever was typed.
    let again = signed_in(session).filter(|signed_in| is_form(Some(signed_in)));
    let typed_name = form.get("username").unwrap_or_default();
    if again.is_none() && !is_form(None) {
        let failed = Failed {
            problem: SignInProblem::FormExpired,
            username: typed_name,
        };
        return Ok(show(http_request, shared, Some(&failed)));
    }
    if again.is_some() && form.get("action") == Some("cancel") {
        return Ok(see_other(&account_url(http_request, shared)));
    }
    let name = match &again {
        None => typed_name.to_owned(),
        Some(signed_in) => match shared.store.user_by_id(&signed_in.user_id).await? {
            Some(user) => user.name.to_string(),
            None => return Ok(show(http_request, shared, None)),
        },
    };
    let now = shared.now();
    let address = address_of(http_request, shared);
    let attempt = Attempt {
        client_id: None,
        typed_name: &name,
        password: SecretString::from(form.get("password").unwrap_or_default()),
        address,
    };
    let (user, credentials) = match sign_in(&shared.store, &shared.checker, attempt, now).await? {
        SignIn::Welcome(user, credentials) => (user, credentials),
        SignIn::Refused | SignIn::Throttled => {
            return refused(http_request, shared, again.as_ref(), request, &name).await;
        }
        SignIn::Busy => return Ok(unavailable(look_of(http_request, shared))),
    };
    let mut begun = SignedIn::begin(&user.id, now);
    let stored = begin(session, http_request, shared, &begun, credentials, None).await?;
    tell(&stored, &user.id, None, address);
    let SignInStored::Now(sid) = stored else {
        return refused(http_request, shared, again.as_ref(), request, &name).await;
    };
    begun.sid = sid;
    let change = Change::parse(&Params::parse(request.as_bytes()));
    match change.filter(|_| again.is_some_and(|again| again.user_id == begun.user_id)) {
        Some(change) => Ok(carry_out(http_request, shared, &begun, change).await?),
        None => Ok(see_other(&account_url(http_request, shared))),
    }
}

async fn refused(
    http_request: &HttpRequest,
    shared: &Shared,
    again: Option<&SignedIn>,
    change: &str,
    username: &str,
) -> anyhow::Result<HttpResponse> {
    let problem = SignInProblem::Refused;
    Ok(match again {
        Some(signed_in) => ask_again(http_request, shared, signed_in, change, Some(problem)).await?,
        None => show(http_request, shared, Some(&Failed { problem, username })),
    })
}
