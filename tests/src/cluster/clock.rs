//! One clock for many processes: an instant in a file.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use resource_server::time::{Clock, UnixTime};

/// A clock whose hand is in a file, so that it moves for all processes at once, also for one that is stopped.
#[derive(Debug)]
pub struct SharedClock(File);

impl SharedClock {
    /// Makes the file.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: &Path, now: UnixTime) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let clock = Self(options.read(true).write(true).create_new(true).open(path)?);
        clock.set(now)?;
        Ok(clock)
    }

    /// Reads the time that another process sets.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn open(path: &Path) -> io::Result<Self> {
        File::open(path).map(Self)
    }

    /// Moves the hand.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set(&self, now: UnixTime) -> io::Result<()> {
        self.0.write_all_at(&now.as_secs().to_le_bytes(), 0)
    }
}

impl Clock for SharedClock {
    fn now(&self) -> UnixTime {
        let mut seconds = [0; 8];
        self.0
            .read_exact_at(&mut seconds, 0)
            .expect("the clock's file has eight bytes");
        UnixTime::from_secs(i64::from_le_bytes(seconds))
    }
}
