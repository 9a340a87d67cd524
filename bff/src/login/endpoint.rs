//! `GET /bff/login` and `GET /bff/callback`.

use std::sync::Arc;

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HeaderValue, LOCATION, SET_COOKIE,
};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};

use super::callback::{Arrival, Callback, Completed};
use super::page::{self, Page};
use super::transaction::LoginTransactions;
use super::{CallbackError, ReturnTo};
use crate::guard::FetchSite;
use crate::guard::middleware::facts_of;
use crate::parameters::Parameters;
use crate::problem::ApiError;
use crate::provider::{Audiences, AuthorizationRequest, Prompt, Provider};
use crate::routing::Routes;
use crate::session::device::Device;
use crate::session::ticket::{Presented, Ticket};

const LOGIN_HINT_LIMIT: usize = 256;

/// What beginning a login needs.
#[derive(Debug, Clone)]
pub struct Login {
    pub(crate) transactions: Arc<LoginTransactions>,
    pub(crate) provider: Arc<Provider>,
    pub(crate) redirect_uri: String,
    pub(crate) scope: String,
    pub(crate) audiences: Audiences,
    pub(crate) routes: Arc<Routes>,
    pub(crate) base_path: String,
}

impl Login {
    /// What a login has to name so that later refreshes may ask for it.
    fn resources(&self) -> Vec<String> {
        match self.audiences {
            Audiences::Resource => self.routes.current().session_audiences(),
            Audiences::Exchange => Vec::new(),
        }
    }
}

/// Sends the browser to the provider. Only a navigation may do so: an answer to `fetch` would leave a cookie behind
/// and lead nowhere.
#[tracing::instrument(name = "bff.login.begin", skip_all)]
pub async fn login(request: HttpRequest, login: web::Data<Login>) -> Result<HttpResponse, ApiError> {
    let facts = facts_of(request.method(), request.headers());
    if facts.mode.is_some() && !facts.navigates() {
        return Err(ApiError::NavigationRequired);
    }
    let parameters = Parameters::parse(request.query_string()).map_err(|_| ApiError::InvalidParameter)?;
    let return_to = match parameters.one("returnUrl") {
        None => ReturnTo::root(),
        Some(text) => ReturnTo::parse(text, &login.base_path).map_err(|_| ApiError::InvalidReturnUrl)?,
    };
    let prompt = match parameters.one("prompt") {
        None => None,
        Some(text) => Some(Prompt::parse(text).ok_or(ApiError::InvalidParameter)?),
    };
    let login_hint = parameters.one("login_hint");
    if login_hint.is_some_and(|hint| hint.len() > LOGIN_HINT_LIMIT || hint.chars().any(char::is_control)) {
        return Err(ApiError::InvalidParameter);
    }
    let discovered = login.provider.discovered().await?;
    let resources = login.resources();
    let (transaction, cookies) = login.transactions.begin(return_to, &cookie_header(&request));
    let authorization = AuthorizationRequest {
        client_id: login.provider.client_id(),
        redirect_uri: &login.redirect_uri,
        scope: &login.scope,
        resources: &resources,
        state: &transaction.state,
        nonce: &transaction.nonce,
        code_verifier: &transaction.code_verifier,
        prompt,
        login_hint,
    };
    let location = authorization.to_url(&discovered.metadata.authorization_endpoint);
    let mut answer = HttpResponse::Found();
    answer
        .insert_header((LOCATION, location.as_str()))
        .insert_header((CACHE_CONTROL, "no-store"));
    for cookie in cookies {
        answer.append_header((SET_COOKIE, cookie));
    }
    Ok(answer.finish())
}

/// Takes the provider's answer, gives the browser its ticket, and goes on to where the login began.
///
/// A navigation that came over the provider's site comes without our `Strict` cookie. Once more from a page of our own, and
/// the session that this login replaces is seen, whatever the tabs of this browser did meanwhile.
#[tracing::instrument(name = "bff.login.callback", skip_all)]
pub async fn callback(
    request: HttpRequest,
    ticket: Ticket,
    presented: Presented,
    login: web::Data<Login>,
    callback: web::Data<Callback>,
) -> Result<HttpResponse, ApiError> {
    let facts = facts_of(request.method(), request.headers());
    if facts.navigates() && facts.site.is_some_and(|site| site != FetchSite::SameOrigin) {
        return go_on(
            request
                .uri()
                .path_and_query()
                .map_or("/", |target| target.as_str()),
        );
    }
    let state = Parameters::parse(request.query_string())
        .ok()
        .and_then(|p| p.one("state").map(str::to_owned));
    let outcome = complete(&request, presented, callback.into_inner()).await;
    let is_over = !matches!(outcome, Err(ApiError::Busy));
    let mut answer = match outcome {
        Ok(Completed::SignedIn(id, _, return_to)) => {
            ticket.issue(&id);
            go_on(return_to.as_str())?
        }
        Ok(Completed::NobodySignedIn(return_to)) => go_on(return_to.as_str())?,
        Err(error) if facts.wants_html() => refusal(&error, &login.base_path)?,
        Err(error) => error.error_response(),
    };
    // Whatever came of it, this attempt is over, unless nobody looked at it.
    if let Some(cookie) = state
        .filter(|_| is_over)
        .and_then(|state| HeaderValue::from_str(&LoginTransactions::forget(&state)).ok())
    {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(answer)
}

async fn complete(
    request: &HttpRequest,
    presented: Presented,
    callback: Arc<Callback>,
) -> Result<Completed, ApiError> {
    let parameters = Parameters::parse(request.query_string())
        .map_err(|_| CallbackError::Invalid(anyhow::anyhow!("a parameter is repeated")))?;
    let state = parameters
        .one("state")
        .ok_or(CallbackError::NoTransaction)?
        .to_owned();
    let arrival = Arrival {
        parameters,
        state,
        cookies: cookie_header(request),
        presented,
        device: Device::read(|name| request.headers().get(name)?.to_str().ok()),
    };
    Ok(callback.complete(arrival).await?)
}

/// Goes on to a path of this site by a page instead of a redirect; see [`page::go_on`].
fn go_on(to: &str) -> Result<HttpResponse, ApiError> {
    let Page { html, policy } = page::go_on(to).map_err(|error| ApiError::Internal(error.into()))?;
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .content_type("text/html; charset=utf-8")
        .body(html))
}

/// Says to a person what a problem document would say to a program.
fn refusal(error: &ApiError, base_path: &str) -> Result<HttpResponse, ApiError> {
    let explanation = match error {
        ApiError::LoginDenied => "You, or the sign-in service, said no. Nothing has changed here.",
        ApiError::SessionLimit => {
            "You are signed in in as many browsers as allowed. Sign out in one of them, then try again here."
        }
        ApiError::LoginExpired => "It took too long, was finished already, or was begun in another browser.",
        ApiError::Busy => "Many people are signing in right now. Please reload this page in a moment.",
        ApiError::ProviderUnavailable(..) | ApiError::StoreUnavailable(..) => {
            "This is our fault and not yours. Please try again in a moment."
        }
        _ => "The answer of the sign-in service did not fit. Please try again.",
    };
    let Page { html, policy } = page::refusal(error.title(), explanation, &format!("{base_path}/login"))
        .map_err(|error| ApiError::Internal(error.into()))?;
    Ok(error.page(html, policy))
}

/// Our own cookies; others are not here any more (see [`part_cookies`](crate::guard::middleware::part_cookies)).
fn cookie_header(request: &HttpRequest) -> String {
    let value = request
        .headers()
        .get(COOKIE)
        .and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}
