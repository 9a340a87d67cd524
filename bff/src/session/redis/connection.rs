//! One multiplexed connection, held open and shared by every request of this node.
//!
//! A pool checkout costs ten times the command itself, so the pool only makes connections (with its time-outs) and the
//! connection is then kept until it fails. It lives on the program's background runtime, not on that of the worker
//! whose request happened to need it first.

use std::fmt;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{AsyncConnectionConfig, IntoConnectionInfo, RedisError, RedisResult};
use deadpool_redis::{Connection, Manager, Pool, Runtime};
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::background::Background;
use crate::session::store::StoreError;

/// Where Redis is, parsed. Its URL holds the password, so it shows itself nowhere.
pub struct RedisAddress {
    pool: Pool,
}

/// Why an address cannot be used; the text does not quote it.
#[derive(Debug, thiserror::Error)]
pub enum RedisAddressError {
    /// Not a Redis URL.
    #[error("is not a Redis URL such as redis://user:password@host:6379/0")]
    NotAUrl,
}

impl RedisAddress {
    /// Reads a URL. `timeout` bounds connecting and each answer.
    ///
    /// # Errors
    /// When it is not a Redis URL.
    pub fn parse(url: &str, timeout: Duration) -> Result<Self, RedisAddressError> {
        let info = url
            .into_connection_info()
            .map_err(|_| RedisAddressError::NotAUrl)?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout));
        let manager = Manager::new_with_config(info, config).map_err(|_| RedisAddressError::NotAUrl)?;
        let pool = Pool::builder(manager)
            .max_size(1)
            .wait_timeout(Some(timeout))
            .create_timeout(Some(timeout))
            .recycle_timeout(Some(timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|_| RedisAddressError::NotAUrl)?;
        Ok(Self { pool })
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisAddress(redacted)")
    }
}

pub(super) struct HeldConnection {
    address: RedisAddress,
    background: Background,
    held: ArcSwapOption<MultiplexedConnection>,
    /// Held while connecting, so that an outage costs one attempt at a time; when the last one failed.
    connecting: Mutex<Option<Instant>>,
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
            address,
            background,
            held: ArcSwapOption::empty(),
            connecting: Mutex::new(None),
        }
    }

    /// Runs a command. One that met a connection which had been closed meanwhile is tried once more on a new one: every
    /// command of this store may run twice: a replacement then loses to itself and says so, and a creation or a claim
    /// recognises its own.
    pub(super) async fn run<T, F, R>(&self, command: F) -> Result<T, StoreError>
    where
        F: Fn(MultiplexedConnection) -> R,
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

    pub(super) fn close(&self) {
        self.held.store(None);
        self.address.pool.close();
    }

    async fn connection(&self) -> Result<Arc<MultiplexedConnection>, StoreError> {
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
        let connection = Arc::new(made?);
        self.held.store(Some(Arc::clone(&connection)));
        Ok(connection)
    }

    async fn connect(&self) -> Result<MultiplexedConnection, StoreError> {
        let pool = self.address.pool.clone();
        let made = self.background.spawn(async move { pool.get().await }).await;
        let made = made.map_err(|error| StoreError::Unreachable(error.into()))?;
        made.map(Connection::take)
            .map_err(|error| StoreError::Unreachable(error.into()))
    }

    fn failed(&self, connection: &Arc<MultiplexedConnection>, error: RedisError) -> StoreError {
        // A server that has become a replica goes on answering, and refuses every write: the address may lead elsewhere.
        let is_no_master = matches!(error.code(), Some("READONLY" | "MASTERDOWN" | "NOREPLICAS"));
        if is_no_master || error.is_timeout() || error.is_io_error() || error.is_unrecoverable_error() {
            self.drop_failed(connection);
        }
        StoreError::Unreachable(error.into())
    }

    /// Lets go of a connection that failed, unless a newer one has taken its place.
    fn drop_failed(&self, failed: &Arc<MultiplexedConnection>) {
        self.held.compare_and_swap(failed, None);
    }
}
