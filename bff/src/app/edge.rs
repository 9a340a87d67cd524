//! What happens to every request before the endpoint that it is for, and to every answer after it.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpResponse, ResponseError, web};

use crate::guard::cors::middleware::{Sharing, sharing_with};
use crate::guard::middleware::{add_security_headers, part_cookies};
use crate::problem::ApiError;
use crate::problem::middleware::tell_problem;
use crate::proxy::endpoint::{Answered, MatchedRoute, in_words_of_grpc, match_route, proxied};
use crate::server::middleware::is_head_too_long;

/// Where a request goes.
enum Admitted {
    /// Nowhere: it is answered here.
    Answered(HttpResponse),
    /// To an endpoint of ours.
    Endpoint,
    /// To the upstream of a route.
    Route(MatchedRoute),
}

/// One middleware and not ten, and routes without actix's routing: each step through either costs every request an allocation
/// or two.
///
/// # Errors
/// Only those of what it wraps: a refusal is an answer.
pub(super) async fn edge(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let sharing = sharing_with(&request);
    let (mut answer, is_ours) = match admit(&mut request, sharing.as_ref()) {
        Admitted::Answered(answer) => (request.into_response(answer), true),
        Admitted::Endpoint => (next.call(request).await?.map_into_boxed_body(), true),
        Admitted::Route(found) => {
            let (request, mut payload) = request.into_parts();
            let payload = web::Payload::from_request(&request, &mut payload).await?;
            let Answered { response, is_ours } = proxied(&request, payload, found).await;
            (ServiceResponse::new(request, response), is_ours)
        }
    };
    if let Some(sharing) = sharing {
        sharing.grant(answer.headers_mut());
    }
    if is_ours {
        tell_problem(&answer);
        add_security_headers(&mut answer);
    }
    Ok(answer)
}

/// Prepares a request for where it goes.
fn admit(request: &mut ServiceRequest, sharing: Option<&Sharing>) -> Admitted {
    if is_head_too_long(request.head()) {
        return Admitted::Answered(ApiError::HeadTooLong.error_response());
    }
    if let Some(preflight) = sharing.and_then(|sharing| sharing.preflight(request)) {
        return Admitted::Answered(preflight);
    }
    part_cookies(request);
    match match_route(request) {
        Ok(Some(found)) => Admitted::Route(found),
        Ok(None) => Admitted::Endpoint,
        Err(refusal) => Admitted::Answered(in_words_of_grpc(request.head(), refusal.error_response())),
    }
}
