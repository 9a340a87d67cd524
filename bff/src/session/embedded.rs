//! The store of a single node: one file, durable across `kill -9`.
//!
//! Reads go straight to the file's current snapshot. Writes are handed to one writer thread, which puts all that wait
//! into one transaction and answers after it is on the disk: many sign-ins share one flush, and the conditional steps
//! need no lock, since nobody else writes.

mod file;
mod layout;
mod leases;
mod tables;
mod writer;

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use redb::ReadableDatabase;
use resource_server::time::{Clock, UnixTime};

use self::file::StoreFile;
use self::layout::{INDEXES, LOGOUTS, MARKS, Row, SESSIONS, TICKETS, TicketRow};
use self::leases::{Asked, Leases};
use self::tables::Tables;
use self::writer::Writer;
use super::index::IndexKey;
use super::store::{
    Change, ChangeListener, Claimed, Created, Ended, LeaseHolder, LeaseOutcome, Leased, Mark, NewSession,
    Outline, Page, Replaced, Revision, Sealed, SessionStore, StoreError, Stored, Touched,
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
    /// Nobody else opens the file, so leases need not be in it.
    leases: Arc<Leases>,
    listener: Arc<OnceLock<Arc<dyn ChangeListener>>>,
}

/// What is told is all that happens, since this process alone writes.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// How many sessions a page of a walk holds.
const PAGE: usize = 500;

impl EmbeddedStore {
    /// Opens or creates the file, readable by its owner only.
    ///
    /// # Errors
    /// When another process has it open, or it cannot be read or made.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenFileError> {
        let file = Arc::new(StoreFile::open(path)?);
        let listener = Arc::new(OnceLock::new());
        let writer = Writer::start(Arc::clone(&file), clock, Arc::clone(&listener))
            .map_err(|error| OpenFileError::Unusable(error.to_string()))?;
        Ok(Self {
            file,
            writer,
            leases: Arc::default(),
            listener,
        })
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&redb::ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let database = self.file.database().ok_or_else(closed)?;
        let transaction = database.begin_read().map_err(unreachable)?;
        read(&transaction).map_err(unreachable)
    }

    /// Runs a step on a session that lives; `None` when it has ended. The change that it made, if it made one, is told
    /// before the answer.
    async fn step<T: Send + 'static>(
        &self,
        key: &SessionKey,
        step: impl FnOnce(&mut Tables<'_>, &SessionKey, Row) -> Result<T, redb::Error> + Send + 'static,
        change: impl FnOnce(&SessionKey, &T) -> Option<Change> + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        let (key, changed) = (key.clone(), key.clone());
        let (leases, listener) = (Arc::clone(&self.leases), Arc::clone(&self.listener));
        let stepped = self.writer.write_and_tell(
            move |tables| match tables.session(&key)? {
                None => Ok(Some(None)),
                Some(bytes) => match Row::decode(&bytes) {
                    Ok(row) => step(tables, &key, row).map(|outcome| Some(Some(outcome))),
                    Err(_) => Ok(None),
                },
            },
            move |stepped| {
                let outcome = stepped.as_ref().and_then(Option::as_ref);
                if let Some(change) = outcome.and_then(|outcome| change(&changed, outcome)) {
                    leases.forget(&changed);
                    if let Some(listener) = listener.get() {
                        listener.changed(&change);
                    }
                }
            },
        );
        stepped.await?.ok_or_else(unreadable)
    }

    fn tell(&self, change: &Change) {
        if let Some(listener) = self.listener.get() {
            listener.changed(change);
        }
    }
}

#[async_trait]
impl SessionStore for EmbeddedStore {
    async fn create(&self, new: &NewSession) -> Result<Created, StoreError> {
        let new = new.clone();
        self.writer.write(move |tables| tables.add(new)).await
    }

    async fn load(&self, key: &SessionKey) -> Result<Option<Stored>, StoreError> {
        let bytes = self.read(|transaction| {
            let sessions = transaction.open_table(SESSIONS)?;
            Ok(sessions.get(key.as_str())?.map(|row| row.value().to_vec()))
        })?;
        bytes.map(|bytes| decode(&bytes)).transpose()
    }

    async fn outline(&self, key: &SessionKey) -> Result<Option<Outline>, StoreError> {
        let stored = self.load(key).await?;
        Ok(stored.map(|Stored { times, summary, .. }| Outline { times, summary }))
    }

    async fn replace(
        &self,
        key: &SessionKey,
        seen: Revision,
        sealed: &Sealed,
    ) -> Result<Replaced, StoreError> {
        let sealed = sealed.clone();
        let replaced = self.step(
            key,
            move |tables, key, mut row| {
                if row.stored.revision != seen {
                    return Ok(Replaced::LostTo(row.stored));
                }
                row.stored.revision = seen.next();
                row.stored.sealed = sealed;
                row.unanswered = 0;
                tables.sessions.insert(key.as_str(), row.encode().as_slice())?;
                Ok(Replaced::Now(seen.next()))
            },
            |key, replaced| match replaced {
                Replaced::Now(revision) => Some(Change::Replaced(key.clone(), *revision)),
                Replaced::LostTo(_) | Replaced::SessionEnded => None,
            },
        );
        Ok(replaced.await?.unwrap_or(Replaced::SessionEnded))
    }

    async fn touch(
        &self,
        key: &SessionKey,
        last_used_at: UnixTime,
        garbage_from: UnixTime,
    ) -> Result<Touched, StoreError> {
        let touched = self.step(
            key,
            move |tables, key, row| {
                tables.touch(key, row, last_used_at, garbage_from)?;
                Ok(Touched::Now)
            },
            no_change,
        );
        Ok(touched.await?.unwrap_or(Touched::SessionEnded))
    }

    async fn end(&self, key: &SessionKey) -> Result<Ended, StoreError> {
        let ended = self.step(
            key,
            |tables, key, row| {
                tables.remove(key, &row)?;
                Ok(Ended::Now)
            },
            ending,
        );
        Ok(ended.await?.unwrap_or(Ended::Before))
    }

    async fn end_at(&self, key: &SessionKey, seen: Revision) -> Result<Ended, StoreError> {
        let ended = self.step(
            key,
            move |tables, key, row| {
                if row.stored.revision != seen {
                    return Ok(Ended::LostTo(row.stored));
                }
                tables.remove(key, &row)?;
                Ok(Ended::Now)
            },
            ending,
        );
        Ok(ended.await?.unwrap_or(Ended::Before))
    }

    async fn sessions_of(&self, index: &IndexKey) -> Result<Vec<SessionKey>, StoreError> {
        self.read(|transaction| {
            let indexes = transaction.open_multimap_table(INDEXES)?;
            let mut sessions = Vec::new();
            for key in indexes.get(index.as_str())? {
                sessions.extend(SessionKey::parse(key?.value()));
            }
            Ok(sessions)
        })
    }

    async fn all_sessions(&self, from: Option<&str>) -> Result<Page, StoreError> {
        self.read(|transaction| {
            let table = transaction.open_table(SESSIONS)?;
            let mut page = Page::default();
            for entry in table.range(from.unwrap_or("")..)? {
                let (key, _) = entry?;
                if page.sessions.len() == PAGE {
                    page.next = Some(key.value().to_owned());
                    break;
                }
                page.sessions.extend(SessionKey::parse(key.value()));
            }
            Ok(page)
        })
    }

    async fn lease(
        &self,
        key: &SessionKey,
        seen: Revision,
        holder: &LeaseHolder,
        length: Duration,
    ) -> Result<Leased, StoreError> {
        let is_own = match self.leases.ask(key, seen, holder, length) {
            Asked::Granted { is_own } => is_own,
            Asked::Refused(refusal) => return Ok(refusal),
        };
        let marked = self.step(
            key,
            move |tables, key, mut row| {
                if row.stored.revision != seen {
                    return Ok(Leased::LostTo(row.stored));
                }
                let unanswered = row.unanswered.saturating_sub(u32::from(is_own));
                row.unanswered = unanswered.saturating_add(1);
                tables.sessions.insert(key.as_str(), row.encode().as_slice())?;
                Ok(Leased::Yours { unanswered })
            },
            no_change,
        );
        let marked = marked.await.map(|leased| leased.unwrap_or(Leased::SessionEnded));
        if !matches!(marked, Ok(Leased::Yours { .. })) {
            // Somebody may have asked meanwhile, and waits.
            if self.leases.give_back(key, holder, None) {
                self.tell(&Change::Released(key.clone()));
            }
        }
        marked
    }

    async fn renew_lease(
        &self,
        key: &SessionKey,
        holder: &LeaseHolder,
        length: Duration,
    ) -> Result<bool, StoreError> {
        Ok(self.leases.renew(key, holder, length))
    }

    async fn release_lease(
        &self,
        key: &SessionKey,
        holder: &LeaseHolder,
        outcome: &LeaseOutcome,
    ) -> Result<(), StoreError> {
        let answered = outcome.answered;
        if answered {
            let unmarked = self.step(
                key,
                |tables, key, mut row| {
                    row.unanswered = 0;
                    tables.sessions.insert(key.as_str(), row.encode().as_slice())?;
                    Ok(())
                },
                no_change,
            );
            unmarked.await?;
        }
        if self.leases.give_back(key, holder, outcome.failure.clone()) {
            self.tell(&Change::Released(key.clone()));
        }
        Ok(())
    }

    fn listen(&self, listener: Arc<dyn ChangeListener>) {
        listener.trusted_until(tokio::time::Instant::now() + FOREVER);
        // A second listener would be a mistake of the composition root; the first one stays.
        let _ = self.listener.set(listener);
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
        self.writer.write(move |tables| tables.drop_ticket(&ticket)).await
    }

    async fn claim(&self, mark: &Mark, until: UnixTime) -> Result<Claimed, StoreError> {
        let mark = mark.clone();
        self.writer.write(move |tables| tables.claim(&mark, until)).await
    }

    async fn is_claimed(&self, mark: &Mark) -> Result<bool, StoreError> {
        self.read(|transaction| {
            let marks = transaction.open_table(MARKS)?;
            Ok(marks.get(mark.0.as_str())?.is_some())
        })
    }

    async fn note_logout(&self, index: &IndexKey, at: UnixTime, until: UnixTime) -> Result<(), StoreError> {
        let index = index.clone();
        self.writer
            .write(move |tables| tables.note_logout(&index, at, until))
            .await
    }

    async fn noted_logout(&self, index: &IndexKey) -> Result<Option<UnixTime>, StoreError> {
        self.read(|transaction| {
            let logouts = transaction.open_table(LOGOUTS)?;
            let noted = logouts.get(index.as_str())?.map(|noted| noted.value());
            Ok(noted.map(|(at, _)| UnixTime::from_secs(at)))
        })
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

/// Of a step that changes nothing that others have a copy of.
const fn no_change<T>(_: &SessionKey, _: &T) -> Option<Change> {
    None
}

fn ending(key: &SessionKey, ended: &Ended) -> Option<Change> {
    (*ended == Ended::Now).then(|| Change::Ended(key.clone()))
}

fn decode(bytes: &[u8]) -> Result<Stored, StoreError> {
    Row::decode(bytes)
        .map(|row| row.stored)
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
