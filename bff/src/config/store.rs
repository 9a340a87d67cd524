use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use resource_server::settings::{Fault, Section};
use secrecy::{ExposeSecret, SecretString};

use crate::session::redis::{
    CertificateAuthority, ConnectError, Credentials, NodeAddress, RedisAddress, RedisAddressError,
};

/// `[store]`: where sessions rest.
#[derive(Debug)]
pub enum StoreConfig {
    /// One file, for one node.
    Embedded {
        /// The file.
        path: PathBuf,
    },
    /// Redis, for several nodes.
    Redis {
        /// Where it is.
        address: RedisAddress,
        /// What all keys begin with.
        prefix: String,
    },
}

impl StoreConfig {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let kind = section.text_or("kind", "embedded");
        let mut embedded = section.section("embedded");
        let mut redis = section.section("redis");
        let store = match kind.as_deref() {
            Some("embedded") => {
                for key in REDIS_KEYS {
                    redis.refuse(key, "is for kind = \"redis\"");
                }
                redis.finish();
                Self::read_embedded(embedded)
            }
            Some("redis") => {
                for key in EMBEDDED_KEYS {
                    embedded.refuse(key, "is for kind = \"embedded\"");
                }
                embedded.finish();
                Self::read_redis(redis)
            }
            other => {
                if let Some(other) = other {
                    let rule = "must be \"embedded\" or \"redis\"";
                    section.fault("kind", Some(format!("{other:?}")), rule);
                }
                embedded.forgo(EMBEDDED_KEYS);
                embedded.finish();
                redis.forgo(REDIS_KEYS);
                redis.finish();
                None
            }
        };
        section.finish();
        store
    }

    /// Looks whether what is configured of the store is there. The embedded file is looked at when it is opened.
    ///
    /// # Errors
    /// The fault, if waiting does not mend it.
    pub async fn probe(&self) -> Result<(), Fault> {
        match self {
            Self::Embedded { .. } => Ok(()),
            Self::Redis { address, .. } => address.probe().await.map_err(|error| fault_of(address, &error)),
        }
    }

    fn read_embedded(mut section: Section<'_>) -> Option<Self> {
        let path = section.text_or("path", "bff-sessions.redb");
        section.finish();
        Some(Self::Embedded { path: path?.into() })
    }

    fn read_redis(mut section: Section<'_>) -> Option<Self> {
        let prefix = section.parsed_or("prefix", "cloakroom", prefix);
        let timeout = section.duration_or(
            "timeout",
            Duration::from_secs(1),
            Duration::from_millis(50)..=Duration::from_secs(30),
        );
        let authority = section.optional_parsed("ca_file", authority);
        let form = section.text_or("topology", "standalone");
        let common = authority.zip(timeout);
        let address = match form.as_deref() {
            Some("standalone") => standalone(&mut section, common),
            Some("sentinel") => sentinel(&mut section, common),
            Some("cluster") => cluster(&mut section, common),
            other => {
                if let Some(other) = other {
                    let rule = "must be \"standalone\", \"sentinel\" or \"cluster\"";
                    section.fault("topology", Some(format!("{other:?}")), rule);
                }
                section.forgo(REDIS_KEYS);
                None
            }
        };
        section.finish();

        Some(Self::Redis {
            address: address?,
            prefix: prefix?,
        })
    }
}

const EMBEDDED_KEYS: &[&str] = &["path"];

/// Every key of `[store.redis]`, in whichever form; and the secrets themselves, which stand in no file.
const REDIS_KEYS: &[&str] = &[
    "topology",
    "url",
    "url_file",
    "url_env",
    "nodes",
    "master",
    "username",
    "password",
    "password_file",
    "password_env",
    "database",
    "sentinel_username",
    "sentinel_password",
    "sentinel_password_file",
    "sentinel_password_env",
    "ca_file",
    "prefix",
    "timeout",
];

/// The key that contradicts what is there.
fn fault_of(address: &RedisAddress, error: &ConnectError) -> Fault {
    let (key, value) = match error {
        ConnectError::NoSentinel(_) | ConnectError::NoNode(_) => {
            ("nodes", Some(format!("{:?}", address.nodes())))
        }
        ConnectError::UnknownMaster(master) => ("master", Some(format!("{master:?}"))),
        ConnectError::OtherForm { configured, .. } => ("topology", Some(format!("{configured:?}"))),
        _ if address.nodes().is_empty() => ("url", None),
        _ => ("nodes", None),
    };
    Fault {
        key: format!("store.redis.{key}"),
        value,
        rule: error.to_string(),
    }
}

/// What all forms have: the CA, and the time-out.
type Common = Option<(Option<CertificateAuthority>, Duration)>;

#[expect(
    clippy::disallowed_methods,
    reason = "the address is parsed, and the parsed one redacts itself"
)]
fn standalone(section: &mut Section<'_>, common: Common) -> Option<RedisAddress> {
    section.refuse(
        "nodes",
        "is for topology sentinel and cluster; a single server is named by url",
    );
    section.refuse("username", IN_THE_URL);
    refuse_secret(section, "password", IN_THE_URL);
    section.refuse("database", IN_THE_URL);
    refuse_what_sentinels_need(section);
    let url = section.secret("url");
    let (authority, timeout) = common?;
    let address = RedisAddress::standalone(url?.expose_secret(), authority.as_ref(), timeout);
    keep(section, "url", address)
}

fn sentinel(section: &mut Section<'_>, common: Common) -> Option<RedisAddress> {
    refuse_url(section);
    let nodes = nodes(section);
    let master = section.text("master");
    let at_servers = credentials(
        section.optional_text("username"),
        section.optional_secret("password"),
    );
    let at_sentinels = credentials(
        section.optional_text("sentinel_username"),
        section.optional_secret("sentinel_password"),
    );
    let database = section.number_or("database", 0, 0..=u64::from(u16::MAX));
    let (authority, timeout) = common?;
    let at_servers = at_servers?;
    let database = i64::try_from(database?).ok()?;
    let address = RedisAddress::sentinel(
        &nodes?,
        &at_sentinels?,
        master?,
        (&at_servers, database),
        authority.as_ref(),
        timeout,
    );
    keep(section, "nodes", address)
}

fn cluster(section: &mut Section<'_>, common: Common) -> Option<RedisAddress> {
    refuse_url(section);
    section.refuse("database", "is not for topology cluster, which has one database");
    refuse_what_sentinels_need(section);
    let nodes = nodes(section);
    let credentials = credentials(
        section.optional_text("username"),
        section.optional_secret("password"),
    );
    let (authority, timeout) = common?;
    let address = RedisAddress::cluster(&nodes?, &credentials?, authority.as_ref(), timeout);
    keep(section, "nodes", address)
}

const IN_THE_URL: &str = "is for topology sentinel and cluster; of a single server it stands in url";

fn refuse_url(section: &mut Section<'_>) {
    let rule = "is for topology standalone; several servers are named by nodes";
    refuse_secret(section, "url", rule);
}

fn refuse_what_sentinels_need(section: &mut Section<'_>) {
    let rule = "is for topology sentinel only";
    section.refuse("master", rule);
    section.refuse("sentinel_username", rule);
    refuse_secret(section, "sentinel_password", rule);
}

/// Refuses a secret that is for another form, also where it stands in the file itself.
fn refuse_secret(section: &mut Section<'_>, key: &str, rule: &str) {
    let (file_key, env_key) = (format!("{key}_file"), format!("{key}_env"));
    section.refuse(
        key,
        format!("{rule}; and a secret stands in no such file: use {file_key} or {env_key}"),
    );
    section.refuse(&file_key, rule);
    section.refuse(&env_key, rule);
}

fn nodes(section: &mut Section<'_>) -> Option<Vec<NodeAddress>> {
    let texts = section.texts_or("nodes", &[])?;
    let mut nodes = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        // Not quoted: it may hold a password although it must not.
        nodes.push(keep(
            section,
            &format!("nodes[{index}]"),
            NodeAddress::parse(text),
        ));
    }
    nodes.into_iter().collect()
}

fn credentials(
    username: Option<Option<String>>,
    password: Option<Option<SecretString>>,
) -> Option<Credentials> {
    Some(Credentials {
        username: username?,
        password: password?,
    })
}

fn keep<T>(section: &Section<'_>, key: &str, parsed: Result<T, RedisAddressError>) -> Option<T> {
    match parsed {
        Ok(parsed) => Some(parsed),
        Err(error) => {
            let key = match error {
                RedisAddressError::CaWithoutTls | RedisAddressError::NoCertificates => "ca_file",
                _ => key,
            };
            section.fault(key, None, error);
            None
        }
    }
}

fn authority(path: &str) -> Result<CertificateAuthority, String> {
    let pem = fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    CertificateAuthority::parse(pem).map_err(|error| error.to_string())
}

fn prefix(text: &str) -> Result<String, &'static str> {
    let fits = !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if fits {
        Ok(text.to_owned())
    } else {
        Err("must be letters, digits, -, _ and . only")
    }
}
