//! Which headers cross, in both directions. The rules are the lists below; the functions apply them.

use std::net::IpAddr;

use http::header::{self, AUTHORIZATION, CACHE_CONTROL, CONNECTION, COOKIE, HOST, SET_COOKIE, TE, VIA};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Version};

use crate::cookies;
use crate::session::tokens::AccessToken;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What an answer is marked with that shared caches must not keep.
static PRIVATE: (HeaderName, HeaderValue) = (CACHE_CONTROL, HeaderValue::from_static("private"));

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
/// behind other gateways trust names of those gateways, so these are here as well. Sorted, to be searched.
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

/// Names that begin like this are ours to say too. Sorted, and none begins with another.
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

/// What the rules above let pass anyway, and nearly every request has: these names need neither be looked for in the rules
/// nor be read again.
static SENT_BY_EVERY_PAGE: [(&str, HeaderName); 16] = [
    ("accept", header::ACCEPT),
    ("accept-encoding", header::ACCEPT_ENCODING),
    ("accept-language", header::ACCEPT_LANGUAGE),
    ("cache-control", header::CACHE_CONTROL),
    ("content-length", header::CONTENT_LENGTH),
    ("content-type", header::CONTENT_TYPE),
    ("origin", header::ORIGIN),
    ("priority", HeaderName::from_static("priority")),
    ("referer", header::REFERER),
    ("sec-ch-ua", HeaderName::from_static("sec-ch-ua")),
    ("sec-ch-ua-mobile", HeaderName::from_static("sec-ch-ua-mobile")),
    (
        "sec-ch-ua-platform",
        HeaderName::from_static("sec-ch-ua-platform"),
    ),
    ("sec-fetch-dest", HeaderName::from_static("sec-fetch-dest")),
    ("sec-fetch-mode", HeaderName::from_static("sec-fetch-mode")),
    ("sec-fetch-site", HeaderName::from_static("sec-fetch-site")),
    ("user-agent", header::USER_AGENT),
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

/// What we say of ourselves, the same in every request.
#[derive(Debug, Clone)]
pub struct Ourselves {
    /// The host as browsers reach us.
    pub host: Authority,
    host_value: HeaderValue,
    scheme: HeaderValue,
    via_1_0: HeaderValue,
    via_1_1: HeaderValue,
    via_2: HeaderValue,
}

impl Ourselves {
    /// `scheme` and `host` are those by which browsers reach us. `None` when they cannot be said in headers.
    #[must_use]
    pub fn new(scheme: &str, host: &str) -> Option<Self> {
        // RFC 9110 §7.6.3, and how a loop is recognised.
        let via = |protocol| HeaderValue::try_from(format!("{protocol} {VIA_PREFIX}{host}")).ok();
        Some(Self {
            host: host.parse().ok()?,
            host_value: HeaderValue::from_str(host).ok()?,
            scheme: HeaderValue::from_str(scheme).ok()?,
            via_1_0: via("1.0")?,
            via_1_1: via("1.1")?,
            via_2: via("2")?,
        })
    }

    fn via(&self, protocol: Version) -> &HeaderValue {
        match protocol {
            Version::HTTP_10 => &self.via_1_0,
            Version::HTTP_2 => &self.via_2,
            _ => &self.via_1_1,
        }
    }

    /// Whether a request's `Via` says that it has passed through here before. Whoever writes our name into it by themselves
    /// only gets themselves refused.
    pub fn are_named_in<'v>(&self, mut via: impl Iterator<Item = &'v [u8]>) -> bool {
        via.any(|line| {
            let entries = line.split(|&byte| byte == b',');
            entries
                .filter_map(|entry| {
                    entry
                        .split(u8::is_ascii_whitespace)
                        .filter(|word| !word.is_empty())
                        .nth(1)
                })
                .any(|received_by| is_us(received_by, self.host.as_str()))
        })
    }
}

/// Where the request came from and where it goes.
#[derive(Debug)]
pub struct Forwarding<'a> {
    /// The address of the client.
    pub client: Option<IpAddr>,
    /// The version of HTTP by which it asked.
    pub protocol: Version,
    /// Who we are.
    pub ourselves: &'a Ourselves,
    /// The host and port that the upstream is told.
    pub upstream: &'a Authority,
    /// The token of the session, if the route gets one.
    pub access_token: Option<&'a AccessToken>,
    /// The browser's cookies that are not ours.
    pub cookies: Option<HeaderValue>,
    /// Whether the upstream may be told that the client wants trailers.
    pub takes_trailers: bool,
}

/// The headers that the upstream gets. `client` are the lines of the client's head: names in lower case, and values.
///
/// `None` when an access token cannot stand in a header, which no token of a provider does.
#[must_use]
pub fn for_upstream<'c>(
    client: impl Iterator<Item = (&'c str, &'c [u8])>,
    forwarding: &Forwarding<'_>,
) -> Option<HeaderMap> {
    let ourselves = forwarding.ourselves;
    let mut headers = HeaderMap::with_capacity(client.size_hint().0 + 8);
    let (mut of_the_connection, mut wants_trailers) = (Vec::new(), false);
    for (name, value) in client {
        match name {
            "connection" => of_the_connection.extend(named_by_connection(value)),
            "te" => wants_trailers |= lists_trailers(value),
            _ => {
                let known = SENT_BY_EVERY_PAGE.iter().find(|(known, _)| *known == name);
                let name = match known {
                    Some((_, name)) => name.clone(),
                    None if crosses_to_upstream(name) => HeaderName::from_bytes(name.as_bytes()).ok()?,
                    None => continue,
                };
                headers.append(name, HeaderValue::from_bytes(value).ok()?);
            }
        }
    }
    for name in of_the_connection {
        headers.remove(&name);
    }
    headers.insert(HOST, HeaderValue::from_str(forwarding.upstream.as_str()).ok()?);
    if let Some(client) = &forwarding.client {
        headers.insert(X_FORWARDED_FOR, HeaderValue::try_from(text_of(*client)).ok()?);
    }
    headers.insert(X_FORWARDED_PROTO, ourselves.scheme.clone());
    headers.insert(X_FORWARDED_HOST, ourselves.host_value.clone());
    headers.append(VIA, ourselves.via(forwarding.protocol).clone());
    if let Some(cookies) = &forwarding.cookies {
        headers.insert(COOKIE, cookies.clone());
    }
    if let Some(token) = forwarding.access_token {
        headers.insert(AUTHORIZATION, token.authorization()?.clone());
    }
    // Said by each hop for itself (RFC 9110 §10.1.4). gRPC insists on it.
    if forwarding.takes_trailers && wants_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    Some(headers)
}

/// An address as text, which every request needs: without the machinery of formatting for the common kind.
fn text_of(address: IpAddr) -> String {
    let IpAddr::V4(address) = address else {
        return address.to_string();
    };
    let mut text = String::with_capacity("255.255.255.255".len());
    for octet in address.octets() {
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(itoa::Buffer::new().format(octet));
    }
    text
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
pub fn for_browser(
    upstream: &HeaderMap,
    carried_token: bool,
) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    let lines = upstream.get_all(CONNECTION).iter().map(HeaderValue::as_bytes);
    let named: Vec<_> = lines.flat_map(named_by_connection).collect();
    let is_shareable = carried_token && !keeps_out_of_shared_caches(upstream, &named);
    let crossing = upstream.iter().filter(move |(name, value)| {
        let refused = HOP_BY_HOP.contains(&name.as_str())
            || NOT_FOR_UPSTREAMS.contains(&name.as_str())
            || named.iter().any(|named| named == name.as_str())
            || (carried_token && GRANTS_TO_OTHER_ORIGINS.contains(&name.as_str()))
            || (**name == SET_COOKIE && sets_our_cookie(value));
        !refused
    });
    crossing.chain(is_shareable.then_some((&PRIVATE.0, &PRIVATE.1)))
}

/// Whether an answer says so itself, in a line that crosses.
fn keeps_out_of_shared_caches(headers: &HeaderMap, named: &[String]) -> bool {
    if named.iter().any(|named| named == CACHE_CONTROL.as_str()) {
        return false;
    }
    let values = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|directive| {
        let directive = directive.trim();
        // `private="field"` is about that field only.
        directive.eq_ignore_ascii_case("private") || directive.eq_ignore_ascii_case("no-store")
    })
}

/// Whether a client may say this to an upstream, by its name alone.
pub(super) fn crosses_to_upstream(name: &str) -> bool {
    // Many servers read `X_Forwarded_For` as `X-Forwarded-For`: a header with an underscore is judged as its twin.
    if name.contains('_') {
        let twin = name.replace('_', "-");
        return crosses_as(&twin) && twin != "content-length";
    }
    crosses_as(name)
}

fn crosses_as(name: &str) -> bool {
    !HOP_BY_HOP.contains(&name)
        && !FOR_US_ONLY.contains(&name)
        && SAID_BY_US.binary_search(&name).is_err()
        && !begins_as_ours(name)
}

/// No prefix begins with another, so that the last one that is not behind the name is the only one that can begin it.
fn begins_as_ours(name: &str) -> bool {
    let behind = SAID_BY_US_PREFIXES.partition_point(|prefix| *prefix <= name);
    let last = behind.checked_sub(1).map(|last| SAID_BY_US_PREFIXES[last]);
    last.is_some_and(|prefix| name.starts_with(prefix))
}

/// Whether a client says that it wants trailers, in a line of its `TE`.
fn lists_trailers(te: &[u8]) -> bool {
    let mut codings = te.split(|&byte| byte == b',');
    codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// The names that a line of `Connection` lists; they belong to the connection as well. A client cannot use this to strip what
/// we say, because that is added afterwards.
fn named_by_connection(connection: &[u8]) -> impl Iterator<Item = String> {
    let names = std::str::from_utf8(connection).unwrap_or_default().split(',');
    names.map(|name| name.trim().to_ascii_lowercase())
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
