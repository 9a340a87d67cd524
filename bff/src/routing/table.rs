//! The rules that pick an upstream for a request.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Uri};

use super::path::NormalPath;
use crate::session::tokens::Target;

/// Whom a route serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only a live session; the upstream gets its access token.
    Session,
    /// Anybody; the access token goes along when there is a session.
    Optional,
    /// Anybody; no session is looked up and no token goes along.
    Anonymous,
    /// Anybody; no session is looked up, and the upstream gets an access token of our own client.
    Service,
}

impl Access {
    /// Reads the word of the configuration.
    ///
    /// # Errors
    /// The rule, when it is another word.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "session" => Ok(Self::Session),
            "optional" => Ok(Self::Optional),
            "anonymous" => Ok(Self::Anonymous),
            "service" => Ok(Self::Service),
            _ => Err("must be \"session\", \"optional\", \"anonymous\" or \"service\""),
        }
    }
}

/// Where a route leads: scheme, host and port, and a path that goes in front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    scheme: Scheme,
    authority: Authority,
    path: String,
}

impl Upstream {
    /// Reads `http://host:port/path` or `https://…`.
    ///
    /// # Errors
    /// The rule, when it is anything else.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const RULE: &str = "must be an http or https URL without user, query and fragment";
        let parts = text.parse::<Uri>().map_err(|_| RULE)?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(RULE);
        };
        let path = parts.path_and_query.unwrap_or(PathAndQuery::from_static("/"));
        let known = scheme == Scheme::HTTP || scheme == Scheme::HTTPS;
        if !known || authority.as_str().contains('@') || path.query().is_some() || text.contains('#') {
            return Err(RULE);
        }
        NormalPath::parse(path.path()).map_err(|_| RULE)?;
        Ok(Self {
            scheme,
            authority,
            path: path.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Host and port, which the upstream sees as `Host`.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Route {
    /// The path at and below which the rule holds.
    pub prefix: String,
    /// Where its requests go.
    pub upstream: Upstream,
    /// Whom it serves.
    pub access: Access,
    /// What its access token is for.
    pub target: Target,
    /// The methods it takes; empty means all.
    pub methods: Vec<Method>,
    /// Whether the prefix is cut off before the path goes to the upstream.
    pub strip_prefix: bool,
    /// Whether a person without a session who navigates here is sent to sign in.
    pub login_redirect: bool,
    /// How long the upstream may be silent before its answer begins.
    pub timeout: Duration,
}

impl Route {
    /// Whether the rule takes a method. TRACE would echo the access token, and CONNECT asks for a tunnel.
    #[must_use]
    pub fn takes(&self, method: &str) -> bool {
        !Self::NEVER_TAKEN.contains(&method)
            && (self.methods.is_empty() || self.methods.iter().any(|held| held.as_str() == method))
    }

    /// Methods that no rule takes.
    pub const NEVER_TAKEN: [&str; 3] = ["TRACE", "TRACK", "CONNECT"];

    /// The methods it takes, as `Allow` lists them (RFC 9110 §10.2.1).
    #[must_use]
    pub fn allowed_methods(&self) -> String {
        if self.methods.is_empty() {
            return "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS".to_owned();
        }
        let methods: Vec<_> = self.methods.iter().map(Method::as_str).collect();
        methods.join(", ")
    }

    /// What the upstream is asked for. `None` when prefix, path and query do not make a URI, which a normal path does.
    #[must_use]
    pub fn target(&self, path: &NormalPath, query: &str) -> Option<Uri> {
        let rest = if self.strip_prefix {
            path.below(&self.prefix)?
        } else {
            path.as_str()
        };
        let mut target = format!("{}{rest}", self.upstream.path);
        if target.is_empty() {
            target.push('/');
        }
        if !query.is_empty() {
            target.push('?');
            target.push_str(query);
        }
        Uri::builder()
            .scheme(self.upstream.scheme.clone())
            .authority(self.upstream.authority.clone())
            .path_and_query(target)
            .build()
            .ok()
    }
}

/// All rules; the longest prefix wins.
#[derive(Debug, Clone, Default)]
pub struct RouteTable(Vec<Arc<Route>>);

impl RouteTable {
    /// Orders the rules.
    #[must_use]
    pub fn new(mut routes: Vec<Route>) -> Self {
        routes.sort_by_key(|route| std::cmp::Reverse(route.prefix.len()));
        Self(routes.into_iter().map(Arc::new).collect())
    }

    /// The audiences that sessions have access tokens for, each once.
    #[must_use]
    pub fn session_audiences(&self) -> Vec<String> {
        let of_sessions = self
            .0
            .iter()
            .filter(|route| matches!(route.access, Access::Session | Access::Optional));
        let audiences: BTreeSet<_> = of_sessions
            .filter_map(|route| route.target.audience.clone())
            .collect();
        audiences.into_iter().collect()
    }

    /// The prefixes of all rules.
    pub fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|route| route.prefix.as_str())
    }

    /// The rule of a path, if any.
    #[must_use]
    pub fn find(&self, path: &NormalPath) -> Option<&Arc<Route>> {
        self.0.iter().find(|route| path.below(&route.prefix).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(prefix: &str, upstream: &str, strip_prefix: bool) -> Route {
        Route {
            prefix: prefix.to_owned(),
            upstream: Upstream::parse(upstream).unwrap(),
            access: Access::Session,
            target: Target::default(),
            methods: Vec::new(),
            strip_prefix,
            login_redirect: false,
            timeout: Duration::from_secs(1),
        }
    }

    fn path(text: &str) -> NormalPath {
        NormalPath::parse(text).unwrap()
    }

    #[test]
    fn the_longest_prefix_wins() {
        let table = RouteTable::new(vec![
            route("/api", "http://a", false),
            route("/api/notes", "http://b", false),
            route("/", "http://c", false),
        ]);
        let found = |text: &str| table.find(&path(text)).unwrap().upstream.authority().to_string();
        assert_eq!(found("/api/notes/7"), "b");
        assert_eq!(found("/api/notesx"), "a");
        assert_eq!(found("/else"), "c");
    }

    #[test]
    fn the_target_is_the_matched_path_behind_the_upstream_s_own() {
        let target =
            |route: &Route, text: &str, query: &str| route.target(&path(text), query).unwrap().to_string();
        let kept = route("/api", "http://up:1/v2/", false);
        assert_eq!(
            target(&kept, "/api/x", "q=%2F..&a=1"),
            "http://up:1/v2/api/x?q=%2F..&a=1"
        );
        let cut = route("/api", "https://up", true);
        assert_eq!(target(&cut, "/api", ""), "https://up/");
        assert_eq!(target(&cut, "/api/%C3%A4", ""), "https://up/%C3%A4");
    }

    #[test]
    fn an_upstream_is_a_plain_http_url() {
        for text in [
            "ftp://x",
            "http://u:p@x",
            "http://x?q",
            "http://x#f",
            "/path",
            "x:1",
            "http://x/../y",
            "http://",
        ] {
            assert!(Upstream::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_route_without_methods_takes_all() {
        let mut route = route("/", "http://x", false);
        assert!(route.takes("PURGE"));
        assert!(!route.takes("TRACE") && !route.takes("CONNECT"));
        route.methods = vec![Method::GET];
        assert!(route.takes("GET") && !route.takes("POST"));
    }
}
