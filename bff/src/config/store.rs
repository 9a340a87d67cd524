use std::path::PathBuf;
use std::time::Duration;

use resource_server::settings::Section;
use secrecy::{ExposeSecret, SecretString};

use crate::session::redis::RedisAddress;

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
        let embedded = section.section("embedded");
        let redis = section.section("redis");
        let store = match kind.as_deref() {
            Some("embedded") => {
                redis.finish();
                Self::read_embedded(embedded)
            }
            Some("redis") => {
                embedded.finish();
                Self::read_redis(redis)
            }
            Some(other) => {
                section.fault(
                    "kind",
                    Some(format!("{other:?}")),
                    "must be \"embedded\" or \"redis\"",
                );
                None
            }
            None => None,
        };
        section.finish();
        store
    }

    fn read_embedded(mut section: Section<'_>) -> Option<Self> {
        let path = section.text_or("path", "bff-sessions.redb");
        section.finish();
        Some(Self::Embedded { path: path?.into() })
    }

    fn read_redis(mut section: Section<'_>) -> Option<Self> {
        let url = section.secret("url");
        let prefix = section.parsed_or("prefix", "cloakroom", prefix);
        let timeout = section.duration_or(
            "timeout",
            Duration::from_secs(1),
            Duration::from_millis(50)..=Duration::from_secs(30),
        );
        let address = url.and_then(|url| address(&section, &url, timeout?));
        section.finish();

        Some(Self::Redis {
            address: address?,
            prefix: prefix?,
        })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the address is parsed, and the parsed one redacts itself"
)]
fn address(section: &Section<'_>, url: &SecretString, timeout: Duration) -> Option<RedisAddress> {
    match RedisAddress::parse(url.expose_secret(), timeout) {
        Ok(address) => Some(address),
        Err(error) => {
            section.fault("url", None, error);
            None
        }
    }
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
