//! What holds on one server holds behind sentinels, and with TLS and a user who may do only what is granted; and what is
//! configured wrongly is named.

use std::sync::{Arc, Mutex};

use bff::session::redis::{CertificateAuthority, ConnectError, RedisAddress};
use bff::session::store::{Change, ChangeListener};
use e2e::redis::{GRANTED, GRANTED_AT_SENTINELS, MASTER, Redis, RedisCluster, SentinelSet};
use e2e::wait::eventually;
use tokio::time::Instant;

use super::stores::{
    CLUSTER, TIMEOUT, authority_of, cluster_address, on_secured, on_secured_cluster, on_secured_sentinel,
    on_sentinel, secured_cluster_address, secured_sentinel_address, sentinel_address, store_at,
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

mod the_contract_holds_with_tls_and_the_documented_acl {
    use super::*;

    #[test]
    fn standalone() {
        e2e::story::run(on_secured(every_step_of_a_session));
    }

    #[test]
    fn sentinel() {
        e2e::story::run(on_secured_sentinel(every_step_of_a_session));
    }

    #[test]
    fn cluster() {
        e2e::story::run(on_secured_cluster(every_step_of_a_session));
    }
}

/// What these tests grant is what operators read.
#[test]
fn the_acl_of_the_tests_is_the_documented_one() {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let documented = words(include_str!("../../../docs/operations.md"));
    for granted in [GRANTED, GRANTED_AT_SENTINELS] {
        // The code block begins with the user and ends right after the last grant.
        let block = format!("```text user cloakroom on >PASSWORD {} ```", words(granted));
        assert!(
            documented.contains(&block),
            "the documentation does not say: {block}"
        );
    }
}

mod a_server_that_another_authority_vouches_for_is_not_trusted {
    use super::*;

    #[test]
    fn standalone() {
        e2e::story::run(async {
            let (redis, other) = (Redis::start_secured().await, Redis::start_secured().await);
            let (own, theirs) = (authority_of(&redis), authority_of(&other));
            let url = redis.url();
            let at = |url: &str, authority: Option<&CertificateAuthority>| {
                RedisAddress::standalone(url, authority, TIMEOUT).unwrap()
            };
            let by_number = by_number(std::slice::from_ref(&url)).remove(0);
            let wrong = [
                at(&url, Some(&theirs)),
                at(&url, None),
                at(&by_number, Some(&own)),
            ];
            only_the_last_is_trusted(wrong, at(&url, Some(&own))).await;
        });
    }

    #[test]
    fn sentinel() {
        e2e::story::run(async {
            let (set, other) = (SentinelSet::start_secured().await, Redis::start_secured().await);
            let (own, theirs) = (authority_of(set.all().next().unwrap()), authority_of(&other));
            let (urls, at) = (set.sentinel_urls(), secured_sentinel_address);
            let by_number = by_number(&urls);
            let wrong = [
                at(&urls, Some(&theirs)),
                at(&urls, None),
                at(&by_number, Some(&own)),
            ];
            // Of several servers none answers: that is taken for a wrong configuration, and named at start.
            let error = wrong[0].probe().await.unwrap_err();
            assert!(matches!(error, ConnectError::NoSentinel(_)), "{error}");
            only_the_last_is_trusted(wrong, at(&urls, Some(&own))).await;
        });
    }

    #[test]
    fn cluster() {
        e2e::story::run(async {
            let (cluster, other) = (RedisCluster::start_secured().await, Redis::start_secured().await);
            let (own, theirs) = (authority_of(&cluster.nodes()[0]), authority_of(&other));
            let (urls, at) = (cluster.node_urls(), secured_cluster_address);
            let by_number = by_number(&urls);
            let wrong = [
                at(&urls, Some(&theirs)),
                at(&urls, None),
                at(&by_number, Some(&own)),
            ];
            let error = wrong[0].probe().await.unwrap_err();
            assert!(matches!(error, ConnectError::NoNode(_)), "{error}");
            only_the_last_is_trusted(wrong, at(&urls, Some(&own))).await;
        });
    }

    /// The certificates are for localhost, and no other name of the same machine.
    fn by_number(urls: &[String]) -> Vec<String> {
        let urls = urls.iter().map(|url| url.replace("localhost", "127.0.0.1"));
        urls.collect()
    }

    async fn only_the_last_is_trusted(wrong: [RedisAddress; 3], right: RedisAddress) {
        for address in wrong {
            assert!(store_at(address).check().await.is_err());
        }
        store_at(right).check().await.unwrap();
    }
}

#[test]
fn what_contradicts_the_sentinels_is_named_at_start() {
    e2e::story::run(async {
        let set = SentinelSet::start().await;
        sentinel_address(&set.sentinel_urls(), MASTER)
            .probe()
            .await
            .unwrap();

        let error = sentinel_address(&set.sentinel_urls(), "mymaster")
            .probe()
            .await
            .unwrap_err();
        assert!(matches!(error, ConnectError::UnknownMaster(_)), "{error}");
        assert!(error.to_string().contains("mymaster"), "{error}");

        let master = set.master().await;
        let error = sentinel_address(&[master.node_url()], MASTER)
            .probe()
            .await
            .unwrap_err();
        assert!(matches!(error, ConnectError::NoSentinel(_)), "{error}");

        // A master that is down is an outage, and no mistake.
        master.stop().await;
        sentinel_address(&set.sentinel_urls(), MASTER)
            .probe()
            .await
            .unwrap();
    });
}

/// Indexes would go first, and with them the way from a logout to its sessions.
#[test]
fn a_server_that_evicts_sessions_is_told_of_at_start() {
    e2e::story::run(async {
        let log = e2e::log::Excerpt::from_now_on();
        let redis = Redis::start().await;
        let address = || RedisAddress::standalone(&redis.url(), None, TIMEOUT).unwrap();
        redis.command(&["CONFIG", "SET", "maxmemory", "100mb"]).await;
        address().probe().await.unwrap();
        redis
            .command(&["CONFIG", "SET", "maxmemory-policy", "volatile-ttl"])
            .await;
        address().probe().await.unwrap();
        assert!(log.text().contains("policy=\"volatile-ttl\""));
    });
}

#[test]
fn silent_sentinels_are_named_at_start() {
    e2e::story::run(async {
        let redis = Redis::start().await;
        redis.stop().await;
        let error = sentinel_address(&[redis.node_url()], MASTER)
            .probe()
            .await
            .unwrap_err();
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

/// What a master without replicas takes may be lost, and there may be another master already. (`min-replicas-to-write`)
#[test]
fn a_master_that_has_lost_its_replicas_is_not_trusted() {
    e2e::story::run(async {
        let set = SentinelSet::start().await;
        let store = store_at(sentinel_address(&set.sentinel_urls(), MASTER));
        let trust = Arc::new(Trust::default());
        store.listen(Arc::clone(&trust) as _);
        trust.comes().await;

        let replicas = set.replicas().await;
        for replica in &replicas {
            replica.stop().await;
        }
        trust.goes().await;
        let key = super::SessionKey::generate();
        assert!(store.end(&key).await.is_err(), "it took a write");

        replicas[0].start_again().await;
        trust.comes().await;
    });
}

/// The first one is the one at which this node listens.
#[test]
fn the_trust_returns_when_the_replica_of_a_master_takes_over() {
    e2e::story::run(async {
        let cluster = RedisCluster::start_replicated().await;
        let store = store_at(cluster_address(&cluster.node_urls()));
        let trust = Arc::new(Trust::default());
        store.listen(Arc::clone(&trust) as _);
        trust.comes().await;
        let mut masters = cluster.masters_but(None).await;
        masters.sort_by_key(|master| master.port());

        for master in masters.iter().take(2) {
            let key = super::created(&store, &super::stored(b"first")).await;
            let key_is_there = async || matches!(store.load(&key).await, Ok(Some(_)));
            master.command(&["WAIT", "1", "5000"]).await;
            master.stop().await;
            trust.goes().await;
            cluster.wait_for_the_replica_of(master).await;
            trust.comes().await;
            eventually("the session is read", async || key_is_there().await.then_some(())).await;
            // So that the next one is the only one that is missing.
            master.start_again().await;
            cluster.wait_until_ready().await;
            trust.comes().await;
        }
    });
}
