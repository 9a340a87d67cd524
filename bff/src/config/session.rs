use std::sync::Arc;
use std::time::Duration;

use resource_server::settings::Section;

use crate::session::key_ring::KeyRing;
use crate::session::lifetime::Limits;

const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// `[session]`: how long sessions last, and what seals them.
#[derive(Debug)]
pub struct SessionConfig {
    /// Idle and absolute lifetime.
    pub limits: Limits,
    /// The sealing keys and the cookie key.
    pub key_ring: Arc<KeyRing>,
}

impl SessionConfig {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let idle = section.duration_or("idle_timeout", Duration::from_secs(3600), SHORTEST..=LONGEST);
        let absolute = section.duration_or(
            "absolute_timeout",
            Duration::from_secs(8 * 3600),
            SHORTEST..=LONGEST,
        );
        let limits = limits(&section, idle, absolute);
        let key_ring = section.parsed("key_ring_file", key_ring);
        section.finish();

        Some(Self {
            limits: limits?,
            key_ring: key_ring?,
        })
    }
}

fn limits(section: &Section<'_>, idle: Option<Duration>, absolute: Option<Duration>) -> Option<Limits> {
    let (idle, absolute) = (idle?, absolute?);
    if idle > absolute {
        let value = Some(format!("{idle:?}"));
        section.fault(
            "idle_timeout",
            value,
            format!("must not be above session.absolute_timeout ({absolute:?})"),
        );
        return None;
    }
    Some(Limits { idle, absolute })
}

fn key_ring(path: &str) -> Result<Arc<KeyRing>, String> {
    let text = std::fs::read_to_string(path)
        .map(zeroize::Zeroizing::new)
        .map_err(|error| format!("cannot be read: {error}; `bff keys generate {path}` makes one"))?;
    readable_by_owner_only(path)?;
    KeyRing::parse(&text)
        .map(Arc::new)
        .map_err(|error| error.to_string())
}

#[cfg(unix)]
fn readable_by_owner_only(path: &str) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path)
        .map_err(|error| error.to_string())?
        .permissions()
        .mode();
    if mode & 0o007 != 0 {
        return Err(format!(
            "everybody on this machine may use it (mode {:03o}); chmod 600 it",
            mode & 0o777
        ));
    }
    Ok(())
}

#[cfg(not(unix))]
fn readable_by_owner_only(_: &str) -> Result<(), String> {
    Ok(())
}
