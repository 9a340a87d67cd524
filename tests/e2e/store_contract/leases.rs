//! The right to refresh: one holder at a time, and nobody waits for one who is gone.

use std::sync::Arc;
use std::time::Duration;

use bff::session::SessionKey;
use bff::session::changes::Changes;
use bff::session::store::{
    Change, ChangeListener, Ended, LeaseHolder, LeaseOutcome, Leased, Replaced, Revision, Sealed,
};
use e2e::wait::{eventually, within_patience};
use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Store, contract, created, stored};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);
const UNANSWERED: LeaseOutcome = LeaseOutcome {
    answered: false,
    failure: None,
};

contract!(
    a_lease_has_one_holder_also_in_parallel,
    a_lease_that_was_given_back_is_free,
    a_lease_that_is_not_renewed_runs_out,
    a_renewed_lease_goes_on,
    a_lease_names_the_revision_it_read,
    an_ended_session_has_no_lease,
    a_failure_is_shared_until_it_is_over,
    a_mark_counts_what_nobody_answered,
    those_who_wait_are_woken,
);

async fn ask(store: &Store, key: &SessionKey, holder: &LeaseHolder) -> Leased {
    store.lease(key, Revision::FIRST, holder, LONG).await.unwrap()
}

async fn a_lease_has_one_holder_also_in_parallel(store: Store) {
    let key = created(&store, &stored(b"first")).await;
    let askers = (0..50).map(|_| {
        let (store, key) = (Arc::clone(&store), key.clone());
        async move { ask(&store, &key, &LeaseHolder::generate()).await }
    });
    let answers = join_all(askers).await;
    let granted = answers
        .iter()
        .filter(|answer| **answer == Leased::Yours { unanswered: 0 });
    assert_eq!(granted.count(), 1, "{answers:?}");
    let held = answers
        .iter()
        .filter(|answer| matches!(answer, Leased::Held { remaining } if *remaining <= LONG));
    assert_eq!(held.count(), 49, "{answers:?}");
}

async fn a_lease_that_was_given_back_is_free(store: Store) {
    let key = created(&store, &stored(b"first")).await;
    let (first, second) = (LeaseHolder::generate(), LeaseHolder::generate());
    assert_eq!(ask(&store, &key, &first).await, Leased::Yours { unanswered: 0 });
    let nobody_asked_it = LeaseOutcome {
        answered: true,
        failure: None,
    };

    store
        .release_lease(&key, &second, &nobody_asked_it)
        .await
        .unwrap();
    assert!(matches!(ask(&store, &key, &second).await, Leased::Held { .. }));
    store.release_lease(&key, &first, &nobody_asked_it).await.unwrap();

    assert_eq!(ask(&store, &key, &second).await, Leased::Yours { unanswered: 0 });
}

async fn a_lease_that_is_not_renewed_runs_out(store: Store) {
    let key = created(&store, &stored(b"first")).await;
    let (stopped, next) = (LeaseHolder::generate(), LeaseHolder::generate());
    let length = Duration::from_millis(50);
    let leased = store
        .lease(&key, Revision::FIRST, &stopped, length)
        .await
        .unwrap();
    assert_eq!(leased, Leased::Yours { unanswered: 0 });

    let leased = eventually("the lease runs out", async || {
        match ask(&store, &key, &next).await {
            Leased::Held { .. } => None,
            other => Some(other),
        }
    })
    .await;

    assert_eq!(leased, Leased::Yours { unanswered: 1 });
    assert!(!store.renew_lease(&key, &stopped, LONG).await.unwrap());
}

pub(super) async fn a_renewed_lease_goes_on(store: Store) {
    let key = created(&store, &stored(b"first")).await;
    let (holder, other) = (LeaseHolder::generate(), LeaseHolder::generate());
    let soon_over = Duration::from_secs(5);
    let leased = store
        .lease(&key, Revision::FIRST, &holder, soon_over)
        .await
        .unwrap();
    assert_eq!(leased, Leased::Yours { unanswered: 0 });

    assert!(store.renew_lease(&key, &holder, LONG).await.unwrap());

    let Leased::Held { remaining } = ask(&store, &key, &other).await else {
        panic!("a held lease was granted");
    };
    assert!(remaining > soon_over, "{remaining:?}");
}

async fn a_lease_names_the_revision_it_read(store: Store) {
    let key = created(&store, &stored(b"first")).await;
    let holder = LeaseHolder::generate();
    assert_eq!(ask(&store, &key, &holder).await, Leased::Yours { unanswered: 0 });
    let next = Sealed(b"second".to_vec());
    let replaced = store.replace(&key, Revision::FIRST, &next).await.unwrap();
    assert_eq!(replaced, Replaced::Now(Revision(2)));

    let Leased::LostTo(stored) = ask(&store, &key, &LeaseHolder::generate()).await else {
        panic!("a lease was granted for tokens that are replaced");
    };
    assert_eq!(stored.sealed, next);

    // A replacement ends the lease and the mark of the revision before.
    let leased = store
        .lease(&key, Revision(2), &LeaseHolder::generate(), LONG)
        .await
        .unwrap();
    assert_eq!(leased, Leased::Yours { unanswered: 0 });
}

async fn an_ended_session_has_no_lease(store: Store) {
    let key = created(&store, &stored(b"first")).await;
    let holder = LeaseHolder::generate();
    assert_eq!(ask(&store, &key, &holder).await, Leased::Yours { unanswered: 0 });
    assert_eq!(store.end(&key).await.unwrap(), Ended::Now);

    assert_eq!(ask(&store, &key, &holder).await, Leased::SessionEnded);
    assert!(!store.renew_lease(&key, &holder, LONG).await.unwrap());
    store.release_lease(&key, &holder, &UNANSWERED).await.unwrap();
    assert_eq!(store.load(&key).await.unwrap(), None, "a lease revived a session");
}

pub(super) async fn a_failure_is_shared_until_it_is_over(store: Store) {
    let key = created(&store, &stored(b"first")).await;
    let holder = LeaseHolder::generate();
    let failed_for = |length| LeaseOutcome {
        answered: true,
        failure: Some((length, "the provider is down".to_owned())),
    };
    assert_eq!(ask(&store, &key, &holder).await, Leased::Yours { unanswered: 0 });
    store
        .release_lease(&key, &holder, &failed_for(LONG))
        .await
        .unwrap();

    let Leased::Failed { retry_after, cause } = ask(&store, &key, &LeaseHolder::generate()).await else {
        panic!("the provider would be asked again at once");
    };
    assert!(retry_after <= LONG);
    assert_eq!(cause, "the provider is down");

    let other = created(&store, &stored(b"first")).await;
    assert_eq!(
        ask(&store, &other, &holder).await,
        Leased::Yours { unanswered: 0 }
    );
    let short = failed_for(Duration::from_millis(20));
    store.release_lease(&other, &holder, &short).await.unwrap();
    eventually("the failure is over", async || {
        let leased = ask(&store, &other, &LeaseHolder::generate()).await;
        (leased == Leased::Yours { unanswered: 0 }).then_some(())
    })
    .await;
}

async fn a_mark_counts_what_nobody_answered(store: Store) {
    let key = created(&store, &stored(b"first")).await;
    for unanswered in 0..3 {
        let holder = LeaseHolder::generate();
        assert_eq!(ask(&store, &key, &holder).await, Leased::Yours { unanswered });
        // Whose answer was lost asks again and meets its own lease: that is no further sending.
        assert_eq!(ask(&store, &key, &holder).await, Leased::Yours { unanswered });
        store.release_lease(&key, &holder, &UNANSWERED).await.unwrap();
    }
}

/// Passes on what it is told, and knows whether anything can be told yet.
#[derive(Debug, Default)]
struct Ear {
    changes: Arc<Changes>,
    is_open: Notify,
}

impl ChangeListener for Ear {
    fn changed(&self, change: &Change) {
        self.changes.changed(change);
    }

    fn missed(&self) {
        self.changes.missed();
    }

    fn trusted_until(&self, _: Instant) {
        self.is_open.notify_one();
    }
}

pub(super) async fn those_who_wait_are_woken(store: Store) {
    let ear = Arc::new(Ear::default());
    store.listen(Arc::clone(&ear) as _);
    within_patience("changes can be told", ear.is_open.notified()).await;
    let changes = Arc::clone(&ear.changes);
    let (renewed, ended, released) = (
        created(&store, &stored(b"1")).await,
        created(&store, &stored(b"2")).await,
        created(&store, &stored(b"3")).await,
    );
    let holder = LeaseHolder::generate();
    assert_eq!(
        ask(&store, &released, &holder).await,
        Leased::Yours { unanswered: 0 }
    );
    let mut waiting = [&renewed, &ended, &released].map(|key| changes.wait_for(key));

    let replaced = store
        .replace(&renewed, Revision::FIRST, &Sealed(Vec::new()))
        .await
        .unwrap();
    assert_eq!(replaced, Replaced::Now(Revision(2)));
    assert_eq!(store.end(&ended).await.unwrap(), Ended::Now);
    store
        .release_lease(&released, &holder, &UNANSWERED)
        .await
        .unwrap();

    for waiting in &mut waiting {
        within_patience("a change is told", waiting.change()).await;
    }
}
