//! Which route a request goes to.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::dev::ServiceRequest;
use actix_web::guard::GuardContext;
use actix_web::http::header::{HeaderValue, VIA};
use actix_web::{HttpMessage, HttpRequest, web};

use super::Proxy;
use crate::guard::csrf::Proof;
use crate::problem::ApiError;
use crate::proxy::upgrade::Asked;
use crate::routing::{NormalPath, Route, Routes};

/// The route that a request matched, and its path in the form that matched.
#[derive(Debug)]
pub struct MatchedRoute {
    /// The rule.
    pub route: Arc<Route>,
    /// The path.
    pub path: NormalPath,
    /// Whether it asks for a WebSocket.
    pub(in crate::proxy) asked: Asked,
}

impl MatchedRoute {
    /// What proves that a request comes from our own pages.
    pub(super) fn proof(&self) -> Proof {
        match self.asked {
            Asked::WebSocket | Asked::Unfit => Proof::Upgrade,
            Asked::Nothing if self.route.login_redirect => Proof::Navigation,
            Asked::Nothing => Proof::HeaderOrSameOrigin,
        }
    }
}

/// Reads the path in its one form and notes the route, if it has one.
///
/// # Errors
/// When the path has two readings, or the request cannot go to its route: it goes no further.
pub fn match_route(request: &mut ServiceRequest) -> Result<(), ApiError> {
    let path = NormalPath::parse(request.uri().path()).map_err(|_| ApiError::InvalidPath)?;
    let routes = request.app_data::<web::Data<Routes>>();
    let Some(route) = routes.and_then(|routes| routes.find(&path)) else {
        return Ok(());
    };
    if has_been_here(request) {
        return Err(ApiError::LoopDetected);
    }
    let asked = Asked::by(request.head());
    if asked == Asked::Unfit {
        return Err(ApiError::InvalidUpgrade);
    }
    let found = MatchedRoute { route, path, asked };
    request.extensions_mut().insert(Rc::new(found));
    Ok(())
}

/// Whether a route of ours has sent this request, straight or by way of other proxies.
fn has_been_here(request: &ServiceRequest) -> bool {
    let mut lines = request
        .headers()
        .get_all(VIA)
        .map(HeaderValue::as_bytes)
        .peekable();
    if lines.peek().is_none() {
        return false;
    }
    let proxy = request.app_data::<web::Data<Proxy>>();
    proxy.is_some_and(|proxy| proxy.ourselves.are_named_in(lines))
}

/// Whether a request goes to a route.
#[must_use]
pub fn goes_to_route(context: &GuardContext<'_>) -> bool {
    context.req_data().get::<Rc<MatchedRoute>>().is_some()
}

/// The route of a request.
///
/// # Errors
/// When there is none.
pub(super) fn matched(request: &HttpRequest) -> Result<Rc<MatchedRoute>, ApiError> {
    let found = request.extensions().get::<Rc<MatchedRoute>>().cloned();
    found.ok_or(ApiError::NotFound)
}
