//! Makes connections: to the server, to the master that sentinels name, to a cluster.

use std::collections::HashMap;

use deadpool_redis::redis::aio::{MultiplexedConnection, PubSub};
use deadpool_redis::redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, FromRedisValue, RedisError, Value, cmd,
};
use deadpool_redis::{BuildError, Connection, Manager, Pool, PoolError, Runtime};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout;

use super::address::{RedisAddress, Topology};
use super::eviction::warn_of_eviction;
use super::link::{Link, Shard};

/// `EXPIREAT` with `NX` and `GT` came with it.
const OLDEST_MAJOR_VERSION: u32 = 7;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The server refused, or the connection failed.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// A pool was to make the connection and did not.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// A pool that cannot be made.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Any of these, and where.
    #[error("Redis at {servers}: {error}")]
    At {
        /// `host:port`, or several.
        servers: String,
        /// What happened there.
        error: Box<ConnectError>,
    },
    /// The server is too old.
    #[error("this is Redis {0}, and Redis 7.0 or newer is needed")]
    TooOld(String),
    /// The server is of another form than the configuration says.
    #[error("the configuration says {configured}, but the server there runs as {found:?}")]
    OtherForm {
        /// What was configured.
        configured: &'static str,
        /// How the server puts it.
        found: String,
    },
    /// The server takes no writes.
    #[error("the server is a replica and takes no writes")]
    Replica,
    /// All sentinels are silent.
    #[error("no sentinel answers; the last one: {0}")]
    NoSentinel(Box<ConnectError>),
    /// Sentinels answer, and none knows the master.
    #[error("no sentinel knows a master of the name {0:?}")]
    UnknownMaster(String),
    /// All servers of a cluster are silent.
    #[error("no server of the cluster answers; the last one: {0}")]
    NoNode(Box<ConnectError>),
    /// It took too long.
    #[error("Redis did not answer in time")]
    TimedOut,
}

impl ConnectError {
    fn at(self, servers: &[ConnectionInfo]) -> Self {
        let servers: Vec<_> = servers.iter().map(|server| server.addr().to_string()).collect();
        Self::At {
            servers: servers.join(", "),
            error: Box::new(self),
        }
    }

    /// Whether no amount of waiting helps: what is configured contradicts what is there.
    ///
    /// Of sentinels and of a cluster's servers there are several so that one of them always answers: that none does is
    /// taken for a wrong list of addresses, while a single server that is down is an outage.
    #[must_use]
    pub fn is_mistake(&self) -> bool {
        match self {
            Self::TooOld(_)
            | Self::OtherForm { .. }
            | Self::NoSentinel(_)
            | Self::UnknownMaster(_)
            | Self::NoNode(_) => true,
            Self::Redis(error) => {
                error.kind() == ErrorKind::AuthenticationFailed
                    || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"))
            }
            Self::At { error, .. } => error.is_mistake(),
            Self::Pool(_) | Self::Build(_) | Self::Replica | Self::TimedOut => false,
        }
    }
}

impl RedisAddress {
    /// Looks whether what is configured is there.
    ///
    /// # Errors
    /// A contradiction that waiting does not mend. A Redis that is merely down is no error: the store heals by itself.
    pub async fn probe(&self) -> Result<(), ConnectError> {
        let found = match &*self.topology {
            Topology::Cluster { nodes, .. } => match self.probe_nodes(nodes).await {
                Ok(()) => self.connect().await,
                Err(error) => Err(error),
            },
            Topology::Standalone(_) | Topology::Sentinel { .. } => self.connect().await,
        };
        match found {
            Err(error) if error.is_mistake() => Err(error),
            Err(error) => {
                tracing::warn!(%error, "Redis cannot be used yet; the store heals by itself");
                Ok(())
            }
            Ok(mut link) => {
                if let Err(error) = warn_of_eviction(&mut link).await {
                    tracing::debug!(%error, "Redis does not say whether it evicts sessions");
                }
                Ok(())
            }
        }
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Result<Link, ConnectError> {
        let (mut link, form) = match &*self.topology {
            Topology::Standalone(server) => (Link::Server(self.open(server).await?), "standalone"),
            Topology::Sentinel { .. } => return self.connect_to_master().await,
            Topology::Cluster { client, nodes, .. } => {
                let connected = match timeout(2 * self.timeout, client.get_async_connection()).await {
                    Ok(connected) => connected.map_err(ConnectError::from),
                    Err(_) => Err(ConnectError::TimedOut),
                };
                (
                    Link::Cluster(connected.map_err(|error| error.at(nodes))?),
                    "cluster",
                )
            }
        };
        identify(&mut link, form).await?;
        Ok(link)
    }

    /// A new subscription to these channels, at the only server, at the master or at this shard.
    pub(super) async fn subscribe(&self, shard: &Shard, channels: &[&str]) -> Result<PubSub, ConnectError> {
        let subscribed = timeout(2 * self.timeout, async {
            let server = match (&*self.topology, &shard.0) {
                (Topology::Standalone(server), _) => server.clone(),
                (Topology::Sentinel { .. }, _) => self.masters().await?.remove(0),
                (Topology::Cluster { servers, .. }, Some((host, port))) => servers.at(host, *port)?,
                (Topology::Cluster { nodes, .. }, None) => nodes[0].clone(),
            };
            let mut subscription = Client::open(server)?.get_async_pubsub().await?;
            subscription.subscribe(channels).await?;
            Ok(subscription)
        });
        subscribed.await.map_err(|_| ConnectError::TimedOut)?
    }

    /// The master whom the sentinels name may be one that has just been replaced, as some learn of it later: the first
    /// that takes writes is the one.
    async fn connect_to_master(&self) -> Result<Link, ConnectError> {
        let mut failed = ConnectError::Replica;
        for master in self.masters().await? {
            let connected = async {
                let mut link = Link::Server(self.open(&master).await?);
                identify(&mut link, "standalone").await?;
                Ok(link)
            };
            match connected.await {
                Ok(link) => return Ok(link),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Whom the sentinels name as the master, all of them asked at once; at least one.
    async fn masters(&self) -> Result<Vec<ConnectionInfo>, ConnectError> {
        let Topology::Sentinel {
            sentinels,
            master,
            servers,
        } = &*self.topology
        else {
            return Err(ConnectError::Replica);
        };
        let mut answers: FuturesUnordered<_> = sentinels
            .iter()
            .map(|sentinel| self.ask_sentinel(sentinel, master))
            .collect();
        let mut named: Vec<(String, u16)> = Vec::new();
        let mut failed = None;
        let mut is_unknown = false;
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(Some(address)) if named.contains(&address) => {}
                Ok(Some(address)) => named.push(address),
                Ok(None) => is_unknown = true,
                Err(error) => failed = Some(error),
            }
        }
        match (named.is_empty(), failed) {
            (true, _) if is_unknown => Err(ConnectError::UnknownMaster(master.clone())),
            (true, Some(error)) => Err(ConnectError::NoSentinel(Box::new(error))),
            _ => {
                let named = named.iter().map(|(host, port)| servers.at(host, *port));
                Ok(named.collect::<Result<_, _>>()?)
            }
        }
    }

    async fn ask_sentinel(
        &self,
        sentinel: &ConnectionInfo,
        master: &str,
    ) -> Result<Option<(String, u16)>, ConnectError> {
        let mut connection = self.open(sentinel).await?;
        let mut question = cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(master);
        Ok(question.query_async(&mut connection).await?)
    }

    async fn probe_nodes(&self, nodes: &[ConnectionInfo]) -> Result<(), ConnectError> {
        let mut answers: FuturesUnordered<_> = nodes
            .iter()
            .map(|node| async {
                let mut link = Link::Server(self.open(node).await?);
                identify(&mut link, "cluster").await
            })
            .collect();
        let mut failed = None;
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(()) | Err(ConnectError::Replica) => return Ok(()),
                Err(error) if error.is_mistake() => return Err(error),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), |error| Err(ConnectError::NoNode(Box::new(error))))
    }

    /// A connection to one server. A pool makes it, with its time-outs, and gives it away.
    async fn open(&self, server: &ConnectionInfo) -> Result<MultiplexedConnection, ConnectError> {
        let opened = self.open_unnamed(server).await;
        opened.map_err(|error| error.at(std::slice::from_ref(server)))
    }

    async fn open_unnamed(&self, server: &ConnectionInfo) -> Result<MultiplexedConnection, ConnectError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout));
        let manager = Manager::new_with_config(server.clone(), config)?;
        let pool = Pool::builder(manager)
            .max_size(1)
            .wait_timeout(Some(self.timeout))
            .create_timeout(Some(self.timeout))
            .recycle_timeout(Some(self.timeout))
            .runtime(Runtime::Tokio1)
            .build()?;
        match pool.get().await {
            Ok(connection) => Ok(Connection::take(connection)),
            Err(PoolError::Backend(error)) => Err(error.into()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Makes sure that a server is of the configured form, new enough, and takes writes. Every user may send `HELLO`,
/// whatever an ACL says.
async fn identify(link: &mut Link, configured: &'static str) -> Result<(), ConnectError> {
    let told: HashMap<String, Value> = match link.run_on(&Shard(None), cmd("HELLO")).await {
        Ok(told) => told,
        Err(error) if error.code() == Some("ERR") => return Err(ConnectError::TooOld("before 6".to_owned())),
        Err(error) => return Err(error.into()),
    };
    let field = |name: &str| {
        let value = told.get(name).cloned().unwrap_or(Value::Nil);
        String::from_redis_value(value).unwrap_or_default()
    };
    let (version, form) = (field("version"), field("mode"));
    if form != configured {
        return Err(ConnectError::OtherForm {
            configured,
            found: form,
        });
    }
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major < OLDEST_MAJOR_VERSION) {
        return Err(ConnectError::TooOld(version));
    }
    if configured == "standalone" && field("role") != "master" {
        return Err(ConnectError::Replica);
    }
    Ok(())
}
