use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use actix_http::Request;
use actix_service::{IntoServiceFactory, Service, ServiceFactory};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, ServiceResponse};
use anyhow::Context;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::certificates::Certificates;
use super::limits::Limits;
use super::worker::{Accepted, Orders, work};

/// How long accepting rests when the system has no more files or memory for connections.
const RESPITE: Duration = Duration::from_millis(100);
/// How often the log says that there are as many connections as allowed, or as there can be.
const QUIET: Duration = Duration::from_secs(60);

/// How a server serves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Threads.
    pub workers: usize,
    /// What a client may take up.
    pub limits: Limits,
    /// With TLS, if there are certificates.
    pub certificates: Option<Arc<Certificates>>,
    /// How long a stop waits for what is under way.
    pub patience: Duration,
}

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    stopping: CancellationToken,
    ended: JoinHandle<anyhow::Result<()>>,
}

impl Server {
    /// Serves the application that `make` makes, once on each worker thread.
    ///
    /// # Errors
    /// When the socket, the certificates or a thread cannot be used.
    pub fn start<F, I, S, B>(
        listener: std::net::TcpListener,
        settings: Settings,
        make: F,
    ) -> anyhow::Result<Self>
    where
        F: Fn() -> I + Clone + Send + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<
                Request,
                Config = AppConfig,
                Response = ServiceResponse<B>,
                Error = actix_web::Error,
                InitError = (),
            > + 'static,
        S::Service: 'static,
        <S::Service as Service<Request>>::Future: 'static,
        B: MessageBody + 'static,
    {
        listener.set_nonblocking(true).context("the public socket")?;
        let listener = TcpListener::from_std(listener).context("the public socket")?;
        let tls = settings
            .certificates
            .map(|certificates| certificates.server_config());
        let orders = Orders {
            limits: settings.limits,
            tls: tls.transpose().context("TLS")?,
            draining: CancellationToken::new(),
            patience: settings.patience,
        };
        let mut workers = Vec::with_capacity(settings.workers);
        let mut ends = Vec::with_capacity(settings.workers);
        for number in 0..settings.workers {
            let (connections, accepted) = mpsc::unbounded_channel();
            let (end, ended) = oneshot::channel();
            let (make, orders) = (make.clone(), orders.clone());
            thread::Builder::new()
                .name(format!("bff-worker-{number}"))
                .spawn(move || {
                    let worked = actix_web::rt::Runtime::new()
                        .map_err(anyhow::Error::from)
                        .and_then(|runtime| runtime.block_on(work(&make, accepted, orders)));
                    let _ = end.send(worked);
                })
                .context("a worker thread")?;
            workers.push(connections);
            ends.push(async move { ended.await.context("a worker thread died")? });
        }
        let stopping = CancellationToken::new();
        let acceptor = Acceptor {
            listener,
            places: Arc::new(Semaphore::new(settings.limits.max_connections)),
            workers,
            next: 0,
            full: Complaint::default(),
            failed: Complaint::default(),
        };
        let ended = tokio::spawn(run(acceptor, ends, stopping.clone(), orders.draining));
        Ok(Self { stopping, ended })
    }

    /// Waits until the server ends by itself, which it does only on a failure.
    ///
    /// # Errors
    /// That failure.
    pub async fn failed(&mut self) -> anyhow::Result<()> {
        (&mut self.ended).await.context("the public server")?
    }

    /// Takes no more connections, lets what is under way finish as far as patience goes, and ends.
    pub async fn stop(self) {
        self.stopping.cancel();
        if let Ok(Err(error)) = self.ended.await {
            tracing::error!(
                error = format!("{error:#}"),
                "the public server failed while it stopped"
            );
        }
    }
}

/// Accepts until it is told to stop or a worker ends, and then waits for the workers.
async fn run(
    acceptor: Acceptor,
    ends: Vec<impl Future<Output = anyhow::Result<()>>>,
    stopping: CancellationToken,
    draining: CancellationToken,
) -> anyhow::Result<()> {
    let mut ends: FuturesUnordered<_> = ends.into_iter().collect();
    let died = tokio::select! {
        () = acceptor.accept_until(stopping) => None,
        died = ends.next() => died,
    };
    draining.cancel();
    if let Some(died) = died {
        died?;
        anyhow::bail!("a worker ended");
    }
    while let Some(ended) = ends.next().await {
        ended?;
    }
    Ok(())
}

/// Hands connections to workers, one after the other.
struct Acceptor {
    listener: TcpListener,
    places: Arc<Semaphore>,
    workers: Vec<mpsc::UnboundedSender<Accepted>>,
    next: usize,
    full: Complaint,
    failed: Complaint,
}

/// When the log was last told of something that may happen ten times a second.
#[derive(Default)]
struct Complaint(Option<Instant>);

impl Complaint {
    /// Whether it is time to tell the log.
    fn is_due(&mut self) -> bool {
        let is_due = self.0.is_none_or(|last| last.elapsed() > QUIET);
        if is_due {
            self.0 = Some(Instant::now());
        }
        is_due
    }
}

impl Acceptor {
    async fn accept_until(mut self, stopping: CancellationToken) {
        while let Some(Some(place)) = stopping.run_until_cancelled(self.place()).await {
            match stopping.run_until_cancelled(self.listener.accept()).await {
                None => break,
                Some(Ok((stream, peer))) => match stream.into_std() {
                    Ok(stream) => {
                        give(&self.workers, &mut self.next, Accepted { stream, peer, place });
                    }
                    Err(error) => tracing::warn!(%error, "a connection could not be taken over"),
                },
                Some(Err(error)) if is_of_the_client(&error) => {}
                Some(Err(error)) => {
                    if self.failed.is_due() {
                        tracing::error!(%error, "connections cannot be accepted now");
                    }
                    sleep(RESPITE).await;
                }
            }
        }
        // Who has connected already is not turned away.
        if let Ok(listener) = self.listener.into_std() {
            while let (Ok(place), Ok((stream, peer))) =
                (Arc::clone(&self.places).try_acquire_owned(), listener.accept())
            {
                if stream.set_nonblocking(true).is_ok() {
                    give(&self.workers, &mut self.next, Accepted { stream, peer, place });
                }
            }
        }
    }

    async fn place(&mut self) -> Option<OwnedSemaphorePermit> {
        let places = Arc::clone(&self.places);
        if places.available_permits() == 0 && self.full.is_due() {
            tracing::warn!(
                "as many connections as allowed (server.max_connections): who comes next has to wait"
            );
        }
        places.acquire_owned().await.ok()
    }
}

/// A worker that is gone has ended the server already.
fn give(workers: &[mpsc::UnboundedSender<Accepted>], next: &mut usize, accepted: Accepted) {
    if let Some(worker) = workers.get(*next % workers.len().max(1)) {
        let _ = worker.send(accepted);
    }
    *next = next.wrapping_add(1);
}

/// It hung up between connecting and being accepted.
fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_complaint_is_made_once_a_minute() {
        let mut complaint = Complaint::default();
        let mut told = 0;
        for _ in 0..1_800 {
            told += usize::from(complaint.is_due());
            tokio::time::advance(RESPITE).await;
        }

        assert_eq!(told, 3);
    }
}
