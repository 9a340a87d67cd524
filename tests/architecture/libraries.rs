//! In which files of a crate a library may be named.

use crate::layers::is_edge;
use crate::source::Source;

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
            home: &[
                "account",
                "app",
                "authorize/endpoint",
                "authorize/question/endpoint",
                "logout/endpoint",
                "signin",
            ],
            because: "the sign-in session is what the endpoints of sign-in, account, authorization and logout share",
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
            home: &[],
            because: "a signing key signs by itself, and `resource_server::verifier` verifies",
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
/// Finds uses of a library outside of its home.
pub(crate) fn is_named_only_in(sources: &[Source], library: &Library) -> Vec<String> {
    let at_home = |source: &&Source| {
        let is_actix = library.crates.contains(&"actix_web");
        source.is_at(library.home) || (is_actix && is_edge(source))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::bff_file;

    #[test]
    fn a_library_away_from_home_is_found() {
        let faulty = bff_file("session/record", "fn f() -> redis::Value { todo!() }");
        let fine = bff_file("session/redis/script", "use deadpool_redis::redis;");

        assert_eq!(is_named_only_in(&[faulty, fine], REDIS[0].1).len(), 1);
    }
}
