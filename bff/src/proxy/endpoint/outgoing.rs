use std::net::IpAddr;

use actix_web::http::Version;
use actix_web::{HttpMessage, HttpRequest};
use http::header::TE;
use hyper::body::Incoming;

use super::request_body::RequestBody;
use super::{MatchedRoute, Proxy};
use crate::guard::client_address::middleware::ClientAddress;
use crate::guard::middleware::OthersCookies;
use crate::problem::ApiError;
use crate::proxy::attempts;
use crate::proxy::authority::Authority;
use crate::proxy::body::{Progress, UpstreamRequestBody};
use crate::proxy::forward::{ForwardClient, ForwardError};
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
    ) -> Result<http::Response<Incoming>, ApiError> {
        self.progress.note();
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
        let mut client_headers = http::HeaderMap::with_capacity(request.headers().len());
        for (name, value) in request.headers() {
            client_headers.append(http_types::name(name)?, http_types::value(value)?);
        }
        let host = match route.host {
            SaidHost::Upstream => address.destination().authority.clone(),
            SaidHost::Browser => self.proxy.host.parse().ok()?,
        };
        let forwarding = Forwarding {
            client: client_of(request).map(|client| client.to_string()),
            protocol: protocol(request.version()),
            scheme: &self.proxy.scheme,
            host: &self.proxy.host,
            upstream: host.as_str(),
            access_token: authority.token(route),
            cookies: others_cookies(request),
        };
        let target = route.target(&self.found.path)?;
        let mut outgoing = http::Request::new(body);
        *outgoing.method_mut() = http_types::method(request.method())?;
        *outgoing.uri_mut() = address.uri(target, request.query_string(), &host)?;
        *outgoing.headers_mut() = headers::for_upstream(&client_headers, &forwarding)?;
        // Said by each hop for itself (RFC 9110 §10.1.4). gRPC insists on it.
        let takes_trailers = address.destination().connecting.protocol != Protocol::Http1
            && headers::takes_trailers(&client_headers);
        if takes_trailers {
            outgoing
                .headers_mut()
                .insert(TE, http::HeaderValue::from_static("trailers"));
        }
        if self.found.asked == Asked::WebSocket {
            upgrade::ask(outgoing.headers_mut());
        }
        Some(outgoing)
    }
}

/// Whose request it is.
pub(super) fn client_of(request: &HttpRequest) -> Option<IpAddr> {
    let noted = request.extensions().get::<ClientAddress>().copied();
    noted.map(|ClientAddress(address)| address)
}

/// The version by which a request came, as `Via` writes it.
fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}

fn others_cookies(request: &HttpRequest) -> Option<http::HeaderValue> {
    request
        .extensions()
        .get::<OthersCookies>()
        .and_then(|cookies| http_types::value(&cookies.0))
}
