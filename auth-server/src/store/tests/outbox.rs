use super::*;
use crate::store::outbox::note_client;

async fn note(store: &Store, sid: &str, client_id: &str, ends_at: i64) {
    let mut transaction = store.begin().await.unwrap();
    note_client(&mut transaction, sid, client_id, "u", at(ends_at))
        .await
        .unwrap();
    transaction.commit().await.unwrap();
}

async fn claim(store: &Store, at_most: u32, now: i64) -> Vec<(String, u32)> {
    let claimed = store
        .claim_notifications("bff", at_most, at(now), at(now + 30))
        .await
        .unwrap();
    claimed
        .into_iter()
        .map(|notification| (notification.sid, notification.attempts))
        .collect()
}

#[tokio::test]
async fn an_end_moves_the_notes_of_its_sign_in_to_the_outbox_once() {
    let (store, _folder) = store().await;
    note(&store, "s", "bff", 100).await;
    note(&store, "s", "bff", 50).await;
    note(&store, "s", "other", 100).await;
    note(&store, "t", "bff", 100).await;
    store.end_sign_in("s", at(5)).await.unwrap();
    store.end_sign_in("s", at(6)).await.unwrap();

    assert_eq!(
        store.clients_to_notify(at(4)).await.unwrap(),
        Vec::<String>::new()
    );
    assert_eq!(store.clients_to_notify(at(5)).await.unwrap(), ["bff", "other"]);
    assert_eq!(claim(&store, 9, 5).await, [("s".to_owned(), 1)]);
    assert_eq!(claim(&store, 9, 34).await, [], "it is claimed");
    assert_eq!(store.clients_to_notify(at(34)).await.unwrap(), ["other"]);
    assert_eq!(
        claim(&store, 9, 35).await,
        [("s".to_owned(), 2)],
        "the claim ran out"
    );
}

#[tokio::test]
async fn who_comes_late_neither_postpones_nor_keeps_the_attempt_of_another() {
    let (store, _folder) = store().await;
    note(&store, "s", "bff", 100).await;
    store.end_sign_in("s", at(0)).await.unwrap();
    let mut first = store
        .claim_notifications("bff", 1, at(0), at(30))
        .await
        .unwrap()
        .remove(0);
    let second = store
        .claim_notifications("bff", 1, at(30), at(60))
        .await
        .unwrap()
        .remove(0);
    store.postpone_notification(&first, at(31)).await.unwrap();
    assert_eq!(claim(&store, 1, 59).await, []);
    store.postpone_notification(&second, at(40)).await.unwrap();
    assert_eq!(claim(&store, 1, 40).await.len(), 1);
    // Its client has taken it after all.
    first.attempts = 1;
    store.remove_notification(&first).await.unwrap();
    assert!(store.logout_backlogs().await.unwrap().is_empty());
}

#[tokio::test]
async fn simultaneous_claims_share_what_is_due() {
    let (config, _folder) = fresh().await;
    let store = store_at(&config).await;
    let beside = Store::open(&config).await.unwrap();
    for n in 0..50 {
        let sid = format!("s{n}");
        note(&store, &sid, "bff", 100).await;
        store.end_sign_in(&sid, at(0)).await.unwrap();
    }
    let claims = join_all((0..30).map(|n| claim([&store, &beside][n % 2], 4, 0))).await;
    assert!(claims.iter().all(|claimed| claimed.len() <= 4), "{claims:?}");
    let mut sids: Vec<_> = claims.into_iter().flatten().map(|(sid, _)| sid).collect();
    assert_eq!(sids.len(), 50);
    sids.sort();
    sids.dedup();
    assert_eq!(sids.len(), 50);
}

#[tokio::test]
async fn the_newest_stay_and_the_oldest_go() {
    let (store, _folder) = store().await;
    for n in 0..700_i64 {
        let sid = format!("s{n:03}");
        note(&store, &sid, "bff", 1000).await;
        store.end_sign_in(&sid, at(n)).await.unwrap();
    }
    note(&store, "t", "other", 1000).await;
    store.end_sign_in("t", at(0)).await.unwrap();
    assert_eq!(store.trim_notifications("bff", 10).await.unwrap(), 690);
    assert_eq!(store.trim_notifications("bff", 10).await.unwrap(), 0);
    let backlogs = store.logout_backlogs().await.unwrap();
    let told: Vec<_> = backlogs
        .iter()
        .map(|backlog| (backlog.client_id.as_str(), backlog.waiting, backlog.oldest))
        .collect();
    assert_eq!(told, [("bff", 10, at(690)), ("other", 1, at(0))]);
}

#[tokio::test]
async fn notes_last_as_long_as_what_they_are_about() {
    let (store, _folder) = store().await;
    let keys = ["1", "2"].map(|key| Digest::of(key.as_bytes()));
    add_session(&store, &keys[0], LIFETIMES).await;
    note(&store, "s", "bff", 5000).await;
    let again = NewSignIn {
        key: &keys[1],
        session: session("fresh"),
        credentials: CredentialsVersion::default(),
        former: Some(FormerSession::OfSameUser(&keys[0], session("s"))),
        code: None,
    };
    let stored = store.sign_in(again, LIFETIMES, at(900)).await.unwrap();
    assert_eq!(stored, SignInStored::Now("s".to_owned()));
    let noted = async |now: i64| {
        let noted = store
            .sign_ins_to_end(Whose::User("u"), "", 9, at(now))
            .await
            .unwrap();
        noted.len()
    };
    assert_eq!((noted(5899).await, noted(5900).await), (1, 0));
    store.sweep(at(5899)).await.unwrap();
    assert_eq!(noted(5899).await, 1);
    store.sweep(at(5900)).await.unwrap();
    assert_eq!(noted(5899).await, 0);
}
