//! What every store has to do, and then what only the file does.

use super::{Added, FileStore, MAX_NOTES_PER_OWNER, MemoryStore, Note, NoteId, NoteStore, NoteText, Owner};
use crate::time::UnixTime;

fn owner(issuer: &str, subject: &str) -> Owner {
    Owner {
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
    }
}

fn note(text: &str) -> Note {
    Note {
        id: NoteId::generate(&aws_lc_rs::rand::SystemRandom::new()).unwrap(),
        text: NoteText::parse(text.to_owned()).unwrap(),
        // All of the same second: the order must not depend on the clock.
        created_at: UnixTime::from_secs(1_700_000_000),
    }
}

async fn texts(store: &dyn NoteStore, owner: &Owner) -> Vec<String> {
    store
        .list(owner)
        .await
        .unwrap()
        .into_iter()
        .map(|note| note.text.as_str().to_owned())
        .collect()
}

async fn fulfils_the_contract(store: &dyn NoteStore) {
    lists_the_newest_first(store).await;
    shows_a_note_to_its_owner_only(store).await;
    keeps_owners_apart(store).await;
    takes_a_bounded_number(store).await;
    can_be_closed_twice(store).await;
}

async fn lists_the_newest_first(store: &dyn NoteStore) {
    let alice = owner("https://op.example", "alice");
    assert_eq!(store.list(&alice).await.unwrap(), []);
    let notes = ["one", "two", "three"].map(note);
    for note in &notes {
        assert_eq!(store.add(&alice, note.clone()).await.unwrap(), Added::Now);
    }
    let [one, two, three] = notes;
    assert_eq!(store.list(&alice).await.unwrap(), [three, two, one]);
}

async fn shows_a_note_to_its_owner_only(store: &dyn NoteStore) {
    let (carol, dave) = (
        owner("https://op.example", "carol"),
        owner("https://op.example", "dave"),
    );
    let (kept, unknown) = (note("carol's"), note("nobody's"));
    assert_eq!(store.add(&carol, kept.clone()).await.unwrap(), Added::Now);

    assert_eq!(store.find(&carol, &kept.id).await.unwrap(), Some(kept.clone()));
    assert_eq!(store.find(&dave, &kept.id).await.unwrap(), None);
    assert_eq!(store.find(&carol, &unknown.id).await.unwrap(), None);
}

async fn keeps_owners_apart(store: &dyn NoteStore) {
    // The same subject elsewhere is another person, and no joining of the two names makes them one.
    let owners = [
        owner("https://op.example", "erin"),
        owner("https://other.example", "erin"),
        owner("https://op.example", "erin\0"),
        owner("https://op.exampl", "eerin"),
        owner("https://op.example", "eri"),
        owner("", "https://op.exampleerin"),
    ];
    for owner in &owners {
        assert_eq!(
            store.add(owner, note(&format!("of {owner:?}"))).await.unwrap(),
            Added::Now
        );
    }
    for owner in &owners {
        assert_eq!(texts(store, owner).await, [format!("of {owner:?}")]);
    }
}

async fn takes_a_bounded_number(store: &dyn NoteStore) {
    let (frank, grace) = (
        owner("https://op.example", "frank"),
        owner("https://op.example", "grace"),
    );
    for _ in 0..MAX_NOTES_PER_OWNER {
        assert_eq!(store.add(&frank, note("x")).await.unwrap(), Added::Now);
    }
    assert_eq!(
        store.add(&frank, note("one too many")).await.unwrap(),
        Added::NoRoom
    );
    assert_eq!(store.list(&frank).await.unwrap().len(), MAX_NOTES_PER_OWNER);
    assert_eq!(
        store.add(&grace, note("others have room")).await.unwrap(),
        Added::Now
    );
}

async fn can_be_closed_twice(store: &dyn NoteStore) {
    store.close().await;
    store.close().await;
}

#[tokio::test]
async fn the_memory_fulfils_the_contract() {
    fulfils_the_contract(&MemoryStore::default()).await;
}

#[tokio::test]
async fn the_file_fulfils_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    fulfils_the_contract(&FileStore::open(&folder.path().join("notes.redb")).unwrap()).await;
}

#[tokio::test]
async fn the_file_keeps_notes_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.redb");
    let alice = owner("https://op.example", "alice");
    let (before, after) = (note("before"), note("after"));

    let store = FileStore::open(&path).unwrap();
    assert_eq!(store.add(&alice, before.clone()).await.unwrap(), Added::Now);
    drop(store);

    let store = FileStore::open(&path).unwrap();
    assert_eq!(store.add(&alice, after.clone()).await.unwrap(), Added::Now);
    assert_eq!(store.list(&alice).await.unwrap(), [after, before.clone()]);
    assert_eq!(store.find(&alice, &before.id).await.unwrap(), Some(before));
}

#[tokio::test]
async fn a_file_that_was_closed_is_free_for_others_and_takes_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.redb");
    let alice = owner("https://op.example", "alice");
    let store = FileStore::open(&path).unwrap();
    store.close().await;

    let another = FileStore::open(&path).unwrap();
    assert!(store.list(&alice).await.is_err());
    assert!(store.add(&alice, note("lost")).await.is_err());
    assert_eq!(another.list(&alice).await.unwrap(), []);
}

#[tokio::test]
async fn a_note_that_was_added_survives_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (
        folder.path().join("notes.redb"),
        folder.path().join("crashed.redb"),
    );
    let alice = owner("https://op.example", "alice");
    let store = FileStore::open(&path).unwrap();
    assert_eq!(store.add(&alice, note("kept")).await.unwrap(), Added::Now);

    // What the file holds while it is open is what a killed process leaves behind.
    std::fs::copy(&path, &copy).unwrap();
    let crashed = FileStore::open(&copy).unwrap();
    assert_eq!(texts(&crashed, &alice).await, ["kept"]);
}

#[tokio::test]
async fn writers_of_one_owner_do_not_exceed_the_bound_together() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(&folder.path().join("notes.redb")).unwrap();
    let alice = owner("https://op.example", "alice");
    for _ in 0..MAX_NOTES_PER_OWNER - 1 {
        assert_eq!(store.add(&alice, note("x")).await.unwrap(), Added::Now);
    }
    let racing = (0..8).map(|_| store.add(&alice, note("last")));
    let outcomes = futures_util::future::join_all(racing).await;
    let added = outcomes
        .into_iter()
        .filter(|outcome| matches!(outcome, Ok(Added::Now)))
        .count();
    assert_eq!(added, 1);
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.redb");
    drop(FileStore::open(&path).unwrap());
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn a_file_that_is_in_use_or_something_else_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let (path, text) = (folder.path().join("notes.redb"), folder.path().join("notes.txt"));
    let _open = FileStore::open(&path).unwrap();
    assert!(FileStore::open(&path).is_err());

    std::fs::write(&text, "dear diary").unwrap();
    assert!(FileStore::open(&text).is_err());
    assert_eq!(std::fs::read_to_string(&text).unwrap(), "dear diary");
    assert!(FileStore::open(&folder.path().join("no-such-folder/notes.redb")).is_err());
}
