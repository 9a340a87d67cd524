use actix_web::http::Version;
use actix_web::{HttpMessage, HttpRequest};

use super::request_body::RequestBody;
use super::{MatchedRoute, Proxy};
use crate::guard::client_address::middleware::client_of;
use crate::guard::middleware::{OthersCookies, lines};
use crate::problem::ApiError;
use crate::proxy::attempts;
use crate::proxy::authority::Authority;
use crate::proxy::body::{Progress, UpstreamRequestBody};
use crate::proxy::forward::{AnswerBody, ForwardClient, ForwardError};
use crate::proxy::headers::{self, Forwarding};
use crate::proxy::http_types;
use crate::proxy::upgrade::{self, Asked};
use crate::routing::{Address, Protocol, SaidHost};

/// A request of a browser on its way out.
pub(super) struct Outgoing<'a> {
    pub(super) request: &'a HttpRequest,
    pub(super) found: &'a MatchedRoute,
    pub(super) proxy: &'a Proxy,
    pub(super) client: &'a ForwardClient,
    pub(super) progress: &'a Progress,
}

impl Outgoing<'_> {
    pub(super) async fn send(
        &self,
        body: &RequestBody,
        authority: &Authority,
    ) -> Result<http::Response<AnswerBody>, ApiError> {
        let is_repeatable = self.request.method().is_safe() && matches!(body, RequestBody::Absent);
        let write = |address: &Address| self.written(address, authority, body.whole()?);
        let route = &self.found.route;
        let answer = attempts::send(self.client, route, self.progress, is_repeatable, write).await;
        let answer = answer.ok_or_else(|| {
            ApiError::Internal(anyhow::anyhow!("a request could not be written for its upstream"))
        })?;
        answer.map_err(|error| match error {
            _ if body.is_too_long() => ApiError::BodyTooLong,
            ForwardError::Silent => ApiError::UpstreamTimeout,
            ForwardError::BodyMissing => ApiError::RequestTimeout,
            ForwardError::Unconnected(_) | ForwardError::Unprocessed(_) | ForwardError::BrokeOff(_) => {
                ApiError::UpstreamUnavailable(error.into())
            }
            ForwardError::NoClient(_) => ApiError::Internal(error.into()),
        })
    }

    fn written(
        &self,
        address: &Address,
        authority: &Authority,
        body: UpstreamRequestBody,
    ) -> Option<http::Request<UpstreamRequestBody>> {
        let (request, route) = (self.request, &self.found.route);
        let destination = address.destination();
        let host = match route.host {
            SaidHost::Upstream => &destination.authority,
            SaidHost::Browser => &self.proxy.ourselves.host,
        };
        let forwarding = Forwarding {
            client: client_of(request),
            protocol: protocol(request.version()),
            ourselves: &self.proxy.ourselves,
            upstream: host,
            access_token: authority.token(route),
            cookies: others_cookies(request),
            takes_trailers: destination.connecting.protocol != Protocol::Http1,
        };
        let target = route.target(&self.found.path)?;
        let mut outgoing = http::Request::new(body);
        *outgoing.method_mut() = http_types::method(request.method())?;
        *outgoing.uri_mut() = address.uri(target, request.query_string(), host)?;
        *outgoing.headers_mut() = headers::for_upstream(lines(request.headers()), &forwarding)?;
        if self.found.asked == Asked::WebSocket {
            upgrade::ask(outgoing.headers_mut());
        }
        Some(outgoing)
    }
}

/// The version by which a request came.
fn protocol(version: Version) -> http::Version {
    match version {
        Version::HTTP_10 => http::Version::HTTP_10,
        Version::HTTP_2 => http::Version::HTTP_2,
        _ => http::Version::HTTP_11,
    }
}

fn others_cookies(request: &HttpRequest) -> Option<http::HeaderValue> {
    request
        .extensions()
        .get::<OthersCookies>()
        .and_then(|cookies| http_types::value(&cookies.0))
}
