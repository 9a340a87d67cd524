use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::note::{Note, NoteId, Owner};
use super::store::{Added, MAX_NOTES_PER_OWNER, NoteStore, StoreError};

/// Notes that end with the process.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<HashMap<Owner, Vec<Note>>>);

impl MemoryStore {
    fn lock(&self) -> MutexGuard<'_, HashMap<Owner, Vec<Note>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl NoteStore for MemoryStore {
    async fn list(&self, owner: &Owner) -> Result<Vec<Note>, StoreError> {
        let notes = self.lock();
        Ok(notes
            .get(owner)
            .map(|notes| notes.iter().rev().cloned().collect())
            .unwrap_or_default())
    }

    async fn find(&self, owner: &Owner, id: &NoteId) -> Result<Option<Note>, StoreError> {
        let notes = self.lock();
        Ok(notes
            .get(owner)
            .and_then(|notes| notes.iter().find(|note| note.id == *id))
            .cloned())
    }

    async fn add(&self, owner: &Owner, note: Note) -> Result<Added, StoreError> {
        let mut notes = self.lock();
        let notes = notes.entry(owner.clone()).or_default();
        if notes.len() >= MAX_NOTES_PER_OWNER {
            return Ok(Added::NoRoom);
        }
        notes.push(note);
        Ok(Added::Now)
    }

    async fn close(&self) {
        self.lock().clear();
    }
}
