mod upstreams;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use resource_server::settings::Section;
use url::Url;

use super::provider::{ProviderFacts, is_scope_token};
use super::replica::bytes;
use crate::provider::Audiences;
use crate::routing::{Access, NormalPath, Route, RouteTable, SaidHost, Upstream};
use crate::session::tokens::Target;

/// Reads the `[[route]]` tables. Two routes of one prefix are a fault, since only one of them could ever be used.
///
/// What a route may ask of the provider is judged by what could be read of the provider's section.
/// A development server gets what is left over.
pub(super) fn read(
    root: &mut Section<'_>,
    base_path: &str,
    provider: &ProviderFacts,
    dev_server: Option<Upstream>,
) -> Option<RouteTable> {
    let mut routes = Vec::new();
    let mut prefixes = HashSet::new();
    let mut whole = true;
    for (index, section) in root.sections("route").into_iter().enumerate() {
        match read_route(section, base_path, provider, &mut prefixes) {
            Some(route) => routes.push((index, route)),
            None => whole = false,
        }
    }
    whole &= audiences_are_told_apart(root, &routes, provider);
    let mut routes: Vec<_> = routes.into_iter().map(|(_, route)| route).collect();
    if let Some(upstream) = dev_server {
        if prefixes.contains("/") {
            let rule = "gets nothing, since the route of prefix / takes what is left over";
            root.fault("spa.dev_server", None, rule);
            whole = false;
        }
        routes.push(everything_else(upstream));
    }
    whole.then(|| RouteTable::new(routes))
}

/// A refresh that names no `resource` gets a token for whichever API the provider picks among those of the login (RFC 8707
/// §2.2). As soon as a route of sessions says whom its token is for, the others have to say so, too: each could be handed
/// the token of another one.
fn audiences_are_told_apart(
    root: &mut Section<'_>,
    routes: &[(usize, Route)],
    provider: &ProviderFacts,
) -> bool {
    if provider.audiences != Some(Audiences::Resource) {
        return true;
    }
    let of_sessions = routes
        .iter()
        .filter(|(_, route)| matches!(route.access, Access::Session | Access::Optional));
    let (told, untold): (Vec<_>, Vec<_>) =
        of_sessions.partition(|(_, route)| route.target.audience.is_some());
    if told.is_empty() {
        return true;
    }
    for (index, _) in &untold {
        let rule = "is missing: another route with a session has one, and this one could get its token";
        root.fault(&format!("route[{index}].audience"), None, rule);
    }
    untold.is_empty()
}

fn read_route(
    mut section: Section<'_>,
    base_path: &str,
    provider: &ProviderFacts,
    prefixes: &mut HashSet<String>,
) -> Option<Route> {
    let prefix = section.parsed("prefix", |text| prefix(text, base_path, prefixes));
    let upstreams = upstreams::read(&mut section);
    let host = section.parsed_or("host", "upstream", SaidHost::parse);
    let access = section.parsed_or("access", "session", Access::parse);
    let methods = methods(&mut section);
    let strip_prefix = section.switch_or("strip_prefix", false);
    let login_redirect = section.switch_or("login_redirect", false);
    let timeout = section.duration_or(
        "timeout",
        Duration::from_secs(30),
        Duration::from_secs(1)..=Duration::from_secs(3600),
    );
    let idle_timeout = section.optional_parsed("idle_timeout", pause);
    let max_body_size = section.optional_parsed("max_body_size", body_size);
    if access.is_some_and(|access| access != Access::Session) && login_redirect == Some(true) {
        section.fault(
            "login_redirect",
            Some("true".to_owned()),
            "needs access = \"session\"",
        );
    }
    let target = target(&mut section, access, provider);
    section.finish();

    Some(Route {
        prefix: prefix?,
        upstreams: upstreams?,
        host: host?,
        access: access?,
        target: target?,
        methods: methods?,
        strip_prefix: strip_prefix?,
        login_redirect: login_redirect?,
        timeout: timeout?,
        idle_timeout: idle_timeout?,
        max_body_size: max_body_size?,
        times: Arc::default(),
    })
}

/// Nobody's route: no session is looked up, and no access token goes along.
fn everything_else(upstream: Upstream) -> Route {
    Route {
        prefix: "/".to_owned(),
        upstreams: upstreams::just(upstream),
        host: SaidHost::Upstream,
        access: Access::Anonymous,
        target: Target::default(),
        methods: Vec::new(),
        strip_prefix: false,
        login_redirect: false,
        timeout: Duration::from_secs(60),
        idle_timeout: None,
        max_body_size: None,
        times: Arc::default(),
    }
}

fn pause(text: &str) -> Result<Duration, &'static str> {
    const BOUNDS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);
    let pause = humantime::parse_duration(text).ok();
    pause
        .filter(|pause| BOUNDS.contains(pause))
        .ok_or("must be a span of time from 1s to 24h, such as \"90s\"")
}

fn body_size(text: &str) -> Result<u64, &'static str> {
    bytes(text).ok_or("must be a size such as \"64KiB\" or \"10MiB\"")
}

fn prefix(text: &str, base_path: &str, prefixes: &mut HashSet<String>) -> Result<String, String> {
    let normal =
        NormalPath::parse(text).map_err(|_| "must be a path that begins with / and has one reading")?;
    let prefix = match normal.as_str().trim_end_matches('/') {
        "" => "/".to_owned(),
        trimmed => trimmed.to_owned(),
    };
    if prefix == base_path || prefix.starts_with(&format!("{base_path}/")) {
        return Err(format!(
            "lies within {base_path}, which is the BFF's own (server.base_path)"
        ));
    }
    if prefixes.insert(prefix.clone()) {
        Ok(prefix)
    } else {
        Err("is the prefix of another route already".to_owned())
    }
}

/// What the access token of a route has to be for.
fn target(section: &mut Section<'_>, access: Option<Access>, provider: &ProviderFacts) -> Option<Target> {
    let by_resource = provider
        .audiences
        .is_none_or(|audiences| audiences == Audiences::Resource);
    let keys = ["audience", "scopes"].map(|key| (key, section.has(key)));
    let audience = section.optional_parsed("audience", |text| audience(text, by_resource));
    let scopes = section.texts_or("scopes", &[]);
    for (key, _) in keys
        .iter()
        .filter(|(_, is_named)| *is_named && access == Some(Access::Anonymous))
    {
        section.fault(key, None, "an anonymous route gets no access token");
    }
    let mut scopes = scopes?;
    if !scopes.iter().all(|scope| is_scope_token(scope)) {
        section.fault(
            "scopes",
            Some(format!("{scopes:?}")),
            "each must be a scope token (RFC 6749 §3.3)",
        );
        return None;
    }
    // RFC 6749 §6: a refresh gives no scope that the login was not given.
    if let Some(of_login) = &provider.scope
        && by_resource
        && matches!(access, Some(Access::Session | Access::Optional))
        && !scopes
            .iter()
            .all(|scope| of_login.split(' ').any(|asked| asked == scope))
    {
        section.fault(
            "scopes",
            Some(format!("{scopes:?}")),
            "must be among provider.scopes",
        );
        return None;
    }
    scopes.sort();
    scopes.dedup();
    Some(Target {
        audience: audience?,
        scope: (!scopes.is_empty()).then(|| scopes.join(" ")),
    })
}

fn audience(text: &str, by_resource: bool) -> Result<String, &'static str> {
    let is_fit = if by_resource {
        // RFC 8707 §2.
        Url::parse(text).is_ok_and(|url| url.fragment().is_none())
    } else {
        !text.is_empty() && text.bytes().all(|byte| (0x21..=0x7e).contains(&byte))
    };
    match (is_fit, by_resource) {
        (true, _) => Ok(text.to_owned()),
        (false, true) => Err("must be an absolute URI without fragment (RFC 8707 §2)"),
        (false, false) => Err("must be visible ASCII and not empty"),
    }
}

fn methods(section: &mut Section<'_>) -> Option<Vec<Method>> {
    let texts = section.texts_or("methods", &[])?;
    let mut methods = Vec::with_capacity(texts.len());
    for text in texts {
        match text.parse::<Method>() {
            Ok(method)
                if text == text.to_ascii_uppercase() && !Route::NEVER_TAKEN.contains(&text.as_str()) =>
            {
                methods.push(method);
            }
            _ => {
                section.fault(
                    "methods",
                    Some(format!("{text:?}")),
                    "must be HTTP methods in upper case, and not TRACE or CONNECT",
                );
                return None;
            }
        }
    }
    Some(methods)
}
