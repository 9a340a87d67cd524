//! The one thread that writes: it gathers what waits, commits it together and answers afterwards.

use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use resource_server::time::{Clock, UnixTime};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::file::StoreFile;
use super::tables::{Swept, Tables};
use super::unreachable;
use crate::errors::chain;
use crate::outage::Outage;
use crate::session::store::{ChangeListener, StoreError};
use crate::telemetry;

/// How many writes share a transaction at most; it bounds how long the first of them waits.
const GROUP_LIMIT: usize = 256;
/// How many writes may wait before callers are held back.
const QUEUE_LIMIT: usize = 4_096;
/// How often records that have expired are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);
/// How many of them one transaction removes; it bounds how long writes wait for a sweep, and is no less than what one
/// transaction can add, so that sweeping keeps up.
const SWEEP_LIMIT: usize = 2 * GROUP_LIMIT;

/// Runs within the transaction and hands back who is to be told how the commit went.
type Job = Box<dyn FnOnce(&mut Tables<'_>) -> Result<Answer, redb::Error> + Send>;
type Answer = Box<dyn FnOnce() + Send>;

#[derive(Debug)]
pub(super) struct Writer {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(
        file: Arc<StoreFile>,
        clock: Arc<dyn Clock>,
        listener: Arc<OnceLock<Arc<dyn ChangeListener>>>,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE_LIMIT);
        let thread = thread::Builder::new()
            .name("session-writer".to_owned())
            .spawn(move || run(&file, queue, &*clock, &listener))?;
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
        self.write_and_tell(step, |_| {}).await
    }

    /// As [`Writer::write`], and runs `tell` between the disk and the answer: by the writer, so that it happens also if
    /// the caller has gone.
    pub(super) async fn write_and_tell<T: Send + 'static>(
        &self,
        step: impl FnOnce(&mut Tables<'_>) -> Result<T, redb::Error> + Send + 'static,
        tell: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |tables| {
            let outcome = step(tables)?;
            Ok(Box::new(move || {
                tell(&outcome);
                // The caller may have gone; the write stands all the same.
                let _ = answer.send(outcome);
            }))
        });
        let jobs = self
            .jobs
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        let stopped = || unreachable(anyhow::anyhow!("the embedded store did not take the write"));
        jobs.ok_or_else(stopped)?.send(job).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())
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

fn run(
    file: &StoreFile,
    mut queue: mpsc::Receiver<Job>,
    clock: &dyn Clock,
    listener: &OnceLock<Arc<dyn ChangeListener>>,
) {
    let outage = Outage::new(Duration::ZERO);
    let mut sweeps_from = clock.now() + SWEEP_INTERVAL;
    let mut is_behind = false;
    while let Some(jobs) = gather(&mut queue, is_behind) {
        let mut failed = None;
        match commit(file, jobs) {
            Ok(answers) => answers.into_iter().for_each(|answer| answer()),
            // The callers learn of it by their dropped channels; the cause is told once, here.
            Err(error) => failed = Some(error),
        }
        let now = clock.now();
        if failed.is_none() && (is_behind || now >= sweeps_from) {
            sweeps_from = now + SWEEP_INTERVAL;
            match sweep(file, now) {
                Ok(swept) => {
                    telemetry::sessions_swept(swept.sessions);
                    is_behind = swept.is_more;
                }
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            is_behind = false;
            heal(file, &error, &outage);
            // Whether a failed commit is on the disk nobody knows.
            if let Some(listener) = listener.get() {
                listener.missed();
            }
        } else if let Some(lasted) = outage.worked(Instant::now()) {
            let duration_ms = telemetry::millis(lasted);
            tracing::info!(duration_ms, "the embedded store writes again");
        }
    }
}

/// Takes what waits, up to a group; waits for the first, unless there is something else to do. `None` at the end.
fn gather(queue: &mut mpsc::Receiver<Job>, is_behind: bool) -> Option<Vec<Job>> {
    let mut jobs = Vec::new();
    if !is_behind {
        jobs.push(queue.blocking_recv()?);
    }
    while jobs.len() < GROUP_LIMIT {
        match queue.try_recv() {
            Ok(job) => jobs.push(job),
            Err(TryRecvError::Disconnected) if jobs.is_empty() => return None,
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
        }
    }
    Some(jobs)
}

fn commit(file: &StoreFile, jobs: Vec<Job>) -> Result<Vec<Answer>, redb::Error> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    in_transaction(file, |tables| jobs.into_iter().map(|job| job(tables)).collect())
}

/// In a transaction of its own, so that it fails nobody's write.
fn sweep(file: &StoreFile, now: UnixTime) -> Result<Swept, redb::Error> {
    in_transaction(file, |tables| tables.sweep(now, SWEEP_LIMIT))
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

/// Opens the file again after a failed write, so that the next one finds it usable if the cause has gone. The log is told
/// once for each cause, and not for each write.
fn heal(file: &StoreFile, error: &redb::Error, outage: &Outage) {
    let error = chain(error);
    if outage.failed(Instant::now(), &error) {
        tracing::error!(
            error,
            "the embedded store could not write; its file is opened again"
        );
    }
    if let Err(error) = file.open_again() {
        let error = chain(&error);
        if outage.failed(Instant::now(), &error) {
            tracing::error!(error, "the file of the embedded store cannot be opened again yet");
        }
    }
}
