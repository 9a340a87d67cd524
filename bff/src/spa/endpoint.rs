//! The SPA's own files: what is neither an endpoint of ours nor a route.

use std::path::PathBuf;

use actix_files::{Files, NamedFile};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse, fn_service};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, HttpResponse, ResponseError, web};

use crate::guard::middleware::facts_of;
use crate::problem::ApiError;

/// Serves a folder. A path that is no file and that a person navigates to shows `index.html`: the SPA has a page there.
#[must_use]
pub fn files(directory: &PathBuf) -> Files {
    let index = directory.join("index.html");
    Files::new("/", directory)
        .index_file("index.html")
        .prefer_utf8(true)
        .use_etag(true)
        .default_handler(fn_service(move |request: ServiceRequest| {
            let index = index.clone();
            async move {
                let (request, _) = request.into_parts();
                let response = page(&request, index)
                    .await
                    .unwrap_or_else(|error| error.error_response());
                Ok(ServiceResponse::new(request, response))
            }
        }))
}

async fn page(request: &HttpRequest, index: PathBuf) -> Result<HttpResponse, ApiError> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !(reads && facts_of(request.method(), request.headers()).wants_html()) {
        return Err(ApiError::NotFound);
    }
    let file = NamedFile::open_async(index)
        .await
        .map_err(|error| ApiError::Internal(error.into()))?;
    Ok(file.into_response(request))
}

/// The Content-Security-Policy of the SPA's pages.
#[derive(Debug, Clone)]
pub struct PagePolicy(pub HeaderValue);

/// Adds what pages need. Every file is asked about again before it is shown (a changed one is seen at once, an
/// unchanged one costs a 304). Refusals of the file server become problem documents.
///
/// # Errors
/// Only those of what it wraps.
pub async fn add_page_headers(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let policy = request
        .app_data::<web::Data<PagePolicy>>()
        .map(|policy| policy.0.clone());
    let mut response = next.call(request).await?.map_into_boxed_body();
    let is_problem = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/problem+json");
    if let Some(refusal) = refusal(response.status()).filter(|_| !is_problem) {
        return Ok(response.into_response(refusal.error_response()));
    }
    let headers = response.headers_mut();
    headers.remove(CONTENT_DISPOSITION);
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    if let Some(policy) = policy.filter(|_| !is_problem) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

/// What the file server's plain refusals are called here.
fn refusal(status: StatusCode) -> Option<ApiError> {
    match status {
        StatusCode::METHOD_NOT_ALLOWED => Some(ApiError::MethodNotAllowed("GET, HEAD".to_owned())),
        // It says 400 for hidden files and other names that it does not serve.
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => Some(ApiError::NotFound),
        _ => None,
    }
}
