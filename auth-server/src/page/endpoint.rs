//! Sends pages.

use actix_web::http::header;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use askama::Template;

use super::{MessagePage, Stylesheet};
use crate::params::Params;
use crate::signin::form_token::BrowserMark;
use crate::signin::middleware::{browser_mark, is_from_another_site, mark_cookie};
use crate::state::Shared;

/// The start of a page's answer. The headers that all answers share are added by the middleware.
pub(crate) fn page_response(
    stylesheet: &Stylesheet,
    status: StatusCode,
    form_target: Option<&str>,
) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::CONTENT_SECURITY_POLICY, stylesheet.policy(form_target)))
        .insert_header((header::CACHE_CONTROL, "no-store"))
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
pub(crate) fn message(stylesheet: &Stylesheet, status: StatusCode, title: &str, text: &str) -> HttpResponse {
    let response = page_response(stylesheet, status, None);
    send(
        response,
        &MessagePage {
            style: stylesheet.text,
            title,
            text,
        },
    )
}

/// What is shown when the database or the password check is out of reach.
pub(crate) fn unavailable(stylesheet: &Stylesheet) -> HttpResponse {
    let mut response = message(
        stylesheet,
        StatusCode::SERVICE_UNAVAILABLE,
        "Please try again in a moment",
        "The server cannot answer right now. Nothing was lost: reload this page in a few seconds.",
    );
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
    response
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

/// The browser's mark, and the cookie that gives it one if it has none.
pub(crate) fn mark_of(request: &HttpRequest, response: &mut HttpResponseBuilder) -> BrowserMark {
    browser_mark(request).unwrap_or_else(|| {
        let mark = BrowserMark::generate();
        response.cookie(mark_cookie(&mark));
        mark
    })
}

/// Any other method at an address that answers forms, as when its URL is opened from the history.
pub(crate) async fn start_again(request: HttpRequest, shared: web::Data<Shared>) -> HttpResponse {
    let takes_links = ["/authorize", "/end_session"]
        .iter()
        .any(|path| request.path().ends_with(path));
    let allowed = if takes_links { "GET, POST" } else { "POST" };
    let text = "This address only takes forms. Please go back to the application and start again from there.";
    let mut response = message(
        &shared.stylesheet,
        StatusCode::METHOD_NOT_ALLOWED,
        "Please start again",
        text,
    );
    response
        .headers_mut()
        .insert(header::ALLOW, header::HeaderValue::from_static(allowed));
    response
}

/// Any address that is not in the table.
pub(crate) async fn nothing_here(shared: web::Data<Shared>) -> HttpResponse {
    let text = "Please go back to the application that brought you here.";
    message(
        &shared.stylesheet,
        StatusCode::NOT_FOUND,
        "There is nothing here",
        text,
    )
}
