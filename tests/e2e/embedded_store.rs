//! What the embedded store promises beyond the common contract: it survives `kill -9`, its file stays small, and whoever
//! ends a session is heard.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bff::session::SessionKey;
use bff::session::embedded::EmbeddedStore;
use bff::session::index::Owner;
use bff::session::key_ring::{KeyName, KeyRing};
use bff::session::store::{
    Change, ChangeListener, Claimed, Created, Ended, Mark, NewSession, Revision, SessionStore,
};
use e2e::wait::eventually;
use e2e::writer::{new_session, owner};
use futures_util::future::join_all;
use resource_server::time::{Clock, ManualClock, SystemClock, UnixTime};
use tokio::time::Instant;

const HOUR: Duration = Duration::from_secs(3_600);

fn ring() -> String {
    KeyRing::generate(&KeyName::parse("k1").unwrap()).to_string()
}

/// Sessions begin, are used, and end or are left behind, round after round: the file grows to what one round takes, and
/// then no more.
#[test]
fn the_file_stays_as_large_as_what_lives() {
    e2e::story::run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions.redb");
        let clock = ManualClock::new(SystemClock.now());
        let store = EmbeddedStore::open(&path, Arc::new(clock.clone())).unwrap();
        let owner = owner(&ring());
        let size = || std::fs::metadata(&path).unwrap().len();
        let mut settled = 0;
        for round in 0..24 {
            let now = clock.now();
            let lives = (0..300).map(|number| live(&store, new_session(&owner, now), number, now));
            join_all(lives).await;
            clock.advance(3 * HOUR);
            store.check().await.unwrap();
            if round == 5 {
                settled = size();
            }
        }

        // The sweep follows the write, in steps; the last rounds' garbage goes now.
        eventually("everything is swept", || async {
            store.check().await.unwrap();
            let left = store.all_sessions(None).await.unwrap().sessions;
            left.is_empty().then_some(())
        })
        .await;
        assert_eq!(store.sessions_of(&owner.user).await.unwrap(), []);
        // The file grows in steps, and how writes share transactions is a matter of timing; without sweeping it would take
        // four times as much.
        assert!(size() <= 2 * settled, "{} bytes after {settled}", size());
    });
}

async fn live(store: &EmbeddedStore, new: NewSession, number: usize, now: UnixTime) {
    assert_eq!(store.create(&new).await.unwrap(), Created::Now);
    let mark = Mark(new.ticket.as_str().to_owned());
    assert_eq!(store.claim(&mark, now + HOUR).await.unwrap(), Claimed::First);
    match number % 3 {
        // Left behind.
        0 => {}
        1 => {
            let used = now + Duration::from_secs(60);
            let touched = store.touch(&new.key, used, used + HOUR).await.unwrap();
            assert_eq!(touched, bff::session::store::Touched::Now);
        }
        _ => {
            assert_eq!(store.end(&new.key).await.unwrap(), Ended::Now);
            store.drop_ticket(&new.ticket).await.unwrap();
        }
    }
}

#[derive(Debug, Default)]
struct Heard(Mutex<Vec<Change>>);

impl ChangeListener for Heard {
    fn changed(&self, change: &Change) {
        self.0.lock().unwrap().push(change.clone());
    }

    fn missed(&self) {}

    fn trusted_until(&self, _: Instant) {}
}

/// A browser that goes away takes the request with it that ends its session; the copies have to go all the same.
#[test]
fn an_ending_is_heard_although_nobody_waits_for_its_answer() {
    e2e::story::run(async {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(&folder.path().join("s.redb"), Arc::new(SystemClock)).unwrap();
        let heard = Arc::new(Heard::default());
        store.listen(Arc::clone(&heard) as Arc<dyn ChangeListener>);
        let new = new_session(&owner(&ring()), SystemClock.now());
        assert_eq!(store.create(&new).await.unwrap(), Created::Now);

        let mut ending = store.end(&new.key);
        let _ = futures_util::poll!(&mut ending);
        drop(ending);

        eventually("the ending is heard", || async {
            heard
                .0
                .lock()
                .unwrap()
                .contains(&Change::Ended(new.key.clone()))
                .then_some(())
        })
        .await;
        assert_eq!(store.load(&new.key).await.unwrap(), None);
    });
}

/// What a writer had been answered when it was killed.
#[derive(Debug, Default)]
struct Answered {
    created: BTreeSet<String>,
    replaced: BTreeSet<String>,
    ended: BTreeSet<String>,
}

impl Answered {
    fn learn(&mut self, line: &str) -> Option<()> {
        let mut words = line.split(' ');
        let (what, key) = (words.next()?, words.next()?.to_owned());
        match what {
            "created" => self.created.insert(key),
            "replaced" => self.replaced.insert(key),
            "ended" => self.ended.insert(key),
            _ => return None,
        };
        Some(())
    }
}

/// (67) Three times over: a process with many writes in flight is killed, and the next one finds all that was answered.
#[test]
fn what_was_answered_before_a_kill_is_there_and_nothing_is_half() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.redb");
    let ring = ring();
    let mut answered = Answered::default();
    for _ in 0..3 {
        kill_a_writer(&path, &ring, &mut answered);
        e2e::story::run(assert_all_is_there(&path, &owner(&ring), &answered));
    }
    assert!(answered.ended.len() > 50 && answered.replaced.len() > 50);
}

fn kill_a_writer(path: &Path, ring: &str, answered: &mut Answered) {
    let mut writer = Command::new(env!("CARGO_BIN_EXE_session-writer"))
        .arg(path)
        .arg(ring)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let mut count = 0;
    for line in lines.map_while(Result::ok) {
        count += usize::from(answered.learn(&line).is_some());
        if count == 400 {
            // SIGKILL; what it had said by then is still in the pipe.
            writer.kill().unwrap();
        }
    }
    let _ = writer.wait().unwrap();
    assert!(count >= 400, "the writer ended by itself after {count} answers");
}

async fn assert_all_is_there(path: &Path, owner: &Owner, answered: &Answered) {
    let store = EmbeddedStore::open(path, Arc::new(SystemClock)).unwrap();
    let mut stored = BTreeSet::new();
    let mut from = None;
    loop {
        let page = store.all_sessions(from.as_deref()).await.unwrap();
        stored.extend(page.sessions.iter().map(|key| key.as_str().to_owned()));
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    let indexed = store.sessions_of(&owner.user).await.unwrap();
    let indexed: BTreeSet<_> = indexed.iter().map(|key| key.as_str().to_owned()).collect();
    assert_eq!(
        indexed, stored,
        "a session without its index, or the other way round"
    );

    for name in &stored {
        let key = SessionKey::parse(name).unwrap();
        let session = store.load(&key).await.unwrap().expect("a whole session");
        let expected = match session.revision {
            Revision(1) => 1,
            _ => 2,
        };
        assert!(
            session.sealed.0.iter().all(|byte| *byte == expected),
            "{session:?}"
        );
    }
    for name in &answered.replaced {
        let session = store.load(&SessionKey::parse(name).unwrap()).await.unwrap();
        assert_eq!(session.expect("an answered session").revision, Revision(2));
    }
    let gone: Vec<_> = answered
        .ended
        .iter()
        .filter(|name| stored.contains(*name))
        .collect();
    assert!(gone.is_empty(), "ended and here again: {gone:?}");
    let lost: Vec<_> = answered
        .created
        .iter()
        .filter(|name| !stored.contains(*name))
        .collect();
    assert!(lost.is_empty(), "answered and lost: {lost:?}");
    store.close().await;
}
