//! What happens around every request: headers, the access log, and outages of the session store.

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, web};

use super::headers::{ALWAYS, POLICY_WITHOUT_PAGE, STRICT_TRANSPORT_SECURITY};
use super::metrics;
use crate::page::Look;
use crate::page::endpoint::unavailable;
use crate::signin::middleware::is_outage;
use crate::state::Shared;

/// A request meets the signing keys and the clients as they are; its answer gets the headers that it lacks; and one line
/// tells of it: never the query, which carries codes, nor any header. It is one step, since each is paid for by every request.
pub(crate) async fn around(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let began = Instant::now();
    let method = request.method().clone();
    let path = request.path().to_owned();
    let shared = request.app_data::<web::Data<Shared>>().cloned();
    if let Some(shared) = &shared {
        shared.keep_up().await;
    }
    let mut outcome = next.call(request).await;
    if let Ok(response) = &mut outcome {
        let is_https = shared.is_some_and(|shared| shared.config.issuer.is_https());
        add_headers(response.headers_mut(), is_https);
    }
    let status = match &outcome {
        Ok(response) => response.status().as_u16(),
        Err(error) => error.as_response_error().status_code().as_u16(),
    };
    let took = began.elapsed();
    let endpoint = outcome
        .as_ref()
        .ok()
        .and_then(|response| response.request().match_pattern());
    metrics::answered(endpoint, status, took);
    let duration_ms = took.as_millis();
    tracing::info!(target: "auth_server::access", %method, path, status, duration_ms, "request");
    outcome
}

fn add_headers(headers: &mut header::HeaderMap, is_https: bool) {
    for (name, value) in ALWAYS {
        add(headers, HeaderName::from_static(name), value);
    }
    add(headers, header::CONTENT_SECURITY_POLICY, POLICY_WITHOUT_PAGE);
    if is_https {
        add(
            headers,
            header::STRICT_TRANSPORT_SECURITY,
            STRICT_TRANSPORT_SECURITY,
        );
    }
}

fn add(headers: &mut header::HeaderMap, name: HeaderName, value: &'static str) {
    if !headers.contains_key(&name) {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// actix-session answers a failing store with 500. An outage is ours and passes: 503, and the cookie stays.
pub(crate) async fn outage_is_503(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let shared = request.app_data::<web::Data<Shared>>().cloned();
    let http_request = request.request().clone();
    match (next.call(request).await, shared) {
        (Ok(response), _) => Ok(response.map_into_left_body()),
        (Err(error), Some(shared)) if is_outage(&error) => {
            tracing::error!(cause = ?error, "the sign-in sessions are out of reach");
            let look = Look::of(&http_request, &shared, None);
            Ok(ServiceResponse::new(http_request, unavailable(look)).map_into_right_body())
        }
        (Err(error), _) => Err(error),
    }
}
