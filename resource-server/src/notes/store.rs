use std::error::Error;
use std::fmt;

use async_trait::async_trait;

use super::note::{Note, NoteId, Owner};

/// How many notes one person can have, so that nobody fills the store alone.
pub const MAX_NOTES_PER_OWNER: usize = 500;

/// Where notes are kept. No method shows or touches the notes of anybody but the owner.
#[async_trait]
pub trait NoteStore: fmt::Debug + Send + Sync {
    /// The owner's notes, newest first.
    async fn list(&self, owner: &Owner) -> Result<Vec<Note>, StoreError>;

    /// One note of the owner; another's is as good as none.
    async fn find(&self, owner: &Owner, id: &NoteId) -> Result<Option<Note>, StoreError>;

    /// Keeps a note; counting and adding are one step.
    async fn add(&self, owner: &Owner, note: Note) -> Result<Added, StoreError>;

    /// Lets work in flight come to its end and gives back what the store holds, a file for example. Nothing is read
    /// or written afterwards; closing twice is not an error.
    async fn close(&self);
}

/// How a [`NoteStore::add`] turned out.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// The note is kept.
    Now,
    /// The owner has [`MAX_NOTES_PER_OWNER`] already.
    NoRoom,
}

/// The store could not do it; the notes it holds are unchanged.
#[derive(Debug, thiserror::Error)]
#[error("the notes could not be read or written")]
pub struct StoreError(#[source] pub Box<dyn Error + Send + Sync>);
