//! The stores that the contract is checked on.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bff::background::Background;
use bff::session::embedded::EmbeddedStore;
use bff::session::redis::{CertificateAuthority, Credentials, NodeAddress, RedisAddress, RedisStore};
use e2e::redis::{MASTER, PREFIX, Redis, RedisCluster, SentinelSet};
use resource_server::time::SystemClock;
use tokio::sync::OnceCell;

use super::Store;

pub(super) async fn on_embedded<F: Future<Output = ()>>(clause: impl FnOnce(Store) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(&folder.path().join("sessions.redb"), Arc::new(SystemClock)).unwrap();
    clause(Arc::new(store)).await;
}

/// Longer than any answer of a Redis on a busy machine takes.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
pub(super) const STALENESS: Duration = Duration::from_secs(1);

pub(super) async fn on_redis<F: Future<Output = ()>>(clause: impl FnOnce(Store) -> F) {
    let redis = Redis::start().await;
    clause(store_at(
        RedisAddress::standalone(&redis.url(), None, TIMEOUT).unwrap(),
    ))
    .await;
}

/// One for all clauses: it takes seconds to come up, and every clause uses keys of its own. It ends with the process.
pub(super) static CLUSTER: OnceCell<RedisCluster> = OnceCell::const_new();

pub(super) async fn on_cluster<F: Future<Output = ()>>(clause: impl FnOnce(Store) -> F) {
    let cluster = CLUSTER.get_or_init(RedisCluster::start).await;
    clause(store_at(cluster_address(&cluster.node_urls()))).await;
}

pub(super) async fn on_sentinel<F: Future<Output = ()>>(clause: impl FnOnce(Store) -> F) {
    let set = SentinelSet::start().await;
    let nobody = Credentials::default();
    let sentinels = nodes(&set.sentinel_urls());
    let address = RedisAddress::sentinel(
        &sentinels,
        &nobody,
        MASTER.to_owned(),
        (&nobody, 0),
        None,
        TIMEOUT,
    );
    clause(store_at(address.unwrap())).await;
}

/// With TLS, as a user who may do what the documentation says and nothing else.
pub(super) async fn on_secured<F: Future<Output = ()>>(clause: impl FnOnce(Store) -> F) {
    let redis = Redis::start_secured().await;
    let authority = CertificateAuthority::parse(std::fs::read(redis.authority()).unwrap()).unwrap();
    use_crypto();
    clause(store_at(
        RedisAddress::standalone(&redis.url(), Some(&authority), TIMEOUT).unwrap(),
    ))
    .await;
    let denied = redis.command(&["ACL", "LOG"]).await;
    assert_eq!(denied.join(""), "", "the store did what nobody granted");
}

/// As the BFF does at its start.
pub(super) fn use_crypto() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

pub(super) fn store_at(address: RedisAddress) -> Store {
    let background = Background::current();
    Arc::new(RedisStore::new(address, PREFIX.to_owned(), STALENESS, background))
}

pub(super) fn cluster_address(urls: &[String]) -> RedisAddress {
    RedisAddress::cluster(&nodes(urls), &Credentials::default(), None, TIMEOUT).unwrap()
}

pub(super) fn nodes(urls: &[String]) -> Vec<NodeAddress> {
    let nodes = urls.iter().map(|url| NodeAddress::parse(url).unwrap());
    nodes.collect()
}
