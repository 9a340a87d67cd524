//! The sign-in page and `POST /sign-in`.

use actix_session::Session;
use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::SecretString;

use super::form_token::{Binding, Form};
use super::middleware::{begin, browser_mark, is_from_another_site};
use super::service::{Attempt, SignIn, sign_in};
use super::session::SignedIn;
use super::throttle::{client_address, logged_network};
use crate::authorize::endpoint::{carry_out, gone, hinted_user, refuse, tell_client};
use crate::authorize::interaction::{NextStep, access_denied, after_password};
use crate::authorize::issue::code_after_password;
use crate::authorize::question::endpoint::is_allowed;
use crate::authorize::received::{Received, receive};
use crate::authorize::request::AuthorizationRequest;
use crate::client::Consent;
use crate::ops::audit::{self, Failure, Origin, Subject};
use crate::ops::body::read_form;
use crate::page::endpoint::{mark_for, mark_of, page_response, see_other, send, unavailable, unread_form};
use crate::page::{FormTag, Look, SignInPage, SignInProblem, SignInPurpose};
use crate::params::Params;
use crate::state::Shared;
use crate::store::SignInStored;

/// An attempt that went wrong: what is said about it, and the name to leave in the field.
pub(crate) struct Failed<'f> {
    pub(crate) problem: SignInProblem,
    pub(crate) username: &'f str,
}

/// The page, with the authorization request in it: until somebody signs in, nothing is stored here.
pub(crate) fn show_page(
    http_request: &HttpRequest,
    shared: &Shared,
    request: &AuthorizationRequest<'_>,
    params: &Params,
    failed: Option<&Failed<'_>>,
) -> HttpResponse {
    let look = Look::of(http_request, shared, Some(&request.languages()));
    let status = SignInProblem::status(failed.map(|failed| failed.problem));
    let mut response = page_response(look, status, request.address.csp_source().as_deref());
    let mark = mark_of(http_request, &mut response);
    let encoded = params.encode_without(&[]);
    let binding = Binding {
        form: Form::SignIn,
        mark: &mark,
        session: None,
        request: &encoded,
    };
    let page = SignInPage {
        look,
        form: FormTag {
            action: &shared.config.issuer.endpoint_path("/sign-in"),
            request: &encoded,
            token: &shared.forms.make(binding, shared.now()),
        },
        purpose: SignInPurpose::Client(&request.client.name),
        username: failed.map_or(request.login_hint.as_deref().unwrap_or_default(), |failed| {
            failed.username
        }),
        problem: failed.map(|failed| failed.problem),
    };
    send(response, &page)
}

/// `POST /sign-in`.
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
    match answer(&http_request, &form, &session, &shared).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(%error, cause = ?error, "a sign-in failed");
            unavailable(Look::of(&http_request, &shared, None))
        }
    }
}

async fn answer(
    http_request: &HttpRequest,
    form: &Params,
    session: &Session,
    shared: &Shared,
) -> anyhow::Result<HttpResponse> {
    // The request comes back from the browser, so it is judged anew, from the beginning.
    let params = Params::parse(form.get("request").unwrap_or_default().as_bytes());
    let (clients, mark) = (shared.clients(), mark_for(http_request));
    let Received { request, carried } = match receive(shared, &clients, &params, &mark).await? {
        Ok(received) => received,
        Err(refusal) => return Ok(refuse(http_request, shared, &params, &refusal)),
    };
    let username = form.get("username").unwrap_or_default();
    let show_again = |problem| {
        Ok(show_page(
            http_request,
            shared,
            &request,
            &carried,
            Some(&Failed { problem, username }),
        ))
    };
    if !is_own_form(http_request, form, shared, Form::SignIn) {
        return show_again(SignInProblem::FormExpired);
    }
    if form.get("action") == Some("cancel") {
        return Ok(tell_client(shared, &request, &access_denied()).await?);
    }
    let hinted_user = match hinted_user(shared, &request) {
        Ok(hinted_user) => hinted_user,
        Err(refusal) => return Ok(refuse(http_request, shared, &params, &refusal)),
    };
    let (now, address) = (shared.now(), address_of(http_request, shared));
    let attempt = Attempt {
        client_id: Some(&request.client.id),
        typed_name: username,
        password: SecretString::from(form.get("password").unwrap_or_default()),
        address,
    };
    let (user, credentials) = match sign_in(&shared.store, &shared.checker, attempt, now).await? {
        SignIn::Welcome(user, credentials) => (user, credentials),
        SignIn::Refused | SignIn::Throttled => return show_again(SignInProblem::Refused),
        SignIn::Busy => return Ok(busy(http_request, shared, &request)),
    };
    let mut signed_in = SignedIn::begin(&user.id, now);
    let is_allowed = is_allowed(shared, &request, &user.id).await?;
    let step = after_password(&request, &user.id, hinted_user.as_deref(), is_allowed);
    // Where consent counts, whether it still does is asked by the step that issues the code.
    let (code, location) = match (&step, request.client.consent) {
        (NextStep::IssueCode, Consent::None) => {
            let (code, location) = code_after_password(shared, &request, &signed_in);
            (Some(code), Some(location))
        }
        _ => (None, None),
    };
    let stored = begin(session, http_request, shared, &signed_in, credentials, code).await?;
    tell(&stored, &user.id, Some(&request.client.id), address);
    match (stored, location) {
        (SignInStored::Now(_), Some(location)) => Ok(see_other(&location)),
        (SignInStored::Now(sid), None) => {
            signed_in.sid = sid;
            Ok(carry_out(http_request, shared, &request, &carried, step, Some(signed_in)).await?)
        }
        (SignInStored::UserDisabled | SignInStored::PasswordChanged, _) => show_again(SignInProblem::Refused),
        (SignInStored::RequestGone, _) => Ok(gone(http_request, shared, &carried)),
    }
}

fn busy(http_request: &HttpRequest, shared: &Shared, request: &AuthorizationRequest<'_>) -> HttpResponse {
    unavailable(Look::of(http_request, shared, Some(&request.languages())))
}

/// Writes down how storing a sign-in turned out.
pub(crate) fn tell(stored: &SignInStored, user_id: &str, client_id: Option<&str>, address: std::net::IpAddr) {
    let from = Origin {
        client_id,
        network: &logged_network(address),
    };
    match stored {
        SignInStored::Now(sid) => audit::signed_in(Subject { user_id, sid }, from),
        SignInStored::UserDisabled => audit::sign_in_failed(Some(user_id), Failure::Disabled, from),
        SignInStored::PasswordChanged => audit::sign_in_failed(Some(user_id), Failure::PasswordChanged, from),
        // Nobody was signed in, and nothing was wrong with the password.
        SignInStored::RequestGone => {}
    }
}

/// Whether a form is one of ours, sent by the browser that it was shown in, whoever was signed in there.
pub(crate) fn is_own_form(http_request: &HttpRequest, form: &Params, shared: &Shared, kind: Form) -> bool {
    let request = form.get("request").unwrap_or_default();
    is_form_of(http_request, form, shared, kind, None, request)
}

/// Whether a form is one of ours, sent by the browser that it was shown in, by who is signed in now, and about this.
pub(crate) fn is_form_of(
    http_request: &HttpRequest,
    form: &Params,
    shared: &Shared,
    kind: Form,
    session: Option<&SignedIn>,
    request: &str,
) -> bool {
    let token = form.get("form_token").unwrap_or_default();
    !is_from_another_site(http_request) && is_token_of(http_request, token, shared, kind, session, request)
}

/// Whether a token was made for this browser, for who is signed in now, and about this.
pub(crate) fn is_token_of(
    http_request: &HttpRequest,
    token: &str,
    shared: &Shared,
    kind: Form,
    session: Option<&SignedIn>,
    request: &str,
) -> bool {
    browser_mark(http_request).is_some_and(|mark| {
        let binding = Binding {
            form: kind,
            mark: &mark,
            session,
            request,
        };
        shared.forms.is_genuine(token, binding, shared.now())
    })
}

/// Where a request comes from, as far as the proxies in front are believed.
pub(crate) fn address_of(http_request: &HttpRequest, shared: &Shared) -> std::net::IpAddr {
    let peer = http_request
        .peer_addr()
        .map_or(std::net::Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip());
    let forwarded_for: Vec<&str> = http_request
        .headers()
        .get_all("x-forwarded-for")
        .filter_map(|value| value.to_str().ok())
        .collect();
    client_address(peer, &forwarded_for, &shared.config.server.trusted_proxies)
}
