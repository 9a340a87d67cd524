//! The one thread that writes: it gathers what waits, commits it together and answers afterwards.

use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use redb::{MultimapTable, ReadableTable, Table, WriteTransaction};
use resource_server::time::{Clock, UnixTime};
use tokio::sync::{mpsc, oneshot};

use super::file::StoreFile;
use super::layout::{INDEXES, MARKS, Row, SESSIONS, TICKETS, TicketRow};
use super::unreachable;
use crate::errors::chain;
use crate::session::SessionKey;
use crate::session::store::StoreError;

/// How many writes share a transaction at most; it bounds how long the first of them waits.
const GROUP_LIMIT: usize = 256;
/// How many writes may wait before callers are held back.
const QUEUE_LIMIT: usize = 4_096;
/// How often records that have expired are swept out.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// The tables of one write transaction.
pub(super) struct Tables<'t> {
    pub(super) sessions: Table<'t, &'static str, &'static [u8]>,
    pub(super) tickets: Table<'t, &'static str, &'static [u8]>,
    pub(super) indexes: MultimapTable<'t, &'static str, &'static str>,
    pub(super) marks: Table<'t, &'static str, i64>,
}

impl<'t> Tables<'t> {
    fn open(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            sessions: transaction.open_table(SESSIONS)?,
            tickets: transaction.open_table(TICKETS)?,
            indexes: transaction.open_multimap_table(INDEXES)?,
            marks: transaction.open_table(MARKS)?,
        })
    }

    pub(super) fn session(&self, key: &SessionKey) -> Result<Option<Vec<u8>>, redb::Error> {
        Ok(self.sessions.get(key.as_str())?.map(|row| row.value().to_vec()))
    }

    /// Removes a session together with what leads to it.
    pub(super) fn remove(&mut self, key: &SessionKey, row: &Row) -> Result<(), redb::Error> {
        for index in row.owner.indexes() {
            self.indexes.remove(index.as_str(), key.as_str())?;
        }
        self.sessions.remove(key.as_str())?;
        Ok(())
    }

    fn sweep(&mut self, now: UnixTime) -> Result<(), redb::Error> {
        let mut over = Vec::new();
        for entry in self.sessions.iter()? {
            let (key, row) = entry?;
            if Row::garbage_from(row.value()) <= now
                && let (Some(key), Ok(row)) = (SessionKey::parse(key.value()), Row::decode(row.value()))
            {
                over.push((key, row));
            }
        }
        for (key, row) in over {
            self.remove(&key, &row)?;
        }
        self.tickets
            .retain(|_, row| TicketRow::decode(row).is_none_or(|(_, from)| from > now))?;
        self.marks.retain(|_, until| until > now.as_secs())?;
        Ok(())
    }
}

/// Runs within the transaction and hands back who is to be told how the commit went.
type Job = Box<dyn FnOnce(&mut Tables<'_>) -> Result<Answer, redb::Error> + Send>;
type Answer = Box<dyn FnOnce() + Send>;

#[derive(Debug)]
pub(super) struct Writer {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(file: Arc<StoreFile>, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE_LIMIT);
        let thread = thread::Builder::new()
            .name("session-writer".to_owned())
            .spawn(move || run(&file, queue, &*clock))?;
        Ok(Self {
            jobs: Mutex::new(Some(jobs)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Runs `step` in a transaction together with others and answers once it is on the disk.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        step: impl FnOnce(&mut Tables<'_>) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move |tables| {
            let outcome = step(tables)?;
            Ok(Box::new(move || {
                // The caller may have gone; the write stands all the same.
                let _ = tell.send(outcome);
            }))
        });
        let jobs = self
            .jobs
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        let stopped = || unreachable(anyhow::anyhow!("the embedded store did not take the write"));
        jobs.ok_or_else(stopped)?.send(job).await.map_err(|_| stopped())?;
        told.await.map_err(|_| stopped())
    }

    /// Ends the thread after what is queued, and waits for it, so that the file is free.
    pub(super) async fn close(&self) {
        drop(
            self.jobs
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .take(),
        );
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the writer of the embedded store ended by a panic");
            }
        }
    }
}

fn run(file: &StoreFile, mut queue: mpsc::Receiver<Job>, clock: &dyn Clock) {
    let mut swept_at = clock.now();
    while let Some(first) = queue.blocking_recv() {
        let mut jobs = vec![first];
        while jobs.len() < GROUP_LIMIT
            && let Ok(job) = queue.try_recv()
        {
            jobs.push(job);
        }
        match commit(file, jobs) {
            Ok(answers) => answers.into_iter().for_each(|answer| answer()),
            // The callers learn of it by their dropped channels; the cause is told once, here.
            Err(error) => heal(file, &error),
        }
        let now = clock.now();
        if now.since(swept_at) >= SWEEP_INTERVAL {
            swept_at = now;
            if let Err(error) = sweep(file, now) {
                heal(file, &error);
            }
        }
    }
}

fn commit(file: &StoreFile, jobs: Vec<Job>) -> Result<Vec<Answer>, redb::Error> {
    in_transaction(file, |tables| jobs.into_iter().map(|job| job(tables)).collect())
}

/// In a transaction of its own, so that it fails nobody's write.
fn sweep(file: &StoreFile, now: UnixTime) -> Result<(), redb::Error> {
    in_transaction(file, |tables| tables.sweep(now))
}

fn in_transaction<T>(
    file: &StoreFile,
    step: impl FnOnce(&mut Tables<'_>) -> Result<T, redb::Error>,
) -> Result<T, redb::Error> {
    // Without a file, the error of the next attempt to open it says why.
    let database = file.database().ok_or(redb::Error::PreviousIo)?;
    let transaction = database.begin_write()?;
    let outcome = {
        let mut tables = Tables::open(&transaction)?;
        step(&mut tables)?
    };
    transaction.commit()?;
    Ok(outcome)
}

/// Opens the file again after a failed write, so that the next one finds it usable if the cause has gone.
fn heal(file: &StoreFile, error: &redb::Error) {
    tracing::error!(
        error = chain(error),
        "the embedded store could not write; its file is opened again"
    );
    if let Err(error) = file.open_again() {
        tracing::error!(
            error = chain(&error),
            "the file of the embedded store cannot be opened again yet"
        );
    }
}
