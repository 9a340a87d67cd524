//! What holds on one server holds behind sentinels, and with TLS and a user who may do only what is granted; and what is
//! configured wrongly is named.

use std::sync::{Arc, Mutex};

use bff::session::redis::{CertificateAuthority, ConnectError, Credentials, RedisAddress};
use bff::session::store::{Change, ChangeListener};
use e2e::redis::{MASTER, Redis, RedisCluster, SentinelSet};
use e2e::wait::eventually;
use tokio::time::Instant;

use super::stores::{
    CLUSTER, TIMEOUT, cluster_address, nodes, on_secured, on_sentinel, store_at, use_crypto,
};
use super::{Store, indexes, leases};

/// One clause after the other, as the servers take their time to start.
async fn every_step_of_a_session(store: Store) {
    super::a_session_is_read_as_it_was_written(store.clone()).await;
    super::a_replacement_names_the_revision_it_read(store.clone()).await;
    super::a_use_moves_forward_only_and_leaves_the_revision(store.clone()).await;
    super::an_ending_that_names_a_revision_spares_a_renewed_session(store.clone()).await;
    super::a_ticket_names_its_session_until_it_is_dropped(store.clone()).await;
    super::a_mark_is_claimed_once_also_in_parallel(store.clone()).await;
    indexes::an_ended_session_is_found_by_nobody(store.clone()).await;
    indexes::a_walk_meets_every_session(store.clone()).await;
    leases::a_renewed_lease_goes_on(store.clone()).await;
    leases::a_failure_is_shared_until_it_is_over(store.clone()).await;
    leases::those_who_wait_are_woken(store).await;
}

#[test]
fn the_contract_holds_behind_sentinels() {
    e2e::story::run(on_sentinel(every_step_of_a_session));
}

#[test]
fn the_contract_holds_with_tls_and_the_documented_acl() {
    e2e::story::run(on_secured(every_step_of_a_session));
}

#[test]
fn a_server_that_another_authority_vouches_for_is_not_trusted() {
    e2e::story::run(async {
        use_crypto();
        let (redis, other) = (Redis::start_secured().await, Redis::start_secured().await);
        let theirs = CertificateAuthority::parse(std::fs::read(other.authority()).unwrap()).unwrap();
        let own = CertificateAuthority::parse(std::fs::read(redis.authority()).unwrap()).unwrap();
        // The certificate is for localhost, and no other name of the same machine.
        let by_number = redis.url().replace("localhost", "127.0.0.1");
        for (url, authority) in [
            (&redis.url(), Some(&theirs)),
            (&redis.url(), None),
            (&by_number, Some(&own)),
        ] {
            let store = store_at(RedisAddress::standalone(url, authority, TIMEOUT).unwrap());
            assert!(store.check().await.is_err());
        }
        let store = store_at(RedisAddress::standalone(&redis.url(), Some(&own), TIMEOUT).unwrap());
        store.check().await.unwrap();
    });
}

fn behind(sentinels: &[String], master: &str) -> RedisAddress {
    let nobody = Credentials::default();
    RedisAddress::sentinel(
        &nodes(sentinels),
        &nobody,
        master.to_owned(),
        (&nobody, 0),
        None,
        TIMEOUT,
    )
    .unwrap()
}

#[test]
fn what_contradicts_the_sentinels_is_named_at_start() {
    e2e::story::run(async {
        let set = SentinelSet::start().await;
        behind(&set.sentinel_urls(), MASTER).probe().await.unwrap();

        let error = behind(&set.sentinel_urls(), "mymaster")
            .probe()
            .await
            .unwrap_err();
        assert!(matches!(error, ConnectError::UnknownMaster(_)), "{error}");
        assert!(error.to_string().contains("mymaster"), "{error}");

        let master = set.master().await;
        let error = behind(&[master.node_url()], MASTER).probe().await.unwrap_err();
        assert!(matches!(error, ConnectError::NoSentinel(_)), "{error}");

        // A master that is down is an outage, and no mistake.
        master.stop().await;
        behind(&set.sentinel_urls(), MASTER).probe().await.unwrap();
    });
}

#[test]
fn silent_sentinels_are_named_at_start() {
    e2e::story::run(async {
        let redis = Redis::start().await;
        redis.stop().await;
        let error = behind(&[redis.node_url()], MASTER).probe().await.unwrap_err();
        assert!(matches!(error, ConnectError::NoSentinel(_)), "{error}");
        assert!(error.to_string().contains("no sentinel answers"), "{error}");
    });
}

#[test]
fn the_wrong_form_of_redis_is_named_at_start() {
    e2e::story::run(async {
        let (cluster, redis) = (
            CLUSTER.get_or_init(RedisCluster::start).await,
            Redis::start().await,
        );
        let standalone = |url: &str| RedisAddress::standalone(url, None, TIMEOUT).unwrap();

        let error = standalone(&cluster.node_urls()[0]).probe().await.unwrap_err();
        assert!(matches!(error, ConnectError::OtherForm { .. }), "{error}");
        let error = cluster_address(&[redis.node_url()]).probe().await.unwrap_err();
        assert!(matches!(error, ConnectError::OtherForm { .. }), "{error}");
        let password = redis.node_url().replace("redis://", "redis://somebody:wrong@");
        let error = standalone(&password).probe().await.unwrap_err();
        assert!(error.is_mistake(), "{error}");

        cluster_address(&cluster.node_urls()).probe().await.unwrap();
        redis.stop().await;
        standalone(&redis.url()).probe().await.unwrap();
        let error = cluster_address(&[redis.node_url()]).probe().await.unwrap_err();
        assert!(matches!(error, ConnectError::NoNode(_)), "{error}");
    });
}

/// Keeps until when it may trust what it was told, and counts how often it may have missed something.
#[derive(Debug, Default)]
struct Trust {
    until: Mutex<Option<Instant>>,
    missed: Mutex<u32>,
}

impl Trust {
    fn holds(&self) -> bool {
        self.until
            .lock()
            .unwrap()
            .is_some_and(|until| until > Instant::now())
    }

    async fn comes(&self) {
        eventually("what is told is trusted", async || self.holds().then_some(())).await;
    }

    async fn goes(&self) {
        eventually("the trust ends", async || (!self.holds()).then_some(())).await;
    }
}

impl ChangeListener for Trust {
    fn changed(&self, _: &Change) {}

    fn missed(&self) {
        *self.missed.lock().unwrap() += 1;
    }

    fn trusted_until(&self, instant: Instant) {
        *self.until.lock().unwrap() = Some(instant);
    }
}

/// (Design: revocation is bounded even under partition.)
#[test]
fn a_node_that_hears_nothing_trusts_nothing_until_it_listens_again() {
    e2e::story::run(async {
        let redis = Redis::start().await;
        let store = store_at(RedisAddress::standalone(&redis.url(), None, TIMEOUT).unwrap());
        let trust = Arc::new(Trust::default());
        store.listen(Arc::clone(&trust) as _);
        trust.comes().await;
        assert_eq!(*trust.missed.lock().unwrap(), 1, "nobody knows what was before");

        redis.freeze().await;
        trust.goes().await;
        redis.thaw().await;
        trust.comes().await;

        let before = *trust.missed.lock().unwrap();
        redis.stop().await;
        trust.goes().await;
        redis.start_again().await;
        trust.comes().await;
        assert!(
            *trust.missed.lock().unwrap() > before,
            "what was lost was not told"
        );

        store.close().await;
        trust.goes().await;
    });
}

/// A cluster's masters each have an order of their own: one that is silent takes the trust in all of them away.
#[test]
fn a_silent_master_of_a_cluster_ends_the_trust() {
    e2e::story::run(async {
        let cluster = RedisCluster::start().await;
        let store = store_at(cluster_address(&cluster.node_urls()));
        let trust = Arc::new(Trust::default());
        store.listen(Arc::clone(&trust) as _);
        trust.comes().await;
        for node in cluster.nodes() {
            node.freeze().await;
            trust.goes().await;
            node.thaw().await;
            trust.comes().await;
        }
    });
}
