//! A process that writes sessions until it is killed, and says what was answered.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bff::session::embedded::EmbeddedStore;
use bff::session::index::{Indexer, Owner};
use bff::session::key_ring::KeyRing;
use bff::session::lifetime::Times;
use bff::session::store::{Created, Ended, NewSession, Replaced, Revision, Sealed, SessionStore, Stored};
use bff::session::{SessionId, SessionKey};
use futures_util::future::join_all;
use resource_server::time::{Clock, SystemClock, UnixTime};

const HOUR: Duration = Duration::from_secs(3_600);
const WRITERS: usize = 32;

/// Somebody whose sessions are written.
///
/// # Panics
/// When the text is no key ring.
pub fn owner(ring: &str) -> Owner {
    Indexer::new(
        &KeyRing::parse(ring).unwrap(),
        "https://issuer.example".to_owned(),
    )
    .owner("somebody", None)
}

/// A session of theirs that begins now.
pub fn new_session(owner: &Owner, now: UnixTime) -> NewSession {
    NewSession {
        key: SessionKey::generate(),
        ticket: SessionId::generate().record_key(),
        owner: owner.clone(),
        stored: Stored {
            revision: Revision::FIRST,
            times: Times {
                created_at: now,
                last_used_at: now,
                ends_at: now + 2 * HOUR,
            },
            sealed: Sealed(vec![1; 2_000]),
            summary: Sealed(vec![2; 100]),
        },
        garbage_from: now + HOUR,
    }
}

/// Writes to this file with many writers at once. What was `created` is left alone afterwards.
///
/// # Panics
/// When the file cannot be opened or a write fails.
pub async fn write_until_killed(path: &Path, ring: &str) {
    let store = EmbeddedStore::open(path, Arc::new(SystemClock)).expect("the file opens");
    let owner = owner(ring);
    join_all((0..WRITERS).map(|writer| write_for_ever(&store, &owner, writer))).await;
}

#[expect(clippy::print_stdout, reason = "it tells the test that started it")]
async fn write_for_ever(store: &EmbeddedStore, owner: &Owner, writer: usize) {
    loop {
        let new = new_session(owner, SystemClock.now());
        assert_eq!(store.create(&new).await.unwrap(), Created::Now);
        let what = match writer % 3 {
            0 => "created",
            1 => {
                let sealed = Sealed(vec![2; 2_000]);
                let replaced = store.replace(&new.key, Revision::FIRST, &sealed).await.unwrap();
                assert_eq!(replaced, Replaced::Now(Revision(2)));
                "replaced"
            }
            _ => {
                assert_eq!(store.end(&new.key).await.unwrap(), Ended::Now);
                "ended"
            }
        };
        println!("{what} {}", new.key);
    }
}
