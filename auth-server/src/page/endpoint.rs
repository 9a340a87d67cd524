//! Sends pages.

use std::cmp::Reverse;

use actix_web::http::header::{self, AcceptLanguage, Header as _, LanguageTag, Quality};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, HttpResponseBuilder, web};
use askama::Template;

use super::language::Language;
use super::texts::Notice;
use super::{Look, MessagePage, SignInProblem};
use crate::ops::body::BodyError;
use crate::params::Params;
use crate::signin::form_token::BrowserMark;
use crate::signin::middleware::{browser_mark, is_from_another_site, mark_cookie};
use crate::state::Shared;

impl SignInProblem {
    /// The status of a page that says so.
    pub(crate) fn status(problem: Option<Self>) -> StatusCode {
        match problem {
            None => StatusCode::OK,
            Some(Self::Refused) => StatusCode::UNPROCESSABLE_ENTITY,
            Some(Self::FormExpired) => StatusCode::FORBIDDEN,
        }
    }
}

impl<'s> Look<'s> {
    /// How the pages look to whoever sent this, whose client may have asked for `ui_locales`.
    pub(crate) fn of(request: &HttpRequest, shared: &'s Shared, ui_locales: Option<&str>) -> Self {
        // A header that cannot be read says nothing.
        let accepted = AcceptLanguage::parse(request).map_or_else(|_| Vec::new(), |header| header.0);
        let mut accepted: Vec<_> = accepted
            .into_iter()
            .filter(|accepted| accepted.quality > Quality::ZERO)
            .collect();
        accepted.sort_by_key(|accepted| Reverse(accepted.quality));
        let tags = accepted.iter().filter_map(|accepted| accepted.item.item());
        Self {
            stylesheet: &shared.stylesheet,
            language: Language::choose(ui_locales, tags.map(LanguageTag::as_str)),
        }
    }
}

/// The start of a page's answer. The headers that all answers share are added by the middleware.
pub(crate) fn page_response(
    look: Look<'_>,
    status: StatusCode,
    form_target: Option<&str>,
) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            look.stylesheet.policy(form_target),
        ))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_LANGUAGE, look.language.tag()))
        .content_type("text/html; charset=utf-8");
    response
}

/// Renders a page into its answer.
pub(crate) fn send(mut response: HttpResponseBuilder, page: &impl Template) -> HttpResponse {
    match page.render() {
        Ok(html) => response.body(html),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// A page that says one thing.
pub(crate) fn message(look: Look<'_>, status: StatusCode, notice: Notice) -> HttpResponse {
    let (title, text) = (look.language.texts().notice)(notice);
    let page = MessagePage {
        look,
        title,
        text: &text,
    };
    send(page_response(look, status, None), &page)
}

/// What is shown when the database or the password check is out of reach.
pub(crate) fn unavailable(look: Look<'_>) -> HttpResponse {
    let mut response = message(look, StatusCode::SERVICE_UNAVAILABLE, Notice::Unavailable);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
    response
}

/// A form that did not arrive whole, is too large, or is none.
pub(crate) fn unread_form(look: Look<'_>, error: &BodyError) -> HttpResponse {
    message(look, error.status(), Notice::UnreadForm)
}

/// Sends the browser on with a GET, whatever it came with (RFC 9700 §4.12: never 307).
pub(crate) fn see_other(location: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, location))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

/// Whether a form on another site sent this: `SameSite=Lax` cookies stay behind then, so it does not say who is
/// signed in.
pub(crate) fn came_without_cookies(request: &HttpRequest) -> bool {
    request.method() == Method::POST && is_from_another_site(request)
}

/// Has the browser repeat a posted request as a navigation, which brings the cookies that the form left behind.
pub(crate) fn as_navigation(shared: &Shared, path: &str, params: &Params) -> HttpResponse {
    let own_url = shared.config.issuer.endpoint(path);
    see_other(&format!("{own_url}?{}", params.encode_without(&[])))
}

/// The browser's mark, or the one that the next page gives it.
pub(crate) fn mark_for(request: &HttpRequest) -> BrowserMark {
    browser_mark(request).unwrap_or_else(|| {
        let mut extensions = request.extensions_mut();
        if let Some(mark) = extensions.get::<BrowserMark>() {
            return mark.clone();
        }
        let mark = BrowserMark::generate();
        extensions.insert(mark.clone());
        mark
    })
}

/// The browser's mark, and the cookie that gives it one if it has none.
pub(crate) fn mark_of(request: &HttpRequest, response: &mut HttpResponseBuilder) -> BrowserMark {
    let mark = mark_for(request);
    if browser_mark(request).is_none() {
        response.cookie(mark_cookie(&mark));
    }
    mark
}

/// Any other method at an address that answers forms, as when its URL is opened from the history.
pub(crate) async fn start_again(request: HttpRequest, shared: web::Data<Shared>) -> HttpResponse {
    let takes_links = ["/authorize", "/end_session", "/account", "/account/password"]
        .iter()
        .any(|path| request.path().ends_with(path));
    let allowed = if takes_links { "GET, POST" } else { "POST" };
    let look = Look::of(&request, &shared, None);
    let mut response = message(look, StatusCode::METHOD_NOT_ALLOWED, Notice::StartAgain);
    response
        .headers_mut()
        .insert(header::ALLOW, header::HeaderValue::from_static(allowed));
    response
}

/// Any address that is not in the table.
pub(crate) async fn nothing_here(request: HttpRequest, shared: web::Data<Shared>) -> HttpResponse {
    let look = Look::of(&request, &shared, None);
    message(look, StatusCode::NOT_FOUND, Notice::NothingHere)
}
