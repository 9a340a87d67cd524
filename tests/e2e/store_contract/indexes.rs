//! What leads to sessions: by user, by the provider's session, and one after the other.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bff::session::SessionKey;
use bff::session::store::{Ended, Revision};

use futures_util::future::join_all;

use super::{Store, contract, create, indexer, later, now, owned, stored};

contract!(
    a_session_is_found_by_its_user_and_by_its_provider_session,
    an_ended_session_is_found_by_nobody,
    a_walk_meets_every_session,
    the_latest_logout_of_an_index_is_noted,
);

async fn a_session_is_found_by_its_user_and_by_its_provider_session(store: Store) {
    let indexer = indexer();
    let at_home = owned(indexer.owner("alice", Some("sid-1")), stored(b"1"));
    let on_the_way = owned(indexer.owner("alice", Some("sid-2")), stored(b"2"));
    let somebody_else = owned(indexer.owner("bob", None), stored(b"3"));
    for new in [&at_home, &on_the_way, &somebody_else] {
        create(&store, new).await;
    }

    let of_alice: HashSet<SessionKey> = (store.sessions_of(&indexer.user("alice")).await.unwrap())
        .into_iter()
        .collect();
    assert_eq!(of_alice, HashSet::from([at_home.key.clone(), on_the_way.key]));
    let of_sid = store
        .sessions_of(&indexer.provider_session("sid-1"))
        .await
        .unwrap();
    assert_eq!(of_sid, [at_home.key]);
    assert_eq!(
        store.sessions_of(&indexer.user("bob")).await.unwrap(),
        [somebody_else.key]
    );
    assert_eq!(store.sessions_of(&indexer.user("carol")).await.unwrap(), []);
}

pub(super) async fn an_ended_session_is_found_by_nobody(store: Store) {
    let indexer = indexer();
    let owner = indexer.owner("alice", Some("sid"));
    let (first, second) = (owned(owner.clone(), stored(b"1")), owned(owner, stored(b"2")));
    create(&store, &first).await;
    create(&store, &second).await;

    assert_eq!(store.end(&first.key).await.unwrap(), Ended::Now);
    assert_eq!(
        store.end_at(&second.key, Revision::FIRST).await.unwrap(),
        Ended::Now
    );

    assert_eq!(store.sessions_of(&indexer.user("alice")).await.unwrap(), []);
    assert_eq!(
        store.sessions_of(&indexer.provider_session("sid")).await.unwrap(),
        []
    );
}

pub(super) async fn a_walk_meets_every_session(store: Store) {
    let before = everybody(&store).await;
    let owner = indexer().owner("somebody", None);
    let created = (0..600).map(|_| {
        let (store, new) = (Arc::clone(&store), owned(owner.clone(), stored(b"x")));
        async move {
            create(&store, &new).await;
            new.key
        }
    });
    let created: HashSet<SessionKey> = join_all(created).await.into_iter().collect();

    let met = everybody(&store).await;

    let expected = before.union(&created).cloned().collect();
    assert!(
        met == expected,
        "the walk left {} out, and met {} of others",
        expected.difference(&met).count(),
        met.difference(&expected).count()
    );
}

async fn everybody(store: &Store) -> HashSet<SessionKey> {
    let (mut met, mut from) = (HashSet::new(), None);
    loop {
        let page = store.all_sessions(from.as_deref()).await.unwrap();
        met.extend(page.sessions);
        from = page.next;
        if from.is_none() {
            return met;
        }
    }
}

async fn the_latest_logout_of_an_index_is_noted(store: Store) {
    let indexer = indexer();
    let (alice, bob) = (indexer.user("alice"), indexer.user("bob"));
    let begun = now();
    let noted = |seconds| begun + Duration::from_secs(seconds);
    assert_eq!(store.noted_logout(&alice).await.unwrap(), None);

    for seconds in [2, 3, 1] {
        store.note_logout(&alice, noted(seconds), later()).await.unwrap();
    }

    assert_eq!(store.noted_logout(&alice).await.unwrap(), Some(noted(3)));
    assert_eq!(store.noted_logout(&bob).await.unwrap(), None);
    store.note_logout(&bob, noted(0), later()).await.unwrap();
    assert!(store.noted_logout(&bob).await.unwrap().is_some());
}
