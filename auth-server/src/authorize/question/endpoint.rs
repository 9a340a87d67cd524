//! The pages with the questions, and `POST /continue`, which brings the answers.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::bound_text;
use crate::authorize::endpoint::{answer, carry_out, gone, refuse};
use crate::authorize::interaction::{self, NextStep, Question};
use crate::authorize::issue::{Issued, issue_code_of_answer};
use crate::authorize::received::{Received, receive};
use crate::authorize::request::AuthorizationRequest;
use crate::client::Consent;
use crate::grant::consent::Asked;
use crate::ops::audit::{self, Subject};
use crate::ops::body::read_form;
use crate::page::endpoint::{mark_for, mark_of, page_response, see_other, send, unavailable, unread_form};
use crate::page::{ConfirmPage, ConsentPage, FormTag, Look, Permission};
use crate::params::Params;
use crate::signin::endpoint::{is_form_of, show_page};
use crate::signin::form_token::Binding;
use crate::signin::middleware::signed_in;
use crate::signin::session::SignedIn;
use crate::state::Shared;
use crate::store::StoreError;

/// Whether the client needs nothing from the user that it does not have.
pub(crate) async fn is_allowed(
    shared: &Shared,
    request: &AuthorizationRequest<'_>,
    user_id: &str,
) -> Result<bool, StoreError> {
    match request.client.consent {
        Consent::None => Ok(true),
        Consent::Required => {
            let allowed = shared.store.allowed(user_id, &request.client.id).await?;
            Ok(request.asked().is_within(&allowed))
        }
    }
}

/// The page with the question, if the user is still there.
pub(crate) async fn ask(
    http_request: &HttpRequest,
    shared: &Shared,
    request: &AuthorizationRequest<'_>,
    params: &Params,
    question: Question,
    signed_in: &SignedIn,
) -> Result<HttpResponse, StoreError> {
    let Some(user) = shared.store.user_by_id(&signed_in.user_id).await? else {
        return Ok(show_page(http_request, shared, request, params, None));
    };
    let look = Look::of(http_request, shared, Some(&request.languages()));
    let form_target = request.address.csp_source();
    let mut response = page_response(look, StatusCode::OK, form_target.as_deref());
    let mark = mark_of(http_request, &mut response);
    let (encoded, asked) = (params.encode_without(&[]), request.asked());
    let binding = Binding {
        form: question.form(),
        mark: &mark,
        session: Some(signed_in),
        request: &bound_text(&encoded, &asked),
    };
    let form = FormTag {
        action: &shared.config.issuer.endpoint_path("/continue"),
        request: &encoded,
        token: &shared.forms.make(binding, shared.now()),
    };
    let (client_name, user_name) = (request.client.name.as_str(), user.name.as_str());
    Ok(match question {
        Question::Confirm => send(
            response,
            &ConfirmPage {
                look,
                form,
                client_name,
                user_name,
            },
        ),
        Question::Consent => send(
            response,
            &ConsentPage {
                look,
                form,
                client_name,
                user_name,
                permissions: Permission::list(&asked.scope, &shared.config.scope_words, look.language),
                resources: apis(shared, &asked),
                leads_to: request.address.host().as_deref(),
            },
        ),
    })
}

/// The resources, but for this server's own.
fn apis<'p>(shared: &Shared, asked: &'p Asked) -> Vec<&'p str> {
    let issuer = shared.config.issuer.as_str();
    asked.resources().filter(|resource| *resource != issuer).collect()
}

/// `POST /continue`: the person has answered.
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
    match answer_submitted(&http_request, &form, &session, &shared).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(%error, cause = ?error, "a confirmed authorization request failed");
            unavailable(Look::of(&http_request, &shared, None))
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
    let (clients, mark) = (shared.clients(), mark_for(http_request));
    let Received { request, carried } = match receive(shared, &clients, &params, &mark).await? {
        Ok(received) => received,
        Err(refusal) => return Ok(refuse(http_request, shared, &params, &refusal)),
    };
    let signed_in = signed_in(session);
    let answered = signed_in.as_ref().and_then(|signed_in| {
        let encoded = form.get("request").unwrap_or_default();
        let about = bound_text(encoded, &request.asked());
        [Question::Consent, Question::Confirm]
            .into_iter()
            .find(|question| {
                is_form_of(
                    http_request,
                    form,
                    shared,
                    question.form(),
                    Some(signed_in),
                    &about,
                )
            })
    });
    // Without a genuine form for whoever is signed in here, everything is judged anew, and the page shown again.
    let (Some(question), Some(signed_in)) = (answered, signed_in) else {
        return answer(http_request, &params, session, shared).await;
    };
    match interaction::after_answer(question, form.get("action")) {
        NextStep::IssueCode if question == Question::Consent => {
            match issue_code_of_answer(shared, &request, &signed_in).await? {
                Issued::Now(location) => {
                    let who = Subject {
                        user_id: &signed_in.user_id,
                        sid: &signed_in.sid,
                    };
                    audit::allowed(who, &request.client.id, &request.scope.to_string());
                    Ok(see_other(&location))
                }
                Issued::SessionOver | Issued::ConsentOver => {
                    Ok(show_page(http_request, shared, &request, &carried, None))
                }
                Issued::RequestGone => Ok(gone(http_request, shared, &carried)),
            }
        }
        step => carry_out(http_request, shared, &request, &carried, step, Some(signed_in)).await,
    }
}
