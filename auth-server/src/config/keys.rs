use std::path::PathBuf;
use std::time::Duration;

use resource_server::settings::Section;

use super::{DAY, HOUR, MINUTE, some_path};
use crate::key::phase::Policy;

/// `[keys]`: the secret that everything else is sealed with, and when signing keys change.
#[derive(Debug, Clone)]
pub struct KeyConfig {
    /// The root key, mode 0600.
    pub path: PathBuf,
    /// How long a key signs.
    pub rotate_every: Duration,
    /// How long verifiers keep the key set without looking again.
    pub verifier_cache: Duration,
}

impl KeyConfig {
    pub(super) fn parse(mut section: Section<'_>) -> Option<Self> {
        let path = section.parsed_or("path", "auth-server-keys.json", some_path);
        let rotate_every = section.duration_or("rotate_every", 90 * DAY, HOUR..=3650 * DAY);
        let verifier_cache = section.duration_or("verifier_cache", HOUR, MINUTE..=30 * DAY);
        if let (Some(rotate_every), Some(verifier_cache)) = (rotate_every, verifier_cache) {
            let announced_for = Policy::announced_for(verifier_cache);
            if rotate_every < announced_for {
                let rule = format!(
                    "must be at least {}, as verifier_cache has to pass before a key may sign",
                    humantime::format_duration(announced_for)
                );
                section.fault("rotate_every", None, rule);
            }
        }
        section.finish();
        Some(Self {
            path: path?,
            rotate_every: rotate_every?,
            verifier_cache: verifier_cache?,
        })
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy::new(self.rotate_every, self.verifier_cache)
    }
}
