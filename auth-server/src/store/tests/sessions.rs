use super::*;

#[tokio::test]
async fn a_session_slides_when_used_and_is_not_revived() {
    let (store, _folder) = store().await;
    let key = Digest::of(b"key");
    add_session(&store, &key, LIFETIMES).await;
    for now in (900..5000).step_by(900) {
        assert!(
            store
                .use_session(&key, LIFETIMES, at(now))
                .await
                .unwrap()
                .is_some(),
            "{now}"
        );
    }
    assert!(
        store
            .use_session(&key, LIFETIMES, at(5000))
            .await
            .unwrap()
            .is_none()
    );

    store.end_session(&key).await.unwrap();
    assert!(store.use_session(&key, LIFETIMES, at(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_sid_goes_on_only_while_its_session_is_live() {
    let (store, _folder) = store().await;
    let keys = ["1", "2", "3", "4"].map(|key| Digest::of(key.as_bytes()));
    add_session(&store, &keys[0], LIFETIMES).await;
    let again = |former: usize, now: i64| {
        let (store, keys) = (&store, &keys);
        async move {
            let sign_in = NewSignIn {
                key: &keys[former + 1],
                session: session("fresh"),
                credentials: CredentialsVersion::default(),
                former: Some(FormerSession::OfSameUser(&keys[former], session("s"))),
                code: None,
            };
            let stored = store.sign_in(sign_in, LIFETIMES, at(now)).await.unwrap();
            let row: (String, String, i64) =
                sqlx::query_as("SELECT sid, user_id, auth_time FROM sign_in_session WHERE key_digest = $1")
                    .bind(keys[former + 1].as_bytes())
                    .fetch_one(&store.reader)
                    .await
                    .unwrap();
            let (sid, user_id, auth_time) = row;
            assert_eq!((user_id.as_str(), auth_time), ("u", 0));
            assert_eq!(
                stored,
                SignInStored::Now(sid.clone()),
                "what is told is what is stored"
            );
            sid
        }
    };
    assert_eq!(again(0, 900).await, "s");
    for (now, is_live) in [(909, true), (910, false)] {
        let found = store.use_session(&keys[0], LIFETIMES, at(now)).await.unwrap();
        assert_eq!(found.is_some(), is_live, "the former key at {now}");
    }
    assert_eq!(again(1, 1899).await, "s", "its time began anew");
    assert_eq!(again(2, 2899).await, "fresh", "it was idle for too long");
    store.end_sign_in("fresh", at(2900)).await.unwrap();
    assert!(
        store
            .use_session(&keys[3], LIFETIMES, at(2900))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_session_that_is_over_vouches_for_no_code() {
    let (store, _folder) = store().await;
    add_session(&store, &Digest::of(b"key"), LIFETIMES).await;
    let added = |now: i64| {
        let store = &store;
        async move {
            let code = Code::generate();
            let added = store
                .add_code_of_session(&new_code(&code), at(now))
                .await
                .unwrap();
            (added, code)
        }
    };
    assert_eq!(
        added(1000).await.0,
        CodeAdded::SessionOver,
        "it was idle for too long"
    );
    let (before, code) = added(1).await;
    assert_eq!(before, CodeAdded::Now);

    store.end_sign_in("s", at(1)).await.unwrap();
    let first = RefreshToken::generate(FamilyId::generate());
    assert!(matches!(
        redeem(&store, &code, &first, 1).await,
        Redeemed::Refused
    ));
    let (after, code) = added(1).await;
    assert_eq!(after, CodeAdded::SessionOver);
    assert!(matches!(
        redeem(&store, &code, &first, 1).await,
        Redeemed::Refused
    ));
}

#[tokio::test]
async fn a_session_whose_user_is_gone_vouches_for_no_code() {
    let (store, _folder) = store().await;
    add_session(&store, &Digest::of(b"key"), LIFETIMES).await;
    sqlx::query("DELETE FROM \"user\" WHERE id = 'u'")
        .execute(&store.writer)
        .await
        .unwrap();
    let code = new_code(&Code::generate());
    let added = store.add_code_of_session(&code, at(1)).await.unwrap();
    assert_eq!(added, CodeAdded::SessionOver);
}
