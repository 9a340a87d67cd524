//! The time that the servers of a story believe in.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use resource_server::time::{Clock, ManualClock, UnixTime};

/// A clock that stands still unless a story moves it. Its hand is in a file, from which libfaketime reads it for every
/// process that is started with [`environment`](Self::environment): the program itself knows no clock but the system's.
#[derive(Debug, Clone)]
pub(crate) struct StoryClock {
    hand: ManualClock,
    file: Arc<File>,
    path: Arc<Path>,
}

impl StoryClock {
    /// A clock of a folder's.
    pub(super) fn in_folder(folder: &Path) -> Self {
        let path = folder.join("clock");
        let clock = Self {
            hand: ManualClock::new(UnixTime::from_secs(1_800_000_000)),
            file: Arc::new(File::create_new(&path).unwrap()),
            path: Arc::from(path),
        };
        clock.show();
        clock
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.hand.advance(by);
        self.show();
    }

    pub(crate) fn set_back(&self, by: Duration) {
        self.hand.set_back(by);
        self.show();
    }

    /// Ten digits whatever the time, so that nobody reads half of another one.
    fn show(&self) {
        let text = format!("{:010}", self.now().as_secs());
        self.file.write_all_at(text.as_bytes(), 0).unwrap();
    }

    /// What makes a process go by this clock. What it measures, as time-outs, goes by the kernel's steady clock.
    pub(super) fn environment(&self) -> [(&'static str, PathBuf); 6] {
        [
            ("LD_PRELOAD", library()),
            ("FAKETIME_TIMESTAMP_FILE", self.path.to_path_buf()),
            ("FAKETIME_FMT", "%s".into()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
            ("NO_FAKE_STAT", "1".into()),
        ]
    }
}

impl Clock for StoryClock {
    fn now(&self) -> UnixTime {
        self.hand.now()
    }
}

/// Where libfaketime is: Debian and Fedora have a folder for each architecture.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten();
    let folders = folders.filter_map(|folder| Some(folder.ok()?.path()));
    folders
        .chain(["/usr/lib", "/usr/lib64"].map(PathBuf::from))
        .map(|folder| folder.join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.exists())
        .expect("libfaketime is not installed: `make test` installs what the tests need (tests/setup.sh)")
}
