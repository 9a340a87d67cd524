//! Which headers cross, in both directions. The rules are the lists below; the functions apply them.

use http::header::{AUTHORIZATION, CACHE_CONTROL, CONNECTION, COOKIE, HOST, SET_COOKIE, TE, VIA};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::cookies;
use crate::session::tokens::AccessToken;

/// Headers of one connection (RFC 9110 §7.6.1); they never cross, in neither direction.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What only we may say to an upstream: who calls and from where. A client's version is dropped, never merged. Upstreams
/// behind other gateways trust names of those gateways, so these are here as well.
const SAID_BY_US: [&str; 39] = [
    "authorization",
    "cf-connecting-ip",
    "client-cert",
    "client-cert-chain",
    "cookie",
    "fastly-client-ip",
    "fly-client-ip",
    "forwarded",
    "front-end-https",
    "host",
    "proxy",
    "proxy-client-ip",
    "remote-addr",
    "remote-email",
    "remote-groups",
    "remote-name",
    "remote-user",
    "true-client-ip",
    "wl-proxy-client-ip",
    "x-access-token",
    "x-azure-clientip",
    "x-client-cert",
    "x-client-dn",
    "x-client-ip",
    "x-client-verify",
    "x-cluster-client-ip",
    "x-email",
    "x-forwarded",
    "x-host",
    "x-id-token",
    "x-jwt-assertion",
    "x-method-override",
    "x-originating-ip",
    "x-real-ip",
    "x-rewrite-url",
    "x-scheme",
    "x-url-scheme",
    "x-user",
    "x-userinfo",
];

/// Names that begin like this are ours to say too.
const SAID_BY_US_PREFIXES: [&str; 23] = [
    "cf-access-",
    "oidc-",
    "ssl-client-",
    "tailscale-",
    "x-amzn-oidc-",
    "x-appengine-",
    "x-arr-",
    "x-auth-request-",
    "x-authenticated-",
    "x-authentik-",
    "x-consumer-",
    "x-credential-",
    "x-envoy-",
    "x-forwarded-",
    "x-goog-authenticated-user-",
    "x-goog-iap-",
    "x-http-method",
    "x-ms-client-principal",
    "x-original-",
    "x-pomerium-",
    "x-remote-",
    "x-ssl-client-",
    "x-webauth-",
];

/// What is between the browser and us, and answered by actix already.
const FOR_US_ONLY: [&str; 2] = ["x-csrf", "expect"];

/// What an upstream may not say to the browser in our name: it could clear our cookie or move our origin.
const NOT_FOR_UPSTREAMS: [&str; 3] = ["alt-svc", "clear-site-data", "strict-transport-security"];

/// What stands before the public host in our `Via`: a proxy in front commonly calls itself by that host alone (Apache's
/// `ProxyVia`).
const VIA_PREFIX: &str = "cloakroom-";

/// Who may read an answer that a token was given for is not the upstream's to say: see `guard::cors`.
const GRANTS_TO_OTHER_ORIGINS: [&str; 5] = [
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-max-age",
];

/// Where the request came from and where it goes.
#[derive(Debug)]
pub struct Forwarding<'a> {
    /// The address of the client.
    pub client: Option<String>,
    /// The version of HTTP by which it asked.
    pub protocol: &'a str,
    /// `http` or `https`, as browsers reach us.
    pub scheme: &'a str,
    /// The host as browsers reach us.
    pub host: &'a str,
    /// The upstream's host and port.
    pub upstream: &'a str,
    /// The token of the session, if the route gets one.
    pub access_token: Option<&'a AccessToken>,
    /// The browser's cookies that are not ours.
    pub cookies: Option<HeaderValue>,
}

/// The headers that the upstream gets.
///
/// `None` when an access token cannot stand in a header, which no token of a provider does.
#[must_use]
pub fn for_upstream(client: &HeaderMap, forwarding: &Forwarding<'_>) -> Option<HeaderMap> {
    let named = named_by_connection(client);
    let mut headers = HeaderMap::with_capacity(client.len() + 6);
    for (name, value) in client {
        if crosses_to_upstream(name) && !named.iter().any(|named| named == name.as_str()) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers.insert(HOST, HeaderValue::from_str(forwarding.upstream).ok()?);
    if let Some(client) = &forwarding.client {
        headers.insert(
            HeaderName::from_static("x-forwarded-for"),
            HeaderValue::from_str(client).ok()?,
        );
    }
    headers.insert(
        HeaderName::from_static("x-forwarded-proto"),
        HeaderValue::from_str(forwarding.scheme).ok()?,
    );
    headers.insert(
        HeaderName::from_static("x-forwarded-host"),
        HeaderValue::from_str(forwarding.host).ok()?,
    );
    // RFC 9110 §7.6.3, and how a loop is recognised.
    let via = format!("{} {VIA_PREFIX}{}", forwarding.protocol, forwarding.host);
    headers.append(VIA, HeaderValue::from_str(&via).ok()?);
    if let Some(cookies) = &forwarding.cookies {
        headers.insert(COOKIE, cookies.clone());
    }
    if let Some(token) = forwarding.access_token {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose())).ok()?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Some(headers)
}

/// Whether a request's `Via` says that it has passed through here before. Whoever writes our name into it by themselves
/// only gets themselves refused.
pub fn has_passed<'v>(mut via: impl Iterator<Item = &'v [u8]>, host: &str) -> bool {
    via.any(|line| {
        let entries = line.split(|&byte| byte == b',');
        entries
            .filter_map(|entry| {
                entry
                    .split(u8::is_ascii_whitespace)
                    .filter(|word| !word.is_empty())
                    .nth(1)
            })
            .any(|received_by| is_us(received_by, host))
    })
}

fn is_us(received_by: &[u8], host: &str) -> bool {
    let parts = received_by.split_at_checked(VIA_PREFIX.len());
    parts.is_some_and(|(prefix, rest)| {
        prefix.eq_ignore_ascii_case(VIA_PREFIX.as_bytes()) && rest.eq_ignore_ascii_case(host.as_bytes())
    })
}

/// The headers that the browser gets from an upstream's answer.
///
/// Shared caches keep their hands off answers to requests with `Authorization` (RFC 9111 §3.5). Between them and us the
/// request has only a cookie, so an answer to one that `carried_token` is marked `private` instead.
#[must_use]
pub fn for_browser(upstream: &HeaderMap, carried_token: bool) -> HeaderMap {
    let named = named_by_connection(upstream);
    let mut headers = HeaderMap::with_capacity(upstream.len());
    for (name, value) in upstream {
        let refused = HOP_BY_HOP.contains(&name.as_str())
            || NOT_FOR_UPSTREAMS.contains(&name.as_str())
            || named.iter().any(|named| named == name.as_str())
            || (carried_token && GRANTS_TO_OTHER_ORIGINS.contains(&name.as_str()))
            || (*name == SET_COOKIE && sets_our_cookie(value));
        if !refused {
            headers.append(name.clone(), value.clone());
        }
    }
    if carried_token && !keeps_out_of_shared_caches(&headers) {
        headers.append(CACHE_CONTROL, HeaderValue::from_static("private"));
    }
    headers
}

fn keeps_out_of_shared_caches(headers: &HeaderMap) -> bool {
    let values = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|directive| {
        let directive = directive.trim().to_ascii_lowercase();
        // `private="field"` is about that field only.
        directive == "private" || directive == "no-store"
    })
}

/// Whether a client may say this to an upstream, by its name alone.
pub(super) fn crosses_to_upstream(name: &HeaderName) -> bool {
    let name = name.as_str();
    // Many servers read `X_Forwarded_For` as `X-Forwarded-For`: a header with an underscore is judged as its twin.
    let twin = name.replace('_', "-");
    let is_ours =
        SAID_BY_US.contains(&twin.as_str()) || SAID_BY_US_PREFIXES.iter().any(|p| twin.starts_with(p));
    let has_twin_of_meaning =
        name.contains('_') && (HOP_BY_HOP.contains(&twin.as_str()) || twin == "content-length");
    !is_ours && !has_twin_of_meaning && !HOP_BY_HOP.contains(&name) && !FOR_US_ONLY.contains(&twin.as_str())
}

/// Whether a client says that it wants trailers.
#[must_use]
pub(super) fn takes_trailers(client: &HeaderMap) -> bool {
    let values = client.get_all(TE).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
}

/// The names that `Connection` lists; they belong to the connection as well. A client cannot use this to strip what we
/// say, because that is added afterwards.
fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    let values = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect()
}

/// Whether an answer would set a cookie of ours, or one that a browser could take for it.
fn sets_our_cookie(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    let pair = bytes.split(|&byte| byte == b';').next().unwrap_or_default();
    let name = pair.split(|&byte| byte == b'=').next().unwrap_or_default();
    // A nameless cookie (`=__Host-Http-session=x`) is sent back as if it had the name in its value.
    let pair = String::from_utf8_lossy(pair);
    cookies::is_ours(&String::from_utf8_lossy(name))
        || (name.iter().all(u8::is_ascii_whitespace)
            && cookies::is_ours(
                pair.trim_start_matches(['=', ' ', '\t'])
                    .split('=')
                    .next()
                    .unwrap_or_default(),
            ))
}

#[cfg(test)]
mod tests;
