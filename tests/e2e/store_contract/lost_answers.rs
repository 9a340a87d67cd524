//! Redis has ended a session, and its answer does not arrive: the session is over, every node is told, and the caller
//! does not take it for a session that lives.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bff::session::SessionKey;
use bff::session::redis::RedisAddress;
use bff::session::store::{Change, ChangeListener, Ended, Revision, StoreError};
use e2e::cluster::Link;
use e2e::redis::Redis;
use e2e::wait::{eventually, within_patience};
use tokio::time::Instant;

use super::stores::store_as;
use super::{Store, created, stored};

/// How long the store waits for an answer here.
const PATIENCE: Duration = Duration::from_secs(2);

/// Another node that hears of changes.
#[derive(Debug, Default)]
struct Witness {
    heard: Mutex<Vec<Change>>,
    is_listening: Mutex<bool>,
}

impl ChangeListener for Witness {
    fn changed(&self, change: &Change) {
        self.heard.lock().unwrap().push(change.clone());
    }

    fn missed(&self) {}

    fn trusted_until(&self, _: Instant) {
        *self.is_listening.lock().unwrap() = true;
    }
}

/// How the answer is lost.
#[derive(Clone, Copy)]
enum Lost {
    /// The connection breaks after Redis has done it.
    Broken,
    /// The connection stays, and nothing comes.
    Silent,
}

#[derive(Clone, Copy)]
enum Ending {
    Whatever,
    AtRevision,
}

async fn end(store: &Store, key: &SessionKey, ending: Ending) -> Result<Ended, StoreError> {
    match ending {
        Ending::Whatever => store.end(key).await,
        Ending::AtRevision => store.end_at(key, Revision::FIRST).await,
    }
}

async fn an_ending_whose_answer_is_lost(lost: Lost, ending: Ending) {
    let redis = Redis::start().await;
    let link = Link::start(SocketAddr::from((Ipv4Addr::LOCALHOST, redis.port()))).await;
    let at = |url: &str| RedisAddress::standalone(url, None, PATIENCE).unwrap();
    let store = store_as("cloakroom", at(&format!("redis://{}/", link.address())));
    let other = store_as("cloakroom", at(&redis.url()));
    let witness = Arc::new(Witness::default());
    other.listen(Arc::clone(&witness) as _);
    eventually("the other node listens", async || {
        witness.is_listening.lock().unwrap().then_some(())
    })
    .await;
    let key = created(&store, &stored(b"first")).await;
    // The script is known, so that what is kept back is the answer to the ending and not that to its first attempt.
    let another = created(&store, &stored(b"first")).await;
    assert_eq!(end(&store, &another, ending).await.unwrap(), Ended::Now);

    link.hold_inward();
    let called = (Arc::clone(&store), key.clone());
    let call = tokio::spawn(async move { end(&called.0, &called.1, ending).await });
    eventually("the session is gone", async || {
        other.load(&key).await.unwrap().is_none().then_some(())
    })
    .await;
    assert!(!call.is_finished(), "nobody has told the caller");
    if matches!(lost, Lost::Broken) {
        link.break_connections();
        link.heal();
    }

    let answer = within_patience("the caller learns something", call)
        .await
        .unwrap();
    match lost {
        Lost::Broken => assert_eq!(answer.unwrap(), Ended::Before),
        Lost::Silent => assert!(matches!(answer, Err(StoreError::Unreachable(_))), "{answer:?}"),
    }
    link.heal();
    assert_eq!(store.load(&key).await.unwrap(), None);
    assert_eq!(end(&store, &key, ending).await.unwrap(), Ended::Before);
    eventually("everybody is told", async || {
        let heard = witness.heard.lock().unwrap();
        heard.contains(&Change::Ended(key.clone())).then_some(())
    })
    .await;
}

#[test]
fn an_ending_whose_connection_breaks_has_ended_before() {
    e2e::story::run(an_ending_whose_answer_is_lost(Lost::Broken, Ending::Whatever));
}

#[test]
fn an_ending_that_is_not_answered_is_an_outage_and_an_end() {
    e2e::story::run(an_ending_whose_answer_is_lost(Lost::Silent, Ending::Whatever));
}

#[test]
fn an_ending_at_a_revision_whose_connection_breaks_has_ended_before() {
    e2e::story::run(an_ending_whose_answer_is_lost(Lost::Broken, Ending::AtRevision));
}

#[test]
fn an_ending_at_a_revision_that_is_not_answered_is_an_outage_and_an_end() {
    e2e::story::run(an_ending_whose_answer_is_lost(Lost::Silent, Ending::AtRevision));
}
