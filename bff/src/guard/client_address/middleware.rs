//! Whose request it is, in terms of actix.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::header::{FORWARDED, HeaderName, X_FORWARDED_FOR};
use actix_web::{HttpRequest, web};

use super::{AddressHeader, TrustedProxies};

/// The address of the client, for limits, the trail and upstreams.
#[must_use]
pub fn client_of(request: &HttpRequest) -> Option<IpAddr> {
    let proxies = request.app_data::<web::Data<TrustedProxies>>()?;
    let peer = request.peer_addr()?.ip();
    let name = name_of(proxies.header);
    if !proxies.trusts(peer.to_canonical()) {
        if !WARNED.load(Ordering::Relaxed) && request.headers().contains_key(name) {
            warn_once(name);
        }
        return Some(peer.to_canonical());
    }
    // A line that is no text reads as an entry that names nobody.
    let lines: Vec<&str> = request
        .headers()
        .get_all(name)
        .map(|line| line.to_str().unwrap_or_default())
        .collect();
    Some(proxies.client(peer, lines.into_iter()))
}

/// Ready-made, since every request is asked for it.
fn name_of(header: AddressHeader) -> &'static HeaderName {
    static NAMES: [HeaderName; 2] = [X_FORWARDED_FOR, FORWARDED];
    match header {
        AddressHeader::XForwardedFor => &NAMES[0],
        AddressHeader::Forwarded => &NAMES[1],
    }
}

static WARNED: AtomicBool = AtomicBool::new(false);

/// Behind a load balancer that nobody named, all clients share one address, and its limits.
fn warn_once(name: &HeaderName) {
    if !WARNED.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            header = name.as_str(),
            "a peer that is not trusted says whose request it is, which is not believed; if it is your load balancer, \
             name its network in server.trusted_proxies"
        );
    }
}
