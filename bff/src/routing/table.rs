//! The rules that pick an upstream for a request.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Uri};

use super::addresses::{Address, Addresses};
use super::path::NormalPath;
use crate::session::tokens::Target;
use crate::telemetry::UpstreamTimes;

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

    /// Whether it is reached by TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    pub(super) fn into_parts(self) -> (Scheme, Authority, String) {
        (self.scheme, self.authority, self.path)
    }
}

/// Which `Host` an upstream sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaidHost {
    /// Its own, as its URL says.
    Upstream,
    /// The BFF's, as browsers know it.
    Browser,
}

impl SaidHost {
    /// Reads the word of the configuration.
    ///
    /// # Errors
    /// The rule, when it is another word.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "upstream" => Ok(Self::Upstream),
            "browser" => Ok(Self::Browser),
            _ => Err("must be \"upstream\" or \"browser\""),
        }
    }
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Route {
    /// The path at and below which the rule holds.
    pub prefix: String,
    /// Where its requests go.
    pub upstreams: Arc<Addresses>,
    /// Which host they see.
    pub host: SaidHost,
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
    /// How long its answer's body may pause, if that is bounded.
    pub idle_timeout: Option<Duration>,
    /// How many bytes a request body may have, if that is bounded.
    pub max_body_size: Option<u64>,
    /// What its upstream's times are noted in; made by the first request, when there is a recorder.
    pub times: Arc<OnceLock<UpstreamTimes>>,
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

    /// What its upstream's times are noted in.
    #[must_use]
    pub fn times(&self) -> &UpstreamTimes {
        self.times.get_or_init(|| UpstreamTimes::of_route(&self.prefix))
    }

    /// The path that the upstream is asked for, behind its own. `None` when it is not a path of this rule.
    #[must_use]
    pub fn target<'p>(&self, path: &'p NormalPath) -> Option<&'p str> {
        if self.strip_prefix {
            path.below(&self.prefix)
        } else {
            Some(path.as_str())
        }
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

    /// Takes over what an earlier table knew of addresses that both have.
    #[must_use]
    pub fn inheriting(mut self, earlier: &Self) -> Self {
        for route in &mut self.0 {
            // Two routes may lead to one address and know different things of it: a route's own knowledge comes first.
            let (own, others): (Vec<_>, Vec<_>) =
                earlier.0.iter().partition(|known| known.prefix == route.prefix);
            let known = own.into_iter().chain(others);
            let known: Vec<&Address> = known.flat_map(|route| route.upstreams.iter()).collect();
            // Nobody else has the new table yet.
            if let Some(addresses) = Arc::get_mut(route).and_then(|route| Arc::get_mut(&mut route.upstreams))
            {
                addresses.inherit(&known);
            }
        }
        self
    }

    /// How many rules there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
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

    /// The rule of a path, if any.
    #[must_use]
    pub fn find(&self, path: &NormalPath) -> Option<&Arc<Route>> {
        self.0.iter().find(|route| path.below(&route.prefix).is_some())
    }
}

/// The rules that hold now. A request keeps those it began with.
#[derive(Debug, Default)]
pub struct Routes(ArcSwap<RouteTable>);

impl Routes {
    /// Begins with these.
    #[must_use]
    pub fn new(table: RouteTable) -> Self {
        Self(ArcSwap::from_pointee(table))
    }

    /// The rule of a path, if any.
    #[must_use]
    pub fn find(&self, path: &NormalPath) -> Option<Arc<Route>> {
        self.0.load().find(path).cloned()
    }

    /// The table itself.
    #[must_use]
    pub fn current(&self) -> Arc<RouteTable> {
        self.0.load_full()
    }

    /// From now on these hold.
    pub fn replace(&self, table: RouteTable) {
        let table = table.inheriting(&self.0.load());
        self.0.store(Arc::new(table));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::{Connecting, Protocol, Tls};

    fn route(prefix: &str, upstream: &str, strip_prefix: bool) -> Route {
        Route {
            prefix: prefix.to_owned(),
            upstreams: Arc::new(Addresses::new(
                Upstream::parse(upstream).unwrap(),
                Vec::new(),
                &Connecting {
                    protocol: Protocol::Http1,
                    timeout: Duration::from_secs(1),
                    tls: Tls::default(),
                },
            )),
            host: SaidHost::Upstream,
            access: Access::Session,
            target: Target::default(),
            methods: Vec::new(),
            strip_prefix,
            login_redirect: false,
            timeout: Duration::from_secs(1),
            idle_timeout: None,
            max_body_size: None,
            times: Arc::default(),
        }
    }

    #[test]
    fn a_route_takes_over_what_itself_knew_of_an_address() {
        let table = || {
            RouteTable::new(vec![
                route("/a", "http://x", false),
                route("/bb", "http://x", false),
            ])
        };
        let of = |table: &RouteTable, prefix: &str| {
            let found = table.0.iter().find(|route| route.prefix == prefix);
            Arc::clone(&found.unwrap().upstreams)
        };
        let old = table();
        let now = std::time::Instant::now();
        for _ in 0..3 {
            let _ = of(&old, "/a").iter().next().unwrap().failed(now);
        }

        let new = table().inheriting(&old);

        let was_left_out = |prefix| of(&new, prefix).iter().next().unwrap().succeeded();
        assert!(was_left_out("/a"));
        assert!(!was_left_out("/bb"));
    }

    fn authority(route: &Route) -> Authority {
        let address = route.upstreams.iter().next().unwrap();
        address.destination().authority.clone()
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
        let found = |text: &str| authority(table.find(&path(text)).unwrap()).to_string();
        assert_eq!(found("/api/notes/7"), "b");
        assert_eq!(found("/api/notesx"), "a");
        assert_eq!(found("/else"), "c");
    }

    #[test]
    fn the_target_is_the_matched_path_behind_the_upstream_s_own() {
        let target = |route: &Route, text: &str, query: &str| {
            let path = path(text);
            let address = route.upstreams.iter().next().unwrap();
            let uri = address.uri(route.target(&path).unwrap(), query, &authority(route));
            uri.unwrap().to_string()
        };
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
