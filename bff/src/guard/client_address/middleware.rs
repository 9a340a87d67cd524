//! Whose request it is, in terms of actix.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::{HttpRequest, web};

use super::TrustedProxies;

/// The address of the client, for limits, the trail and upstreams.
#[must_use]
pub fn client_of(request: &HttpRequest) -> Option<IpAddr> {
    let proxies = request.app_data::<web::Data<TrustedProxies>>()?;
    let peer = request.peer_addr()?.ip();
    let name = proxies.header.name();
    if request.headers().contains_key(name) && !proxies.trusts(peer.to_canonical()) {
        warn_once(name);
    }
    // A line that is no text reads as an entry that names nobody.
    let lines: Vec<&str> = request
        .headers()
        .get_all(name)
        .map(|line| line.to_str().unwrap_or_default())
        .collect();
    Some(proxies.client(peer, lines.into_iter()))
}

/// Behind a load balancer that nobody named, all clients share one address, and its limits.
fn warn_once(name: &'static str) {
    static WARNED: AtomicBool = AtomicBool::new(false);
    if !WARNED.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            header = name,
            "a peer that is not trusted says whose request it is, which is not believed; if it is your load balancer, \
             name its network in server.trusted_proxies"
        );
    }
}
