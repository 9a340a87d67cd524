//! The stores that the contract is checked on.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bff::background::Background;
use bff::session::embedded::EmbeddedStore;
use bff::session::redis::{CertificateAuthority, Credentials, NodeAddress, RedisAddress, RedisStore};
use e2e::redis::{MASTER, PASSWORD, PREFIX, Redis, RedisCluster, SentinelSet, USER};
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
    clause(store_at(sentinel_address(&set.sentinel_urls(), MASTER))).await;
}

/// With TLS, as a user who may do what the documentation says and nothing else.
pub(super) async fn on_secured<F: Future<Output = ()>>(clause: impl FnOnce(Store) -> F) {
    let redis = Redis::start_secured().await;
    let authority = authority_of(&redis);
    clause(store_at(
        RedisAddress::standalone(&redis.url(), Some(&authority), TIMEOUT).unwrap(),
    ))
    .await;
    assert_nothing_denied([&redis]).await;
}

/// The same behind sentinels, who take TLS connections and that user only, too.
pub(super) async fn on_secured_sentinel<F: Future<Output = ()>>(clause: impl FnOnce(Store) -> F) {
    let set = SentinelSet::start_secured().await;
    let authority = authority_of(set.all().next().unwrap());
    let address = secured_sentinel_address(&set.sentinel_urls(), Some(&authority));
    clause(store_at(address)).await;
    assert_nothing_denied(set.all()).await;
}

/// The same in a cluster.
pub(super) async fn on_secured_cluster<F: Future<Output = ()>>(clause: impl FnOnce(Store) -> F) {
    let cluster = RedisCluster::start_secured().await;
    let authority = authority_of(&cluster.nodes()[0]);
    clause(store_at(secured_cluster_address(
        &cluster.node_urls(),
        Some(&authority),
    )))
    .await;
    assert_nothing_denied(cluster.nodes()).await;
}

async fn assert_nothing_denied<'r>(servers: impl IntoIterator<Item = &'r Redis>) {
    for server in servers {
        assert_eq!(server.denied().await, "", "the store did what nobody granted");
    }
}

/// The authority that vouches for this server.
pub(super) fn authority_of(server: &Redis) -> CertificateAuthority {
    use_crypto();
    CertificateAuthority::parse(std::fs::read(server.authority()).unwrap()).unwrap()
}

pub(super) fn sentinel_address(sentinels: &[String], master: &str) -> RedisAddress {
    sentinel_address_as(sentinels, master, &Credentials::default(), None)
}

pub(super) fn secured_sentinel_address(
    sentinels: &[String],
    authority: Option<&CertificateAuthority>,
) -> RedisAddress {
    sentinel_address_as(sentinels, MASTER, &user(), authority)
}

fn sentinel_address_as(
    sentinels: &[String],
    master: &str,
    user: &Credentials,
    authority: Option<&CertificateAuthority>,
) -> RedisAddress {
    let sentinels = nodes(sentinels);
    let master = master.to_owned();
    RedisAddress::sentinel(&sentinels, user, master, (user, 0), authority, TIMEOUT).unwrap()
}

pub(super) fn secured_cluster_address(
    urls: &[String],
    authority: Option<&CertificateAuthority>,
) -> RedisAddress {
    RedisAddress::cluster(&nodes(urls), &user(), authority, TIMEOUT).unwrap()
}

/// The user whom secured servers know.
fn user() -> Credentials {
    Credentials {
        username: Some(USER.to_owned()),
        password: Some(PASSWORD.to_owned().into()),
    }
}

/// As the BFF does at its start.
fn use_crypto() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// A store whose keys nobody else has, also where several share a Redis. What is granted covers them.
pub(super) fn store_at(address: RedisAddress) -> Store {
    static STORES: AtomicUsize = AtomicUsize::new(0);
    let number = STORES.fetch_add(1, Ordering::Relaxed);
    store_as(&format!("{PREFIX}:{number}"), address)
}

/// A store whose keys have this prefix.
pub(super) fn store_as(prefix: &str, address: RedisAddress) -> Store {
    let background = Background::current();
    Arc::new(RedisStore::new(address, prefix.to_owned(), STALENESS, background))
}

pub(super) fn cluster_address(urls: &[String]) -> RedisAddress {
    RedisAddress::cluster(&nodes(urls), &Credentials::default(), None, TIMEOUT).unwrap()
}

pub(super) fn nodes(urls: &[String]) -> Vec<NodeAddress> {
    let nodes = urls.iter().map(|url| NodeAddress::parse(url).unwrap());
    nodes.collect()
}
