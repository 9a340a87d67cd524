//! What every session store has to keep, checked on the embedded store and on a real Redis by the same suite: records
//! and tickets here, what leads to sessions in `indexes`, the right to refresh in `leases`.

mod indexes;
mod leases;
mod lost_answers;
mod redis_forms;
mod stores;

use std::sync::Arc;
use std::time::Duration;

use bff::session::embedded::EmbeddedStore;
use bff::session::index::{Indexer, Owner};
use bff::session::key_ring::{KeyName, KeyRing};
use bff::session::lifetime::Times;
use bff::session::store::{
    Claimed, Created, Ended, Mark, NewSession, Outline, Replaced, Revision, Sealed, SessionStore, StoreError,
    Stored, Touched,
};
use bff::session::{SessionId, SessionKey};
use futures_util::future::join_all;
use resource_server::time::{Clock, ManualClock, SystemClock, UnixTime};

type Store = Arc<dyn SessionStore>;

/// Makes a test of each clause for each store.
macro_rules! contract {
    ($($clause:ident),+ $(,)?) => {$(
        mod $clause {
            #[test]
            fn embedded() {
                e2e::story::run(crate::store_contract::stores::on_embedded(super::$clause));
            }

            #[test]
            fn redis() {
                e2e::story::run(crate::store_contract::stores::on_redis(super::$clause));
            }

            #[test]
            fn cluster() {
                e2e::story::run(crate::store_contract::stores::on_cluster(super::$clause));
            }
        }
    )+};
}
use contract;

contract!(
    a_session_is_read_as_it_was_written,
    an_unknown_session_has_ended,
    a_key_is_taken_once,
    a_replacement_names_the_revision_it_read,
    a_replacement_of_an_ended_session_changes_nothing,
    of_many_parallel_replacements_one_wins,
    a_use_moves_forward_only_and_leaves_the_revision,
    a_use_of_an_ended_session_changes_nothing,
    ending_twice_is_no_error,
    an_ending_that_names_a_revision_spares_a_renewed_session,
    an_ending_wins_against_parallel_replacements,
    a_ticket_names_its_session_until_it_is_dropped,
    a_mark_is_claimed_once_also_in_parallel,
    bytes_of_every_value_and_size_survive,
    a_closed_store_is_unreachable,
);

fn now() -> UnixTime {
    SystemClock.now()
}

fn later() -> UnixTime {
    now() + Duration::from_secs(3_600)
}

fn stored(sealed: &[u8]) -> Stored {
    let times = Times {
        created_at: now(),
        last_used_at: now(),
        ends_at: later(),
    };
    Stored {
        revision: Revision::FIRST,
        times,
        sealed: Sealed(sealed.to_vec()),
        summary: Sealed(b"a summary".to_vec()),
    }
}

fn indexer() -> Indexer {
    let ring = KeyRing::generate(&KeyName::parse("k1").unwrap());
    Indexer::new(
        &KeyRing::parse(&ring).unwrap(),
        "https://issuer.example".to_owned(),
    )
}

fn owned(owner: Owner, stored: Stored) -> NewSession {
    NewSession {
        key: SessionKey::generate(),
        ticket: SessionId::generate().record_key(),
        owner,
        stored,
        garbage_from: later(),
    }
}

fn new_session(stored: Stored) -> NewSession {
    owned(indexer().owner("somebody", None), stored)
}

async fn create(store: &Store, new: &NewSession) {
    assert_eq!(store.create(new).await.unwrap(), Created::Now);
}

async fn created(store: &Store, stored: &Stored) -> SessionKey {
    let new = new_session(stored.clone());
    create(store, &new).await;
    new.key
}

async fn a_session_is_read_as_it_was_written(store: Store) {
    let stored = stored(b"first");
    let key = created(&store, &stored).await;
    assert_eq!(store.load(&key).await.unwrap(), Some(stored));
}

async fn an_unknown_session_has_ended(store: Store) {
    let nobody = SessionKey::generate();
    assert_eq!(store.outline(&nobody).await.unwrap(), None);
    let key = SessionKey::generate();
    let sealed = Sealed(b"x".to_vec());
    assert_eq!(store.load(&key).await.unwrap(), None);
    assert_eq!(
        store.replace(&key, Revision::FIRST, &sealed).await.unwrap(),
        Replaced::SessionEnded
    );
    assert_eq!(
        store.touch(&key, now(), later()).await.unwrap(),
        Touched::SessionEnded
    );
    assert_eq!(store.end(&key).await.unwrap(), Ended::Before);
    assert_eq!(store.end_at(&key, Revision::FIRST).await.unwrap(), Ended::Before);
    assert_eq!(
        store.load(&key).await.unwrap(),
        None,
        "a conditional write made a session"
    );
}

async fn a_key_is_taken_once(store: Store) {
    let first = stored(b"first");
    let key = created(&store, &first).await;
    let second = NewSession {
        key: key.clone(),
        ..new_session(stored(b"second"))
    };
    assert_eq!(store.create(&second).await.unwrap(), Created::KeyTaken);
    assert_eq!(store.load(&key).await.unwrap(), Some(first.clone()));
    let outline = Outline {
        times: first.times,
        summary: first.summary,
    };
    assert_eq!(store.outline(&key).await.unwrap(), Some(outline));
    assert_eq!(store.session_of(&second.ticket).await.unwrap(), None);
}

async fn a_replacement_names_the_revision_it_read(store: Store) {
    let key = created(&store, &stored(b"first")).await;
    let replaced = store
        .replace(&key, Revision::FIRST, &Sealed(b"second".to_vec()))
        .await
        .unwrap();
    assert_eq!(replaced, Replaced::Now(Revision(2)));

    let late = store
        .replace(&key, Revision::FIRST, &Sealed(b"late".to_vec()))
        .await
        .unwrap();

    let Replaced::LostTo(winner) = late else {
        panic!("a stale writer won: {late:?}");
    };
    assert_eq!(
        (winner.revision, &winner.sealed.0[..]),
        (Revision(2), &b"second"[..])
    );
    assert_eq!(store.load(&key).await.unwrap(), Some(winner));
}

async fn a_replacement_of_an_ended_session_changes_nothing(store: Store) {
    let key = created(&store, &stored(b"first")).await;
    assert_eq!(store.end(&key).await.unwrap(), Ended::Now);
    let replaced = store
        .replace(&key, Revision::FIRST, &Sealed(b"revived".to_vec()))
        .await
        .unwrap();
    assert_eq!(replaced, Replaced::SessionEnded);
    assert_eq!(store.load(&key).await.unwrap(), None);
}

async fn of_many_parallel_replacements_one_wins(store: Store) {
    let key = created(&store, &stored(b"first")).await;
    let writers = (0..50_u8).map(|writer| {
        let (store, key) = (Arc::clone(&store), key.clone());
        async move {
            store
                .replace(&key, Revision::FIRST, &Sealed(vec![writer]))
                .await
                .unwrap()
        }
    });
    let outcomes = join_all(writers).await;
    let winners = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Replaced::Now(_)))
        .count();
    assert_eq!(winners, 1, "{outcomes:?}");
    assert_eq!(store.load(&key).await.unwrap().unwrap().revision, Revision(2));
}

async fn a_use_moves_forward_only_and_leaves_the_revision(store: Store) {
    let first = stored(b"first");
    let key = created(&store, &first).await;
    let used = first.times.last_used_at + Duration::from_secs(60);
    assert_eq!(store.touch(&key, used, later()).await.unwrap(), Touched::Now);
    assert_eq!(
        store
            .touch(&key, first.times.last_used_at, later())
            .await
            .unwrap(),
        Touched::Now
    );

    let read = store.load(&key).await.unwrap().unwrap();

    assert_eq!(read.times.last_used_at, used);
    assert_eq!((read.revision, read.sealed), (first.revision, first.sealed));
    let replaced = store
        .replace(&key, Revision::FIRST, &Sealed(b"second".to_vec()))
        .await
        .unwrap();
    assert_eq!(
        replaced,
        Replaced::Now(Revision(2)),
        "a use must not get in the way of a refresh"
    );
    assert_eq!(store.load(&key).await.unwrap().unwrap().times.last_used_at, used);
}

async fn a_use_of_an_ended_session_changes_nothing(store: Store) {
    let key = created(&store, &stored(b"first")).await;
    assert_eq!(store.end(&key).await.unwrap(), Ended::Now);
    assert_eq!(
        store.touch(&key, now(), later()).await.unwrap(),
        Touched::SessionEnded
    );
    assert_eq!(store.load(&key).await.unwrap(), None);
}

async fn ending_twice_is_no_error(store: Store) {
    let key = created(&store, &stored(b"first")).await;
    assert_eq!(store.end(&key).await.unwrap(), Ended::Now);
    assert_eq!(store.end(&key).await.unwrap(), Ended::Before);
    assert_eq!(store.end_at(&key, Revision::FIRST).await.unwrap(), Ended::Before);
}

async fn an_ending_that_names_a_revision_spares_a_renewed_session(store: Store) {
    let key = created(&store, &stored(b"first")).await;
    let replaced = store
        .replace(&key, Revision::FIRST, &Sealed(b"second".to_vec()))
        .await
        .unwrap();
    assert_eq!(replaced, Replaced::Now(Revision(2)));

    let Ended::LostTo(renewed) = store.end_at(&key, Revision::FIRST).await.unwrap() else {
        panic!("an ending that knew only the old tokens ended the renewed session");
    };

    assert_eq!(renewed.sealed.0, b"second");
    assert_eq!(store.end_at(&key, Revision(2)).await.unwrap(), Ended::Now);
    assert_eq!(store.load(&key).await.unwrap(), None);
}

async fn an_ending_wins_against_parallel_replacements(store: Store) {
    for _ in 0..20 {
        let key = created(&store, &stored(b"first")).await;
        let replacement = Sealed(b"late".to_vec());
        let (ended, replaced) = tokio::join!(
            store.end(&key),
            store.replace(&key, Revision::FIRST, &replacement)
        );
        assert_eq!(ended.unwrap(), Ended::Now);
        assert!(matches!(
            replaced.unwrap(),
            Replaced::Now(_) | Replaced::SessionEnded
        ));
        assert_eq!(
            store.load(&key).await.unwrap(),
            None,
            "a write revived an ended session"
        );
    }
}

async fn a_ticket_names_its_session_until_it_is_dropped(store: Store) {
    let new = new_session(stored(b"first"));
    let ticket = &new.ticket;
    assert_eq!(store.session_of(ticket).await.unwrap(), None);
    create(&store, &new).await;
    assert_eq!(store.session_of(ticket).await.unwrap(), Some(new.key.clone()));
    store.drop_ticket(ticket).await.unwrap();
    store.drop_ticket(ticket).await.unwrap();
    assert_eq!(store.session_of(ticket).await.unwrap(), None);
}

async fn a_mark_is_claimed_once_also_in_parallel(store: Store) {
    let mark = Mark("login-x".to_owned());
    assert!(!store.is_claimed(&mark).await.unwrap());
    assert!(!store.is_claimed(&mark).await.unwrap(), "a look claims nothing");
    let claims = (0..50).map(|_| {
        let (store, mark) = (Arc::clone(&store), mark.clone());
        async move { store.claim(&mark, later()).await.unwrap() }
    });
    let outcomes = join_all(claims).await;
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| **outcome == Claimed::First)
            .count(),
        1
    );
    assert!(store.is_claimed(&mark).await.unwrap());
    assert_eq!(
        store.claim(&Mark("login-y".to_owned()), later()).await.unwrap(),
        Claimed::First
    );
}

async fn bytes_of_every_value_and_size_survive(store: Store) {
    let every_byte: Vec<u8> = (0..=255).collect();
    for sealed in [Vec::new(), every_byte.clone(), every_byte.repeat(400)] {
        let stored = stored(&sealed);
        let key = created(&store, &stored).await;
        assert_eq!(store.load(&key).await.unwrap(), Some(stored));
    }
}

async fn a_closed_store_is_unreachable(store: Store) {
    let key = created(&store, &stored(b"first")).await;
    store.check().await.unwrap();
    store.close().await;
    assert!(matches!(store.load(&key).await, Err(StoreError::Unreachable(_))));
    assert!(matches!(store.end(&key).await, Err(StoreError::Unreachable(_))));
    assert!(store.check().await.is_err());
}

/// Only of the embedded store, whose sweeper goes by our clock; Redis forgets by its own.
#[test]
fn expired_records_are_swept_and_living_ones_stay() {
    e2e::story::run(async {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(now());
        let store = EmbeddedStore::open(&folder.path().join("s.redb"), Arc::new(clock.clone())).unwrap();
        let store: Store = Arc::new(store);
        let owner = indexer().owner("somebody", Some("there"));
        let old = NewSession {
            garbage_from: clock.now() + Duration::from_secs(30),
            ..owned(owner.clone(), stored(b"old"))
        };
        let young = owned(owner.clone(), stored(b"young"));
        create(&store, &old).await;
        create(&store, &young).await;

        clock.advance(Duration::from_secs(61));
        // The sweep follows the next write, and the one after that follows the sweep.
        for _ in 0..2 {
            let ended = store.end(&SessionKey::generate()).await.unwrap();
            assert_eq!(ended, Ended::Before);
        }

        assert_eq!(store.load(&old.key).await.unwrap(), None);
        assert!(store.load(&young.key).await.unwrap().is_some());
        for index in [Some(&owner.user), owner.provider_session.as_ref()] {
            assert_eq!(
                store.sessions_of(index.unwrap()).await.unwrap(),
                std::slice::from_ref(&young.key)
            );
        }
    });
}

/// Durable writes are the promise of the embedded store: what was answered is there after the file is opened again.
#[test]
fn an_embedded_store_keeps_what_it_answered_and_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    e2e::story::run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions.redb");
        let open = || EmbeddedStore::open(&path, Arc::new(SystemClock)).unwrap();
        let first: Store = Arc::new(open());
        let key = created(&first, &stored(b"kept")).await;
        first.close().await;

        let second = open();

        assert_eq!(second.load(&key).await.unwrap().unwrap().sealed.0, b"kept");
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    });
}
