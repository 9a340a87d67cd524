use std::path::{Path, PathBuf};
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
    /// Where they came from, and are read again.
    pub key_ring_file: PathBuf,
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
        let key_ring = section.parsed("key_ring_file", |path| {
            read_key_ring(Path::new(path)).map(|ring| (ring, PathBuf::from(path)))
        });
        section.finish();

        let (key_ring, key_ring_file) = key_ring?;
        Some(Self {
            limits: limits?,
            key_ring,
            key_ring_file,
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

/// Reads a key ring file, at start and again when it is reloaded.
///
/// # Errors
/// What is wrong with it, in words that follow its name.
pub fn read_key_ring(path: &Path) -> Result<Arc<KeyRing>, String> {
    let text = std::fs::read_to_string(path)
        .map(zeroize::Zeroizing::new)
        .map_err(|error| {
            format!(
                "cannot be read: {error}; `bff keys generate {}` makes one",
                path.display()
            )
        })?;
    readable_by_owner_only(path)?;
    KeyRing::parse(&text)
        .map(Arc::new)
        .map_err(|error| error.to_string())
}

#[cfg(unix)]
fn readable_by_owner_only(path: &Path) -> Result<(), String> {
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
fn readable_by_owner_only(_: &Path) -> Result<(), String> {
    Ok(())
}
