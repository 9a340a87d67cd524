//! One multiplexed connection, held open and shared by every request of this node.
//!
//! A pool checkout costs ten times the command itself, so a pool only makes connections (with its time-outs) and the
//! connection is then kept until it fails. It lives on the program's background runtime, not on that of the worker
//! whose request happened to need it first.
//!
//! A connection to one server is let go of when it breaks, when an answer is late, or when the server says that it is
//! no master (any more); the next command looks for the master again. One to a cluster is kept: it mends its
//! connections to the servers by itself, and giving it up because one of them hangs would take the others away too. But it
//! learns from refusals only which server took over from another, and one that hangs refuses nothing: so it is replaced
//! once the cluster names other masters than before.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use deadpool_redis::redis::{RedisError, RedisResult};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::address::RedisAddress;
use super::link::{Link, Shard};
use crate::background::Background;
use crate::session::store::StoreError;

pub(super) struct HeldConnection {
    address: Arc<RedisAddress>,
    background: Background,
    held: ArcSwapOption<Link>,
    /// Held while connecting, so that an outage costs one attempt at a time; when the last one failed.
    connecting: Mutex<Option<Instant>>,
    /// The servers that shared the sessions when somebody asked last.
    shards: Mutex<Vec<Shard>>,
    closed: CancellationToken,
}

impl fmt::Debug for HeldConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldConnection")
            .field("held", &self.held.load().is_some())
            .finish_non_exhaustive()
    }
}

impl HeldConnection {
    pub(super) fn new(address: RedisAddress, background: Background) -> Self {
        Self {
            address: Arc::new(address),
            background,
            held: ArcSwapOption::empty(),
            connecting: Mutex::new(None),
            shards: Mutex::default(),
            closed: CancellationToken::new(),
        }
    }

    /// Runs a command. One that met a connection which had been closed meanwhile is tried once more on a new one, and
    /// a cluster's connection tries again by itself. So every command of this store may run twice, and says then what
    /// it said before, or what does no harm: a replacement loses to itself and says so; a creation, a claim and a lease
    /// recognise their own; a lease that was renewed is renewed again; one that was given back is not the caller's any
    /// more, and nothing else changes. A session that was ended has ended before: who ended it revokes its tokens
    /// whichever of the two it hears, and only the line of the trail that says so is missing.
    pub(super) async fn run<T, F, R>(&self, command: F) -> Result<T, StoreError>
    where
        F: Fn(Link) -> R,
        R: Future<Output = RedisResult<T>>,
    {
        let connection = self.connection().await?;
        match command((*connection).clone()).await {
            Ok(answer) => Ok(answer),
            Err(error) if error.is_connection_dropped() => {
                self.drop_failed(&connection);
                let connection = self.connection().await?;
                command((*connection).clone())
                    .await
                    .map_err(|error| self.failed(&connection, error))
            }
            Err(error) => Err(self.failed(&connection, error)),
        }
    }

    /// All servers that share the sessions.
    pub(super) async fn shards(&self) -> Result<Vec<Shard>, StoreError> {
        let shards = self.run(|mut link| async move { link.shards().await }).await?;
        let mut known = self.shards.lock().await;
        if *known != shards {
            if !known.is_empty() {
                tracing::info!("other servers share the sessions now");
                // What is held serves meanwhile.
                self.hold(self.connect().await?);
            }
            known.clone_from(&shards);
        }
        Ok(shards)
    }

    /// Where Redis is.
    pub(super) fn address(&self) -> &RedisAddress {
        &self.address
    }

    /// Starts a task that runs until [`closed`](Self::closed).
    pub(super) fn accompany(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.background.until_stopped(task);
    }

    /// Cancelled once the store is closed.
    pub(super) const fn closed(&self) -> &CancellationToken {
        &self.closed
    }

    pub(super) fn close(&self) {
        self.closed.cancel();
        self.held.store(None);
    }

    async fn connection(&self) -> Result<Arc<Link>, StoreError> {
        if let Some(held) = self.held.load_full() {
            return Ok(held);
        }
        let arrived = Instant::now();
        let mut last_failure = self.connecting.lock().await;
        if let Some(held) = self.held.load_full() {
            return Ok(held);
        }
        // Those who waited for an attempt that failed are told at once, instead of failing one after the other.
        if last_failure.is_some_and(|failed| failed >= arrived) {
            return Err(StoreError::Unreachable(anyhow::anyhow!(
                "Redis could not be reached, as another request found out meanwhile"
            )));
        }
        let made = self.connect().await;
        *last_failure = made.is_err().then(Instant::now);
        Ok(self.hold(made?))
    }

    fn hold(&self, connection: Link) -> Arc<Link> {
        let connection = Arc::new(connection);
        self.held.store(Some(Arc::clone(&connection)));
        // Whoever closed the store meanwhile did not see this connection.
        if self.closed.is_cancelled() {
            self.held.store(None);
        }
        connection
    }

    async fn connect(&self) -> Result<Link, StoreError> {
        if self.closed.is_cancelled() {
            return Err(StoreError::Unreachable(anyhow::anyhow!("the store is closed")));
        }
        let address = Arc::clone(&self.address);
        let made = self
            .background
            .spawn(async move { address.connect().await })
            .await;
        let made = made.map_err(|error| StoreError::Unreachable(error.into()))?;
        made.map_err(|error| StoreError::Unreachable(error.into()))
    }

    fn failed(&self, connection: &Arc<Link>, error: RedisError) -> StoreError {
        // A server that has become a replica goes on answering, and refuses every write: the address may lead elsewhere.
        let is_refused = matches!(
            error.code(),
            Some("READONLY" | "MASTERDOWN" | "NOREPLICAS" | "NOAUTH")
        );
        let is_broken = match **connection {
            Link::Server(_) => is_refused || error.is_timeout() || error.is_io_error(),
            Link::Cluster(_) => error.is_connection_dropped(),
        };
        if is_broken || error.is_unrecoverable_error() {
            self.drop_failed(connection);
        }
        StoreError::Unreachable(error.into())
    }

    /// Lets go of a connection that failed, unless a newer one has taken its place.
    fn drop_failed(&self, failed: &Arc<Link>) {
        self.held.compare_and_swap(failed, None);
    }
}
