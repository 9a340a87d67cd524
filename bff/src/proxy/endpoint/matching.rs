//! Which route a request goes to.

use std::sync::Arc;

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HeaderValue, VIA};
use actix_web::web;

use super::Proxy;
use crate::guard::csrf::Proof;
use crate::problem::ApiError;
use crate::proxy::upgrade::Asked;
use crate::routing::{NormalPath, Route};

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

/// The paths of endpoints of ours, which come before routes.
#[derive(Debug, Clone)]
pub struct OwnPaths {
    /// All at and below this one.
    pub base_path: String,
    /// Where gateways ask, if they may; and whether what is below it is meant too.
    pub forward_auth: Option<(String, bool)>,
}

impl OwnPaths {
    fn include(&self, path: &NormalPath) -> bool {
        let asks_for = |own: &str, also_below: bool| {
            let rest = path.below(own);
            rest.is_some_and(|rest| also_below || rest.is_empty())
        };
        asks_for(&self.base_path, true)
            || self
                .forward_auth
                .as_ref()
                .is_some_and(|(own, also_below)| asks_for(own, *also_below))
    }
}

/// The route that a request goes to; `None` if it goes to an endpoint of ours.
///
/// # Errors
/// When its path has two readings, or it cannot go to its route.
pub fn match_route(request: &ServiceRequest) -> Result<Option<MatchedRoute>, ApiError> {
    let path = NormalPath::parse(request.uri().path()).map_err(|_| ApiError::InvalidPath)?;
    let proxy = request.app_data::<web::Data<Proxy>>();
    let proxy = proxy.ok_or_else(|| ApiError::Internal(anyhow::anyhow!("there is no proxy")))?;
    if proxy.own_paths.include(&path) {
        return Ok(None);
    }
    let Some(route) = proxy.routes.find(&path) else {
        return Ok(None);
    };
    if has_been_here(request, proxy) {
        return Err(ApiError::LoopDetected);
    }
    let asked = Asked::by(request.head());
    if asked == Asked::Unfit {
        return Err(ApiError::InvalidUpgrade);
    }
    Ok(Some(MatchedRoute { route, path, asked }))
}

/// Whether a route of ours has sent this request, straight or by way of other proxies.
fn has_been_here(request: &ServiceRequest, proxy: &Proxy) -> bool {
    let lines = request.headers().get_all(VIA);
    proxy.ourselves.are_named_in(lines.map(HeaderValue::as_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_paths_come_before_routes_and_their_neighbours_do_not() {
        let paths = |also_below| OwnPaths {
            base_path: "/bff".to_owned(),
            forward_auth: Some(("/oauth2/auth".to_owned(), also_below)),
        };
        let is_ours = |text: &str, also_below| paths(also_below).include(&NormalPath::parse(text).unwrap());
        for also_below in [false, true] {
            for ours in ["/bff", "/bff/", "/bff/user", "/%62ff/user", "/oauth2/auth"] {
                assert!(is_ours(ours, also_below), "{ours}");
            }
            for other in ["/", "/bffx", "/api/bff", "/oauth2", "/oauth2/authx"] {
                assert!(!is_ours(other, also_below), "{other}");
            }
        }
        assert!(is_ours("/oauth2/auth/api/notes", true));
        assert!(!is_ours("/oauth2/auth/api/notes", false));
    }
}
