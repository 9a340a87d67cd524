use std::collections::HashSet;
use std::time::Duration;

use http::Method;
use resource_server::settings::Section;

use crate::routing::{Access, NormalPath, Route, RouteTable, Upstream};

/// Reads the `[[route]]` tables. Two routes of one prefix are a fault, since only one of them could ever be used.
pub(super) fn read(root: &mut Section<'_>, base_path: &str) -> Option<RouteTable> {
    let mut routes = Vec::new();
    let mut prefixes = HashSet::new();
    let mut whole = true;
    for section in root.sections("route") {
        match read_route(section, base_path, &mut prefixes) {
            Some(route) => routes.push(route),
            None => whole = false,
        }
    }
    whole.then(|| RouteTable::new(routes))
}

fn read_route(mut section: Section<'_>, base_path: &str, prefixes: &mut HashSet<String>) -> Option<Route> {
    let prefix = section.parsed("prefix", |text| prefix(text, base_path, prefixes));
    let upstream = section.parsed("upstream", Upstream::parse);
    let access = section.parsed_or("access", "session", Access::parse);
    let methods = methods(&mut section);
    let strip_prefix = section.switch_or("strip_prefix", false);
    let login_redirect = section.switch_or("login_redirect", false);
    let timeout = section.duration_or(
        "timeout",
        Duration::from_secs(30),
        Duration::from_secs(1)..=Duration::from_secs(3600),
    );
    if access.is_some_and(|access| access != Access::Session) && login_redirect == Some(true) {
        section.fault(
            "login_redirect",
            Some("true".to_owned()),
            "needs access = \"session\"",
        );
    }
    section.finish();

    Some(Route {
        prefix: prefix?,
        upstream: upstream?,
        access: access?,
        methods: methods?,
        strip_prefix: strip_prefix?,
        login_redirect: login_redirect?,
        timeout: timeout?,
    })
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
