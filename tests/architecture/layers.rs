//! Which module of a crate may import which.

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
        "config", "client", "grant", "http", "key", "params", "scope", "secret", "store", "user",
    ]),
    together(&[
        "account",
        "authorize",
        "discovery",
        "logout",
        "operator",
        "ops",
        "page",
        "signin",
        "state",
        "status_list",
        "token",
    ]),
    apart(&["app"]),
    apart(&["command"]),
];

/// A module that the whole crate's edge uses: it maps errors to answers, so it knows them all.
const EDGE_MODULE: &str = "problem";
/// File names that are edges wherever they stand.
const EDGE_FILES: &[&str] = &["endpoint", "middleware", "app", "main", "lib"];

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

/// Whether the file speaks HTTP, wherever it stands.
pub(crate) fn is_edge(source: &Source) -> bool {
    let name = source.modules.last().map_or("lib", String::as_str);
    EDGE_FILES.contains(&name)
        || source
            .modules
            .iter()
            .any(|module| EDGE_FILES.contains(&module.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::bff_file;

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
}
