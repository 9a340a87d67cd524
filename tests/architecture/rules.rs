//! Which part may know which.

use std::fs;
use std::path::Path;

use crate::source::Source;

/// The modules of a crate from the lowest layer to the highest; those of one layer may know each other only where the
/// layer says so.
#[derive(Debug)]
pub(crate) struct Layer {
    modules: &'static [&'static str],
    /// Whether its modules may import each other.
    peers: bool,
}

const fn together(modules: &'static [&'static str]) -> Layer {
    Layer { modules, peers: true }
}

const fn apart(modules: &'static [&'static str]) -> Layer {
    Layer {
        modules,
        peers: false,
    }
}

/// `config`, `session` and `provider` know nothing above them; `refresh` uses session and provider; `login`, `logout` and
/// `proxy` use those; only `app` sees all.
pub(crate) const BFF_LAYERS: &[Layer] = &[
    together(&[
        "random",
        "cookies",
        "errors",
        "outage",
        "parameters",
        "pem",
        "background",
        "telemetry",
        "routing",
        "config",
        "session",
        "provider",
        "guard",
        "server",
    ]),
    apart(&["refresh"]),
    apart(&["login", "logout", "proxy", "spa", "ops", "forward_auth"]),
    apart(&["app"]),
    // Of the program and not of the library: clients of a BFF that runs.
    apart(&["command"]),
];

/// What is stored and signed below; the endpoints of the protocol, which lead to one another, above; `app` puts all
/// together.
pub(crate) const AUTH_SERVER_LAYERS: &[Layer] = &[
    together(&[
        "config", "client", "grant", "key", "params", "scope", "secret", "store", "user",
    ]),
    together(&[
        "authorize",
        "discovery",
        "logout",
        "operator",
        "ops",
        "page",
        "signin",
        "state",
        "token",
    ]),
    apart(&["app"]),
    apart(&["command"]),
];

/// A module that the whole crate's edge uses: it maps errors to answers, so it knows them all.
const EDGE_MODULE: &str = "problem";

/// Where a library may be named.
#[derive(Debug)]
pub(crate) struct Library {
    pub(crate) crates: &'static [&'static str],
    /// Paths below `src`, without `.rs`; a folder stands for all below it.
    pub(crate) home: &'static [&'static str],
    pub(crate) because: &'static str,
}

const EDGE_ONLY: &str =
    "a file that decides does not speak HTTP: only endpoint, middleware and composition files do";
const ACTIX_CRATES: &[&str] = &["actix_web", "actix_http", "actix_rt", "actix_ws", "actix_service"];

/// File names that are edges wherever they stand.
const EDGE_FILES: &[&str] = &["endpoint", "middleware", "app", "main", "lib"];

pub(crate) const ACTIX: &[(&str, &Library)] = &[
    (
        "bff",
        &Library {
            crates: ACTIX_CRATES,
            home: &[
                "problem",
                "session/ticket",
                "proxy/body",
                "proxy/ends",
                "proxy/http_types",
                "proxy/upgrade",
                "server",
            ],
            because: EDGE_ONLY,
        },
    ),
    (
        "auth-server",
        &Library {
            crates: ACTIX_CRATES,
            home: &["ops"],
            because: EDGE_ONLY,
        },
    ),
    (
        "resource-server",
        &Library {
            crates: ACTIX_CRATES,
            home: &["actix", "problem", "service", "json_body"],
            because: EDGE_ONLY,
        },
    ),
];

/// Two sides of a protocol; and a library that both stand on.
pub(crate) const STRANGERS: &[(&str, &Library)] = &[
    (
        "bff",
        &Library {
            crates: &["auth_server"],
            home: &[],
            because: "it works with any provider, and shared code would share its mistakes",
        },
    ),
    (
        "auth-server",
        &Library {
            crates: &["bff"],
            home: &[],
            because: "it serves any client, and shared code would share its mistakes",
        },
    ),
    (
        "resource-server",
        &Library {
            crates: &["bff", "auth_server"],
            home: &[],
            because: "it verifies tokens of any issuer",
        },
    ),
];

pub(crate) const REDIS: &[(&str, &Library)] = &[
    (
        "bff",
        &Library {
            crates: &["redis", "deadpool_redis"],
            home: &["session/redis"],
            because: "compound steps on Redis are scripts, and those stand in one place",
        },
    ),
    ("auth-server", &NOBODY_NAMES_REDIS),
    ("resource-server", &NOBODY_NAMES_REDIS),
];

const NOBODY_NAMES_REDIS: Library = Library {
    crates: &["redis", "deadpool_redis"],
    home: &[],
    because: "this server keeps nothing in Redis",
};

pub(crate) const ACTIX_SESSION: &[(&str, &Library)] = &[
    (
        "bff",
        &Library {
            crates: &["actix_session"],
            home: &["session/ticket"],
            because: "actix-session loses writes and revives sessions when it is used as a map: one file knows how not to",
        },
    ),
    (
        "auth-server",
        &Library {
            crates: &["actix_session"],
            home: &["signin", "authorize/endpoint", "logout/endpoint", "app"],
            because: "the sign-in session is what the endpoints of sign-in, authorization and logout share",
        },
    ),
];

pub(crate) const JSONWEBTOKEN: &[(&str, &Library)] = &[
    (
        "bff",
        &Library {
            crates: &["jsonwebtoken"],
            home: &[],
            because: "tokens are verified by `resource_server::verifier`, which knows what jsonwebtoken does not check",
        },
    ),
    (
        "auth-server",
        &Library {
            crates: &["jsonwebtoken"],
            home: &["key"],
            because: "only a signing key signs",
        },
    ),
    (
        "resource-server",
        &Library {
            crates: &["jsonwebtoken"],
            home: &["verifier", "jwks", "algorithm"],
            because: "the verifier alone knows what jsonwebtoken does not check",
        },
    ),
];

pub(crate) const DATABASES: &[(&str, &Library)] = &[
    (
        "bff",
        &Library {
            crates: &["redb"],
            home: &["session/embedded"],
            because: "the store's file format is its own business",
        },
    ),
    (
        "auth-server",
        &Library {
            crates: &["sqlx"],
            home: &["store"],
            because: "SQL stands in the store",
        },
    ),
];

/// Where `reqwest` and `hyper-util` clients are made: proxies, redirects, referrers and deadlines are decided there.
const CLIENT_HOMES: &[&str] = &[
    "provider/http",
    "proxy/forward",
    "http_keys",
    "command/session/http",
];

/// Finds imports that run upwards.
pub(crate) fn imports_run_downwards(sources: &[Source], layers: &[Layer]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources {
        let Some(room) = source.room() else {
            // The crate's root declares everything, and the program's `main` calls it.
            continue;
        };
        if room == EDGE_MODULE {
            continue;
        }
        let Some((height, layer)) = height_of(room, layers) else {
            findings.push(format!(
                "{}: module `{room}` has no layer: give it one in {}",
                source.path,
                file!()
            ));
            continue;
        };
        for named in &source.named {
            let Some(used) = named.own_module().filter(|used| *used != room) else {
                continue;
            };
            let place = format!("{}:{}", source.path, named.line);
            if used == EDGE_MODULE {
                if !is_edge(source) {
                    findings.push(format!(
                        "{place}: `{used}` is for endpoints and middleware, and this file is neither"
                    ));
                }
                continue;
            }
            // Items of the crate's root and macros are not modules of a layer.
            let Some((other, _)) = height_of(used, layers) else {
                continue;
            };
            if other > height {
                findings.push(format!(
                    "{place}: `{room}` uses `{used}`, which lies above it: imports run downwards"
                ));
            } else if other == height && !layer.peers {
                findings.push(format!(
                    "{place}: `{room}` uses `{used}` beside it: what both need belongs below them"
                ));
            }
        }
    }
    findings
}

fn height_of<'l>(module: &str, layers: &'l [Layer]) -> Option<(usize, &'l Layer)> {
    layers
        .iter()
        .enumerate()
        .find(|(_, layer)| layer.modules.contains(&module))
}

fn is_edge(source: &Source) -> bool {
    let name = source.modules.last().map_or("lib", String::as_str);
    EDGE_FILES.contains(&name)
        || source
            .modules
            .iter()
            .any(|module| EDGE_FILES.contains(&module.as_str()))
}

/// Finds uses of a library outside of its home.
pub(crate) fn is_named_only_in(sources: &[Source], library: &Library) -> Vec<String> {
    let at_home = |source: &&Source| {
        let is_actix = library.crates.contains(&"actix_web");
        is_at(source, library.home) || (is_actix && is_edge(source))
    };
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| !at_home(source)) {
        for named in &source.named {
            if let Some(foreign) = library.crates.iter().find(|name| named.is_of_crate(name)) {
                findings.push(format!(
                    "{}:{}: names `{foreign}`, but {}",
                    source.path, named.line, library.because
                ));
            }
        }
    }
    findings
}

/// Finds HTTP clients that are built somewhere else.
pub(crate) fn clients_are_built_at_home(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| !is_at(source, CLIENT_HOMES)) {
        for named in &source.named {
            let segments: Vec<_> = named.segments.iter().map(String::as_str).collect();
            let builds = segments.windows(2).any(|pair| {
                matches!(pair, ["Client", "builder" | "new" | "default"]) || pair.contains(&"ClientBuilder")
            });
            let names_connector =
                segments.starts_with(&["hyper_util", "client"]) || segments.starts_with(&["hyper", "client"]);
            if builds || names_connector {
                findings.push(format!(
                    "{}:{}: builds an HTTP client, but proxies, redirects and deadlines are decided in {CLIENT_HOMES:?}",
                    source.path, named.line
                ));
            }
        }
    }
    findings
}

fn is_at(source: &Source, homes: &[&str]) -> bool {
    let place = source.modules.join("/");
    homes
        .iter()
        .any(|home| place == *home || place.starts_with(&format!("{home}/")))
}

/// No file is longer than this; a test block of its own file counts as a file.
const LONGEST: usize = 450;

/// Finds files that have grown beyond what one reads at a sitting.
pub(crate) fn files_are_short(folder: &Path) -> Vec<String> {
    let mut findings = Vec::new();
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            if !path.ends_with("node_modules") {
                findings.extend(files_are_short(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let lines = fs::read_to_string(&path)
                .expect("sources are readable text")
                .lines()
                .count();
            if lines > LONGEST {
                findings.push(format!("{}: {lines} lines, more than {LONGEST}", path.display()));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bff_file(path: &str, text: &str) -> Source {
        let modules = path.split('/').map(str::to_owned).collect();
        Source::read(format!("bff/src/{path}.rs"), modules, text)
    }

    #[test]
    fn an_import_from_above_is_found() {
        let faulty = bff_file("session/ticket", "use crate::login::Transaction;");

        let findings = imports_run_downwards(&[faulty], BFF_LAYERS);

        assert_eq!(
            findings,
            [
                "bff/src/session/ticket.rs:1: `session` uses `login`, which lies above it: imports run downwards"
            ]
        );
    }

    #[test]
    fn an_import_from_beside_is_found_where_the_layer_keeps_apart() {
        let faulty = bff_file("login/endpoint", "use crate::proxy::route::Route;");
        let fine = bff_file("session/record", "use crate::config::Config;");

        assert_eq!(imports_run_downwards(&[faulty, fine], BFF_LAYERS).len(), 1);
    }

    #[test]
    fn only_the_edge_maps_errors() {
        let faulty = bff_file("login/transaction", "use crate::problem::ApiError;");
        let fine = bff_file("login/endpoint", "use crate::problem::ApiError;");

        assert_eq!(imports_run_downwards(&[faulty, fine], BFF_LAYERS).len(), 1);
    }

    #[test]
    fn a_library_away_from_home_is_found() {
        let faulty = bff_file("session/record", "fn f() -> redis::Value { todo!() }");
        let fine = bff_file("session/redis/script", "use deadpool_redis::redis;");

        assert_eq!(is_named_only_in(&[faulty, fine], REDIS[0].1).len(), 1);
    }

    #[test]
    fn a_client_built_elsewhere_is_found() {
        let faulty = bff_file("login/endpoint", "fn f() { let _ = reqwest::Client::new(); }");
        let fine = bff_file("provider/http", "fn f() { let _ = reqwest::Client::builder(); }");

        assert_eq!(clients_are_built_at_home(&[faulty, fine]).len(), 1);
    }
}
