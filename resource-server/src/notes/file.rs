use std::error::Error;
use std::fs::OpenOptions;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};

use super::note::{Note, NoteId, NoteText, Owner};
use super::store::{Added, MAX_NOTES_PER_OWNER, NoteStore, StoreError};
use crate::time::UnixTime;

/// Issuer, subject and place in the order of writing. A tuple keeps its parts apart, whatever they contain.
type Place<'k> = (&'k str, &'k str, u64);

const NOTES: TableDefinition<'_, Place<'_>, &[u8]> = TableDefinition::new("notes");

/// Issuer, subject and id of a note to its place.
const PLACES: TableDefinition<'_, (&str, &str, &str), u64> = TableDefinition::new("places");

/// Pages that are held in memory; the default would be a gigabyte.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// A note as it is written to the file.
#[derive(Serialize, Deserialize)]
struct Record {
    id: NoteId,
    text: NoteText,
    created_at: UnixTime,
}

/// Notes in one file that survives a restart and a crash: an `add` that has returned is on the disk.
pub struct FileStore(Arc<RwLock<Option<Database>>>);

impl FileStore {
    /// Opens the file, or makes one that only this user may read. One process at a time can have it open.
    ///
    /// # Errors
    /// When the file cannot be opened, is in use, or is something else.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let database = open(path).map_err(StoreError)?;
        Ok(Self(Arc::new(RwLock::new(Some(database)))))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let database = self.0.clone();
        // Reading may wait for the disk and writing does: neither on the thread that serves requests.
        let done = tokio::task::spawn_blocking(move || {
            let database = database.read().unwrap_or_else(PoisonError::into_inner);
            work(database.as_ref().ok_or("the notes file is closed")?)
        });
        done.await
            .map_err(|error| StoreError(error.into()))?
            .map_err(StoreError)
    }
}

type Failure = Box<dyn Error + Send + Sync>;

fn open(path: &Path) -> Result<Database, Failure> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = FileBackend::new(options.open(path)?)?;
    let database = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create_with_backend(file)?;
    // Readers find the tables from the first moment on.
    let transaction = database.begin_write()?;
    transaction.open_table(NOTES)?;
    transaction.open_table(PLACES)?;
    transaction.commit()?;
    Ok(database)
}

fn list(database: &Database, owner: &Owner) -> Result<Vec<Note>, Failure> {
    let table = database.begin_read()?.open_table(NOTES)?;
    let entries = table.range(places_of(owner))?.rev();
    entries.map(|entry| note(entry?.1.value())).collect()
}

fn find(database: &Database, owner: &Owner, id: &NoteId) -> Result<Option<Note>, Failure> {
    let transaction = database.begin_read()?;
    let places = transaction.open_table(PLACES)?;
    let Some(place) = places.get((owner.issuer.as_str(), owner.subject.as_str(), id.as_str()))? else {
        return Ok(None);
    };
    let notes = transaction.open_table(NOTES)?;
    let record = notes.get((owner.issuer.as_str(), owner.subject.as_str(), place.value()))?;
    record.map(|record| note(record.value())).transpose()
}

fn add(database: &Database, owner: &Owner, note: Note) -> Result<Added, Failure> {
    let (issuer, subject) = (owner.issuer.as_str(), owner.subject.as_str());
    // There is one writer at a time, so that what is counted here is still true when it is written.
    let transaction = database.begin_write()?;
    {
        let mut notes = transaction.open_table(NOTES)?;
        let (count, place) = {
            let mut held = notes.range(places_of(owner))?;
            let last = held.next_back().transpose()?.map(|(place, _)| place.value().2);
            (
                held.count() + usize::from(last.is_some()),
                last.map_or(0, |last| last + 1),
            )
        };
        if count >= MAX_NOTES_PER_OWNER {
            return Ok(Added::NoRoom);
        }
        let Note { id, text, created_at } = note;
        let record = serde_json::to_vec(&Record {
            id: id.clone(),
            text,
            created_at,
        })?;
        notes.insert((issuer, subject, place), record.as_slice())?;
        transaction
            .open_table(PLACES)?
            .insert((issuer, subject, id.as_str()), place)?;
    }
    transaction.commit()?;
    Ok(Added::Now)
}

fn places_of(owner: &Owner) -> std::ops::RangeInclusive<Place<'_>> {
    let (issuer, subject) = (owner.issuer.as_str(), owner.subject.as_str());
    (issuer, subject, 0)..=(issuer, subject, u64::MAX)
}

fn note(record: &[u8]) -> Result<Note, Failure> {
    let Record { id, text, created_at } = serde_json::from_slice(record)?;
    Ok(Note { id, text, created_at })
}

impl std::fmt::Debug for FileStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileStore")
    }
}

#[async_trait]
impl NoteStore for FileStore {
    async fn list(&self, owner: &Owner) -> Result<Vec<Note>, StoreError> {
        let owner = owner.clone();
        self.blocking(move |database| list(database, &owner)).await
    }

    async fn find(&self, owner: &Owner, id: &NoteId) -> Result<Option<Note>, StoreError> {
        let (owner, id) = (owner.clone(), id.clone());
        self.blocking(move |database| find(database, &owner, &id)).await
    }

    async fn add(&self, owner: &Owner, note: Note) -> Result<Added, StoreError> {
        let owner = owner.clone();
        self.blocking(move |database| add(database, &owner, note)).await
    }

    async fn close(&self) {
        let database = self.0.clone();
        let closed = tokio::task::spawn_blocking(move || {
            // Those who read or write hold the lock: it is had when they are done.
            let database = database.write().unwrap_or_else(PoisonError::into_inner).take();
            drop(database);
        });
        if let Err(error) = closed.await {
            tracing::error!(%error, "the notes file was not closed cleanly");
        }
    }
}
