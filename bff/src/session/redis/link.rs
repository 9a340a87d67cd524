//! A connection to a Redis of whichever form, and the servers behind it.

use std::collections::BTreeSet;
use std::fmt;

use deadpool_redis::redis::aio::{ConnectionLike, MultiplexedConnection};
use deadpool_redis::redis::cluster_async::ClusterConnection;
use deadpool_redis::redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use deadpool_redis::redis::{
    Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisFuture, RedisResult, Value, cmd,
};

/// A multiplexed connection; clones share it.
#[derive(Clone)]
pub(super) enum Link {
    /// To one server.
    Server(MultiplexedConnection),
    /// To all servers of a cluster, each command to the one that holds its key. It heals by itself.
    Cluster(ClusterConnection),
}

/// One of the servers that share the sessions: a master of a cluster, or the only one, which needs no name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shard(pub(super) Option<(String, u16)>);

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => Ok(()),
            Some((host, port)) => write!(f, "{host}:{port}"),
        }
    }
}

impl Link {
    /// All servers that share the sessions, in the order of their names.
    pub(super) async fn shards(&mut self) -> RedisResult<Vec<Shard>> {
        let Self::Cluster(cluster) = self else {
            return Ok(vec![Shard(None)]);
        };
        let mut slots = cmd("CLUSTER");
        slots.arg("SLOTS");
        let answer = cluster.route_command(slots, anybody()).await?;
        let ranges = Vec::<Vec<Value>>::from_redis_value(answer)?;
        // A range is its first slot, its last one, the master and the replicas.
        let masters = ranges.into_iter().filter_map(|range| range.into_iter().nth(2));
        let mut shards = BTreeSet::new();
        for master in masters {
            let mut master = Vec::<Value>::from_redis_value(master)?.into_iter();
            let (Some(host), Some(port)) = (master.next(), master.next()) else {
                return Err(unusable_slots());
            };
            let (host, port) = (String::from_redis_value(host)?, u16::from_redis_value(port)?);
            if host.is_empty() {
                return Err(unusable_slots());
            }
            shards.insert(Shard(Some((host, port))));
        }
        Ok(shards.into_iter().collect())
    }

    /// Runs a command on one of them.
    pub(super) async fn run_on<T: FromRedisValue>(&mut self, shard: &Shard, command: Cmd) -> RedisResult<T> {
        let answer = match (self, &shard.0) {
            (Self::Cluster(cluster), Some((host, port))) => {
                let route = SingleNodeRoutingInfo::ByAddress {
                    host: host.clone(),
                    port: *port,
                };
                cluster
                    .route_command(command, RoutingInfo::SingleNode(route))
                    .await?
            }
            (Self::Cluster(cluster), None) => cluster.route_command(command, anybody()).await?,
            (Self::Server(server), _) => server.send_packed_command(&command).await?,
        };
        T::from_redis_value(answer.extract_error()?).map_err(RedisError::from)
    }
}

fn anybody() -> RoutingInfo {
    RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random)
}

fn unusable_slots() -> RedisError {
    RedisError::from((
        ErrorKind::UnexpectedReturnType,
        "CLUSTER SLOTS names a master without an address",
    ))
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(server) => server.req_packed_command(cmd),
            Self::Cluster(cluster) => cluster.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(server) => server.req_packed_commands(pipeline, offset, count),
            Self::Cluster(cluster) => cluster.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(server) => server.get_db(),
            Self::Cluster(cluster) => cluster.get_db(),
        }
    }
}
