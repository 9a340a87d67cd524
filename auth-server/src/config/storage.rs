use std::fmt;
use std::path::PathBuf;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use resource_server::settings::Section;
use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

/// `[storage]`: which database holds everything but the keys.
#[derive(Debug, Clone)]
pub enum StorageConfig {
    /// One file of this machine.
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What a commit waits for.
        durability: Durability,
    },
    /// A server that several machines may share.
    Postgres(PostgresConfig),
}

/// `[storage] durability`: what a commit to the SQLite file waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// For the disk: what was answered survives a power cut.
    Full,
    /// For the operating system: what was answered survives the end of the program, and the last moments before a power
    /// cut may be lost.
    Normal,
}

/// How PostgreSQL is reached.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// Without a password.
    url: Url,
    password: Option<SecretString>,
    /// The most connections of this process.
    pub connections: u32,
}

impl StorageConfig {
    /// A file, for tests.
    #[cfg(test)]
    pub(crate) fn file(path: impl Into<PathBuf>) -> Self {
        Self::Sqlite {
            path: path.into(),
            durability: Durability::Full,
        }
    }

    pub(super) fn parse(mut section: Section<'_>) -> Option<Self> {
        let is_postgres = section.has("url");
        let storage = if is_postgres {
            let rule = "must not be set together with url: the database is PostgreSQL";
            section.refuse("path", rule);
            section.refuse("durability", rule);
            PostgresConfig::parse(&mut section).map(Self::Postgres)
        } else {
            let rule = "must not be set without url: SQLite has neither passwords nor connections";
            for key in ["password", "password_file", "password_env", "connections"] {
                section.refuse(key, rule);
            }
            parse_sqlite(&mut section)
        };
        section.finish();
        storage
    }
}

impl fmt::Display for StorageConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path, .. } => {
                let absolute = std::path::absolute(path);
                absolute.as_ref().unwrap_or(path).display().fmt(f)
            }
            Self::Postgres(postgres) => postgres.url.fmt(f),
        }
    }
}

fn parse_sqlite(section: &mut Section<'_>) -> Option<StorageConfig> {
    let path = section.parsed_or("path", "auth-server.sqlite3", |path| match path {
        "" | ":memory:" => Err("must be the path of a file"),
        path => Ok(PathBuf::from(path)),
    });
    let durability = section.parsed_or("durability", "full", |durability| match durability {
        "full" => Ok(Durability::Full),
        "normal" => Ok(Durability::Normal),
        _ => Err("must be \"full\" or \"normal\""),
    });
    Some(StorageConfig::Sqlite {
        path: path?,
        durability: durability?,
    })
}

impl PostgresConfig {
    fn parse(section: &mut Section<'_>) -> Option<Self> {
        let text = section.text("url");
        let url = text.and_then(|text| match parse_url(&text) {
            Ok(url) => Some(url),
            Err(rule) => {
                // Not quoted: it may hold a password.
                section.fault("url", None, rule);
                None
            }
        });
        let password = section.optional_secret("password");
        let connections = section.number_or("connections", 16, 2..=500);
        Some(Self {
            url: url?,
            password: password?,
            connections: u32::try_from(connections?).ok()?,
        })
    }

    /// The URL with the password in it, which must not be shown to anybody.
    pub(crate) fn url_with_password(&self) -> Url {
        let mut url = self.url.clone();
        if let Some(password) = &self.password {
            #[expect(clippy::disallowed_methods, reason = "the driver takes it in this form only")]
            let password = password.expose_secret();
            let encoded = utf8_percent_encode(password, NON_ALPHANUMERIC).to_string();
            // Refused for URLs without a host only, where it is a parameter.
            if url.set_password(Some(&encoded)).is_err() {
                url.query_pairs_mut().append_pair("password", password);
            }
        }
        url
    }
}

/// What may stand behind the `?`: what the driver knows, but for what it should not be told there.
const PARAMETERS: [&str; 11] = [
    "host",
    "port",
    "user",
    "dbname",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "application_name",
    "options",
    "statement-cache-capacity",
];

/// Takes an address. Where it leads over a network and does not say otherwise, TLS with a verified certificate is asked
/// for: the driver by itself would do without when the other side wants it so.
fn parse_url(text: &str) -> Result<Url, String> {
    let shape = "must be a URL such as \"postgres://auth@db.example/auth\"";
    let mut url = Url::parse(text).map_err(|_| shape)?;
    if !matches!(url.scheme(), "postgres" | "postgresql") || url.cannot_be_a_base() {
        return Err(shape.to_owned());
    }
    if url.password().is_some() || url.query_pairs().any(|(key, _)| key == "password") {
        return Err("must not hold a password: use password_file or password_env".to_owned());
    }
    if let Some((key, _)) = url
        .query_pairs()
        .find(|(key, _)| !PARAMETERS.contains(&key.as_ref()))
    {
        return Err(format!("has the unknown parameter {key}"));
    }
    let has_database = url.path().len() > 1 || url.query_pairs().any(|(key, _)| key == "dbname");
    if !has_database {
        return Err("must name a database".to_owned());
    }
    if !url.query_pairs().any(|(key, _)| key == "sslmode") {
        let mode = if is_local(&url) { "prefer" } else { "verify-full" };
        url.query_pairs_mut().append_pair("sslmode", mode);
    }
    Ok(url)
}

/// Whether the other end is on this machine, for sure.
fn is_local(url: &Url) -> bool {
    if let Some((_, host)) = url.query_pairs().find(|(key, _)| key == "host") {
        return is_local_name(&host);
    }
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => is_local_name(name),
        // The driver then looks for a socket in the usual places, or at the environment.
        None => false,
    }
}

fn is_local_name(name: &str) -> bool {
    let is_socket = name.starts_with('/') || name.to_ascii_lowercase().starts_with("%2f");
    is_socket || matches!(name, "localhost" | "127.0.0.1" | "::1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_unknown_words_are_refused() {
        for (url, rule) in [
            ("mysql://db/auth", "must be a URL"),
            ("postgres:auth", "must be a URL"),
            ("db.example", "must be a URL"),
            ("postgres://auth:hunter2@db/auth", "must not hold a password"),
            ("postgres://db/auth?password=hunter2", "must not hold a password"),
            (
                "postgres://db/auth?ssl_mode=require",
                "has the unknown parameter ssl_mode",
            ),
            ("postgres://db", "must name a database"),
            ("postgres://db/", "must name a database"),
        ] {
            let refused = parse_url(url).unwrap_err();
            assert!(refused.starts_with(rule), "{url}: {refused}");
        }
    }

    #[test]
    fn over_a_network_certificates_are_verified_unless_it_is_said_otherwise() {
        for (url, mode) in [
            ("postgres://auth@db.example/auth", "verify-full"),
            ("postgresql://10.0.0.1:5433/auth", "verify-full"),
            ("postgres:///auth", "verify-full"),
            ("postgres://localhost/auth?host=db.example", "verify-full"),
            ("postgres://db.example/auth?sslmode=require", "require"),
            ("postgres://127.0.0.1/auth", "prefer"),
            ("postgres://[::1]/auth", "prefer"),
            ("postgres://localhost/auth", "prefer"),
            ("postgres:///auth?host=/run/postgresql", "prefer"),
            ("postgres://%2Frun%2Fpostgresql/auth", "prefer"),
        ] {
            let parsed = parse_url(url).unwrap();
            let (_, found) = parsed.query_pairs().find(|(key, _)| key == "sslmode").unwrap();
            assert_eq!(found, mode, "{url}");
        }
    }

    #[test]
    fn a_password_reaches_the_driver_as_it_is_and_nobody_else() {
        for url in [
            "postgres://auth@db.example/auth",
            "postgres:///auth?host=/run/postgresql",
        ] {
            let password = "a: p@ss/w?rd#%41";
            let config = PostgresConfig {
                url: parse_url(url).unwrap(),
                password: Some(SecretString::from(password)),
                connections: 2,
            };
            let told = config.url_with_password();
            let parameter = told.query_pairs().find(|(key, _)| key == "password");
            let found = match (told.password(), parameter) {
                (Some(encoded), None) => percent_encoding::percent_decode_str(encoded)
                    .decode_utf8()
                    .unwrap()
                    .into_owned(),
                (_, parameter) => parameter.unwrap().1.into_owned(),
            };
            assert_eq!(found, password, "{url}");
            let shown = format!("{config:?} {}", StorageConfig::Postgres(config.clone()));
            assert!(!shown.contains("p@ss") && !shown.contains("p%40ss"), "{shown}");
        }
    }
}
