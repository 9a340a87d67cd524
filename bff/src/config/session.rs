use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use resource_server::settings::Section;

use crate::session::key_ring::KeyRing;
use crate::session::lifetime::Limits;
use crate::session::registry::{Cap, DeviceBinding, WhenExceeded};

const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
/// Each login looks at all sessions of its user.
const MOST_PER_USER: u64 = 100;

/// `[session]`: how long sessions last, and what seals them.
#[derive(Debug)]
pub struct SessionConfig {
    /// Idle and absolute lifetime.
    pub limits: Limits,
    /// The sealing keys and the cookie key.
    pub key_ring: Arc<KeyRing>,
    /// Where they came from, and are read again.
    pub key_ring_file: PathBuf,
    /// How many sessions a user may have; `None` is as many as they like.
    pub cap: Option<Cap>,
    /// What happens to a session that turns up on another device.
    pub device_binding: DeviceBinding,
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
        let most = section.number_or("max_per_user", 0, 0..=MOST_PER_USER);
        let when_exceeded = section.parsed_or("when_exceeded", "oldest_out", when_exceeded);
        let device_binding = section.parsed_or("device_binding", "report", device_binding);
        section.finish();

        let (key_ring, key_ring_file) = key_ring?;
        Some(Self {
            limits: limits?,
            key_ring,
            key_ring_file,
            cap: cap(most?, when_exceeded?),
            device_binding: device_binding?,
        })
    }
}

fn cap(most: u64, when_exceeded: WhenExceeded) -> Option<Cap> {
    let most = NonZeroUsize::new(usize::try_from(most).ok()?)?;
    Some(Cap { most, when_exceeded })
}

fn when_exceeded(text: &str) -> Result<WhenExceeded, &'static str> {
    match text {
        "oldest_out" => Ok(WhenExceeded::OldestOut),
        "refuse" => Ok(WhenExceeded::Refuse),
        _ => Err("must be \"oldest_out\" or \"refuse\""),
    }
}

fn device_binding(text: &str) -> Result<DeviceBinding, &'static str> {
    match text {
        "off" => Ok(DeviceBinding::Off),
        "report" => Ok(DeviceBinding::Report),
        "end" => Ok(DeviceBinding::End),
        _ => Err("must be \"off\", \"report\" or \"end\""),
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
