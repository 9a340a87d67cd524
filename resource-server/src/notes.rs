//! Notes that a person writes to themself: the example of an API behind access tokens.

mod endpoint;
mod file;
mod memory;
mod note;
mod store;

pub use endpoint::{READ_SCOPE, WRITE_SCOPE, configure};
pub use file::FileStore;
pub use memory::MemoryStore;
pub use note::{MAX_TEXT_CHARS, Note, NoteId, NoteText, Owner, TextError};
pub use store::{Added, MAX_NOTES_PER_OWNER, NoteStore, StoreError};

#[cfg(test)]
mod store_contract;
