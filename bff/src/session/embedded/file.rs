//! The open file, and how it is opened again after a failed write.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redb::backends::FileBackend;
use redb::{Database, DatabaseError};

use super::{OpenFileError, layout};

/// What the page cache may take; redb's own default is a gigabyte.
const CACHE_BYTES: usize = 32 * 1024 * 1024;
/// How long readers are waited for before the file is opened again; a read takes microseconds.
const READERS_PATIENCE: Duration = Duration::from_secs(1);
const READERS_PAUSE: Duration = Duration::from_millis(1);

/// The file of an embedded store.
///
/// After one failed write (a full disk, say) redb refuses all further ones until the file is opened again. Without that,
/// a disk that was full for a minute would keep everybody from signing in until somebody restarts the program.
#[derive(Debug)]
pub(super) struct StoreFile {
    path: PathBuf,
    /// Empty while it cannot be opened, and after the end.
    database: ArcSwapOption<Database>,
    is_closed: AtomicBool,
}

impl StoreFile {
    pub(super) fn open(path: &Path) -> Result<Self, OpenFileError> {
        Ok(Self {
            path: path.to_owned(),
            database: ArcSwapOption::new(Some(Arc::new(open(path)?))),
            is_closed: AtomicBool::new(false),
        })
    }

    pub(super) fn database(&self) -> Option<Arc<Database>> {
        self.database.load_full()
    }

    /// Lets go of the file for good; whoever still reads finishes.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.database.store(None);
    }

    /// Opens the file again. Only the writer's thread does so, and no transaction of its own is open then.
    pub(super) fn open_again(&self) -> Result<(), OpenFileError> {
        if let Some(database) = self.database.swap(None) {
            drop_last(database);
        }
        let database = Arc::new(open(&self.path)?);
        // A store that was closed meanwhile stays so.
        if !self.is_closed.load(Ordering::SeqCst) {
            self.database.store(Some(database));
        }
        Ok(())
    }
}

/// Waits for the last reader, so that the file's lock is free.
fn drop_last(database: Arc<Database>) {
    let mut held = database;
    let mut waited = Duration::ZERO;
    while waited < READERS_PATIENCE {
        match Arc::try_unwrap(held) {
            Ok(_) => return,
            Err(still_read) => held = still_read,
        }
        thread::sleep(READERS_PAUSE);
        waited += READERS_PAUSE;
    }
}

fn open(path: &Path) -> Result<Database, OpenFileError> {
    let unusable = |error: &dyn std::fmt::Display| OpenFileError::Unusable(error.to_string());
    let file = owner_only(path).map_err(|error| unusable(&error))?;
    let opened = FileBackend::new(file).and_then(|backend| {
        Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create_with_backend(backend)
    });
    let database = opened.map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => OpenFileError::InUse,
        other => unusable(&other),
    })?;
    layout::create_tables(&database).map_err(|error| unusable(&error))?;
    Ok(database)
}

/// Opens the file so that nobody but its owner can read it from its first byte on.
fn owner_only(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
