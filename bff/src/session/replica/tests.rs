use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use serde_json::json;

use super::*;
use crate::session::store::Revision;
use crate::session::tokens::{AccessToken, IssuedToken, TokenSet};

const LIMITS: Limits = Limits {
    idle: Duration::from_secs(600),
    absolute: Duration::from_secs(3_600),
};
const MIB: u64 = 1_024 * 1_024;

fn at(seconds: i64) -> UnixTime {
    UnixTime::from_secs(seconds)
}

fn session(revision: u64, access_token: &str) -> OpenSession {
    let times = LIMITS.begin(at(0));
    OpenSession {
        id: SessionId::generate(),
        key: SessionKey::generate(),
        revision: Revision(revision),
        times,
        lives_until: LIMITS.lives_until(&times),
        content: Arc::new(SessionContent {
            subject: "alice".to_owned(),
            provider_sid: None,
            claims: Map::from_iter([("email".to_owned(), json!("alice@mail.example"))]),
            tokens: TokenSet {
                access: IssuedToken {
                    token: AccessToken::new(access_token.to_owned()),
                    obtained_at: at(0),
                    refresh_from: at(200),
                    expires_at: at(300),
                    scope: None,
                },
                others: BTreeMap::new(),
                refresh_token: None,
                refresh_expires_at: None,
                id_token: None,
            },
        }),
    }
}

fn trusted() -> Replica {
    let replica = Replica::new(MIB);
    replica.trusted_until(Instant::now() + Duration::from_secs(3_600));
    replica
}

fn keep(replica: &Replica, session: &OpenSession) {
    replica.keep(replica.reading(&session.key), session, &LIMITS);
}

fn serves(replica: &Replica, session: &OpenSession) -> bool {
    replica.get(&session.id, &session.key).is_some()
}

#[test]
fn a_copy_serves_the_browser_that_holds_its_id_and_no_other() {
    let replica = trusted();
    let session = session(1, "token");
    assert!(!serves(&replica, &session));

    keep(&replica, &session);

    assert!(serves(&replica, &session));
    assert!(replica.get(&SessionId::generate(), &session.key).is_none());
    assert!(replica.get(&session.id, &SessionKey::generate()).is_none());
}

#[test]
fn nothing_is_kept_before_the_trust_and_nothing_serves_after_it() {
    let replica = Replica::new(MIB);
    let session = session(1, "token");
    keep(&replica, &session);
    replica.trusted_until(Instant::now() + Duration::from_secs(3_600));
    assert!(!serves(&replica, &session), "kept by a node that hears nothing");

    keep(&replica, &session);
    assert!(serves(&replica, &session));
    replica.trusted_until(Instant::now());

    assert!(!serves(&replica, &session), "served by a node that hears nothing");
}

#[test]
fn a_change_drops_the_copy() {
    let replica = trusted();
    let session = session(1, "token");
    for change in [
        Change::Ended(session.key.clone()),
        Change::Replaced(session.key.clone(), Revision(2)),
    ] {
        keep(&replica, &session);
        assert!(serves(&replica, &session));
        replica.changed(&change);
        assert!(!serves(&replica, &session), "{change:?}");
    }
    keep(&replica, &session);
    replica.missed();
    assert!(!serves(&replica, &session), "after a gap");
    keep(&replica, &session);
    assert!(serves(&replica, &session), "what is read after a gap is kept");
}

#[test]
fn news_that_a_copy_knows_already_leaves_it() {
    let replica = trusted();
    let session = session(2, "token");
    keep(&replica, &session);
    replica.changed(&Change::Replaced(session.key.clone(), Revision(2)));
    replica.changed(&Change::Released(session.key.clone()));
    replica.changed(&Change::Ended(SessionKey::generate()));
    assert!(serves(&replica, &session));
}

/// Reading, change, keeping: the order in which a slow reader would bring an ended session back.
#[test]
fn what_was_read_before_a_change_was_heard_is_not_kept() {
    let replica = trusted();
    let session = session(1, "token");
    let news: [&dyn Fn(); 4] = [
        &|| replica.changed(&Change::Ended(session.key.clone())),
        &|| replica.changed(&Change::Replaced(session.key.clone(), Revision(2))),
        &|| replica.missed(),
        &|| replica.forget(&session.key),
    ];
    for (number, hear) in news.iter().enumerate() {
        let reading = replica.reading(&session.key);
        hear();
        replica.keep(reading, &session, &LIMITS);
        assert!(!serves(&replica, &session), "news {number}");
    }
}

/// As the test before, with real threads: whoever looks after a change was heard never sees what was before it.
#[test]
fn readers_and_changes_that_cross_leave_no_stale_copy() {
    const CHANGES: u64 = 20_000;
    let replica = trusted();
    let first = session(1, "token");
    let (stored, heard, is_over) = (AtomicU64::new(1), AtomicU64::new(1), AtomicBool::new(false));
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    let reading = replica.reading(&first.key);
                    let read = OpenSession {
                        revision: Revision(stored.load(Ordering::SeqCst)),
                        ..first.clone()
                    };
                    replica.keep(reading, &read, &LIMITS);
                    let known = heard.load(Ordering::SeqCst);
                    if let Some(kept) = replica.get(&first.id, &first.key) {
                        assert!(kept.session.revision.0 >= known, "stale: {kept:?} after {known}");
                    }
                }
            });
        }
        for revision in 2..=CHANGES {
            stored.store(revision, Ordering::SeqCst);
            replica.changed(&Change::Replaced(first.key.clone(), Revision(revision)));
            heard.store(revision, Ordering::SeqCst);
        }
        is_over.store(true, Ordering::SeqCst);
    });
}

#[test]
fn memory_is_bounded_however_many_sessions_are_found() {
    let replica = trusted();
    let token = "t".repeat(4_096);
    for _ in 0..2_000 {
        let session = session(1, &token);
        keep(&replica, &session);
        replica.keep_ticket(&session.id.record_key(), &session.key);
    }
    replica.copies.run_pending_tasks();
    replica.tickets.run_pending_tasks();

    let bytes = replica.copies.weighted_size() + replica.tickets.weighted_size();

    assert!(bytes <= MIB, "{bytes} bytes");
    assert!(
        replica.copies.entry_count() >= 100,
        "{} copies",
        replica.copies.entry_count()
    );
}

#[test]
fn a_copy_weighs_what_it_holds() {
    let plain = weight(&session(1, "token"));
    let mut rich = session(1, &"t".repeat(1_000));
    let content = Arc::make_mut(&mut rich.content);
    content
        .claims
        .insert("groups".to_owned(), json!(vec!["admins"; 100]));
    assert!(
        weight(&rich) >= plain + 1_000 + 600,
        "{} and {plain}",
        weight(&rich)
    );
}

#[test]
fn of_uses_at_once_one_is_written_down() {
    let replica = trusted();
    let session = session(1, "token");
    keep(&replica, &session);
    let kept = replica.get(&session.id, &session.key).unwrap();

    assert!(!kept.claim_touch(&LIMITS, at(59)));
    assert!(kept.claim_touch(&LIMITS, at(60)));
    assert!(!kept.claim_touch(&LIMITS, at(60)), "twice");
    kept.touched(at(60));
    assert!(!kept.claim_touch(&LIMITS, at(119)));
    assert!(kept.claim_touch(&LIMITS, at(120)));
    // It could not be written down.
    kept.touch_again_from(at(125));
    assert!(!kept.claim_touch(&LIMITS, at(124)));
    assert!(kept.claim_touch(&LIMITS, at(125)));

    let found = kept.session(|times, _| LIMITS.lives_until(times));
    assert_eq!((found.times.last_used_at, found.lives_until), (at(60), at(660)));
}

#[test]
fn a_ticket_is_remembered_until_it_is_dropped() {
    let replica = Replica::new(MIB);
    let (ticket, key) = (SessionId::generate().record_key(), SessionKey::generate());
    assert_eq!(replica.session_of(&ticket), None);
    replica.keep_ticket(&ticket, &key);
    assert_eq!(replica.session_of(&ticket), Some(key));
    replica.drop_ticket(&ticket);
    assert_eq!(replica.session_of(&ticket), None);
}
