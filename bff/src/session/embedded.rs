//! The store of a single node: one file, durable across `kill -9`.
//!
//! Reads go straight to the file's current snapshot. Writes are handed to one writer thread, which puts all that wait
//! into one transaction and answers after it is on the disk: many sign-ins share one flush, and the conditional steps
//! need no lock, since nobody else writes.

mod file;
mod layout;
mod writer;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use redb::{ReadableDatabase, ReadableTable};
use resource_server::time::{Clock, UnixTime};

use self::file::StoreFile;
use self::layout::{SESSIONS, StoredRow, TICKETS, TicketRow};
use self::writer::Writer;
use super::store::{
    Claimed, Created, Ended, Mark, Replaced, Revision, Sealed, SessionStore, StoreError, Stored, Touched,
};
use super::{RecordKey, SessionKey};

/// Why the file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFileError {
    /// Another process holds it.
    #[error("another process has this file open; an embedded store belongs to one BFF alone")]
    InUse,
    /// The file system, or what the file holds.
    #[error("cannot be opened as a session store: {0}")]
    Unusable(String),
}

/// The embedded store.
#[derive(Debug)]
pub struct EmbeddedStore {
    file: Arc<StoreFile>,
    writer: Writer,
}

impl EmbeddedStore {
    /// Opens or creates the file, readable by its owner only.
    ///
    /// # Errors
    /// When another process has it open, or it cannot be read or made.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenFileError> {
        let file = Arc::new(StoreFile::open(path)?);
        let writer = Writer::start(Arc::clone(&file), clock)
            .map_err(|error| OpenFileError::Unusable(error.to_string()))?;
        Ok(Self { file, writer })
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&redb::ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let database = self.file.database().ok_or_else(closed)?;
        let transaction = database.begin_read().map_err(unreachable)?;
        read(&transaction).map_err(unreachable)
    }
}

#[async_trait]
impl SessionStore for EmbeddedStore {
    async fn create(
        &self,
        key: &SessionKey,
        stored: &Stored,
        garbage_from: UnixTime,
    ) -> Result<Created, StoreError> {
        let (key, row) = (key.clone(), StoredRow::encode(stored, garbage_from));
        self.writer
            .write(move |tables| {
                if tables.sessions.get(key.as_str())?.is_some() {
                    return Ok(Created::KeyTaken);
                }
                tables.sessions.insert(key.as_str(), row.as_slice())?;
                Ok(Created::Now)
            })
            .await
    }

    async fn load(&self, key: &SessionKey) -> Result<Option<Stored>, StoreError> {
        let bytes = self.read(|transaction| {
            let sessions = transaction.open_table(SESSIONS)?;
            Ok(sessions.get(key.as_str())?.map(|row| row.value().to_vec()))
        })?;
        bytes.map(|bytes| decode(&bytes)).transpose()
    }

    async fn replace(
        &self,
        key: &SessionKey,
        seen: Revision,
        sealed: &Sealed,
    ) -> Result<Replaced, StoreError> {
        let (key, sealed) = (key.clone(), sealed.clone());
        let replaced = self
            .writer
            .write(move |tables| {
                let Some(row) = tables.session(&key)? else {
                    return Ok(Ok(Replaced::SessionEnded));
                };
                let Ok((stored, garbage_from)) = StoredRow::decode(&row) else {
                    return Ok(Err(row));
                };
                if stored.revision != seen {
                    return Ok(Ok(Replaced::LostTo(stored)));
                }
                let next = Stored {
                    revision: seen.next(),
                    sealed,
                    ..stored
                };
                let row = StoredRow::encode(&next, garbage_from);
                tables.sessions.insert(key.as_str(), row.as_slice())?;
                Ok(Ok(Replaced::Now(next.revision)))
            })
            .await?;
        replaced.map_err(|_| unreadable())
    }

    async fn touch(
        &self,
        key: &SessionKey,
        last_used_at: UnixTime,
        garbage_from: UnixTime,
    ) -> Result<Touched, StoreError> {
        let key = key.clone();
        let touched = self
            .writer
            .write(move |tables| {
                let Some(row) = tables.session(&key)? else {
                    return Ok(Ok(Touched::SessionEnded));
                };
                let Ok((mut stored, held)) = StoredRow::decode(&row) else {
                    return Ok(Err(row));
                };
                if stored.times.last_used_at < last_used_at {
                    stored.times.last_used_at = last_used_at;
                    let row = StoredRow::encode(&stored, garbage_from.max(held));
                    tables.sessions.insert(key.as_str(), row.as_slice())?;
                }
                Ok(Ok(Touched::Now))
            })
            .await?;
        touched.map_err(|_| unreadable())
    }

    async fn end(&self, key: &SessionKey) -> Result<Ended, StoreError> {
        let key = key.clone();
        self.writer
            .write(move |tables| {
                let held = tables.sessions.remove(key.as_str())?;
                Ok(if held.is_some() { Ended::Now } else { Ended::Before })
            })
            .await
    }

    async fn end_at(&self, key: &SessionKey, seen: Revision) -> Result<Ended, StoreError> {
        let key = key.clone();
        let ended = self
            .writer
            .write(move |tables| {
                let Some(row) = tables.session(&key)? else {
                    return Ok(Ok(Ended::Before));
                };
                let Ok((stored, _)) = StoredRow::decode(&row) else {
                    return Ok(Err(row));
                };
                if stored.revision != seen {
                    return Ok(Ok(Ended::LostTo(stored)));
                }
                tables.sessions.remove(key.as_str())?;
                Ok(Ok(Ended::Now))
            })
            .await?;
        ended.map_err(|_| unreadable())
    }

    async fn put_ticket(
        &self,
        ticket: &RecordKey,
        session: &SessionKey,
        garbage_from: UnixTime,
    ) -> Result<(), StoreError> {
        let (ticket, row) = (ticket.clone(), TicketRow::encode(session, garbage_from));
        self.writer
            .write(move |tables| {
                tables.tickets.insert(ticket.as_str(), row.as_slice())?;
                Ok(())
            })
            .await
    }

    async fn session_of(&self, ticket: &RecordKey) -> Result<Option<SessionKey>, StoreError> {
        let bytes = self.read(|transaction| {
            let tickets = transaction.open_table(TICKETS)?;
            Ok(tickets.get(ticket.as_str())?.map(|row| row.value().to_vec()))
        })?;
        match bytes {
            None => Ok(None),
            Some(bytes) => TicketRow::decode(&bytes)
                .map(|(session, _)| Some(session))
                .ok_or_else(unreadable),
        }
    }

    async fn drop_ticket(&self, ticket: &RecordKey) -> Result<(), StoreError> {
        let ticket = ticket.clone();
        self.writer
            .write(move |tables| {
                tables.tickets.remove(ticket.as_str())?;
                Ok(())
            })
            .await
    }

    async fn claim(&self, mark: &Mark, until: UnixTime) -> Result<Claimed, StoreError> {
        let mark = mark.clone();
        self.writer
            .write(move |tables| {
                if tables.marks.get(mark.0.as_str())?.is_some() {
                    return Ok(Claimed::Before);
                }
                tables.marks.insert(mark.0.as_str(), until.as_secs())?;
                Ok(Claimed::First)
            })
            .await
    }

    /// Asks the writer and not only the file: a store that can be read and not written is not ready.
    async fn check(&self) -> Result<(), StoreError> {
        self.writer.write(|_| Ok(())).await
    }

    async fn close(&self) {
        self.file.close();
        self.writer.close().await;
    }
}

fn decode(bytes: &[u8]) -> Result<Stored, StoreError> {
    StoredRow::decode(bytes)
        .map(|(stored, _)| stored)
        .map_err(|error| StoreError::Unreadable(error.into()))
}

fn unreadable() -> StoreError {
    StoreError::Unreadable(anyhow::anyhow!(
        "a row of the embedded store has an unknown layout"
    ))
}

fn unreachable(error: impl Into<anyhow::Error>) -> StoreError {
    StoreError::Unreachable(error.into())
}

fn closed() -> StoreError {
    StoreError::Unreachable(anyhow::anyhow!(
        "the embedded store is closed or could not be opened again"
    ))
}
