//! Users who are disabled, what is signed in for them, and how operators find both.

use super::*;

async fn disable(store: &Store, now: i64) -> Vec<String> {
    let ended = store
        .change_user("u", UserChange::Disable, at(now))
        .await
        .unwrap();
    ended.unwrap()
}

async fn is_session(store: &Store, key: &Digest) -> bool {
    store.use_session(key, LIFETIMES, at(20)).await.unwrap().is_some()
}

#[tokio::test]
async fn x_9_disabling_ends_sessions_grants_and_codes_in_one_step() {
    let (store, _folder) = store().await;
    let (first, _) = family(&store).await;
    let key = Digest::of(b"key");
    add_session(&store, &key, LIFETIMES).await;
    let code = Code::generate();
    let on_its_way = NewCode {
        sid: "t".to_owned(),
        ..new_code(&code)
    };
    add_code(&store, &on_its_way).await;

    assert_eq!(disable(&store, 10).await, ["s", "t"]);
    assert!(rotate(&store, &first, 20).await.is_none());
    let other = RefreshToken::generate(FamilyId::generate());
    assert!(matches!(
        redeem(&store, &code, &other, 20).await,
        Redeemed::Refused
    ));
    assert!(!is_session(&store, &key).await);
    let handle = first.family().handle();
    assert_eq!(
        store.grant_state(handle.as_slice()).await.unwrap(),
        GrantState::Ended
    );
    assert_eq!(store.user_by_id("u").await.unwrap().map(|user| user.id), None);

    assert!(disable(&store, 30).await.is_empty(), "twice is no error");
    let record = store.user_record(UserKey::Id("u")).await.unwrap().unwrap();
    assert_eq!(record.disabled_at, Some(at(10)));
    store.change_user("u", UserChange::Enable, at(40)).await.unwrap();
    assert!(store.user_by_id("u").await.unwrap().is_some());
    assert!(rotate(&store, &first, 41).await.is_none(), "what ended stays so");
    let nobody = store.change_user("v", UserChange::Disable, at(50)).await.unwrap();
    assert!(nobody.is_none());
}

/// A sign-in whose password was judged before, and which is stored after, the user is disabled.
#[tokio::test]
async fn x_9_a_sign_in_that_is_overtaken_by_disabling_stores_nothing() {
    let (store, _folder) = store().await;
    disable(&store, 10).await;
    let code = Code::generate();
    let key = Digest::of(b"key");
    let stored = sign_in(&store, &key, "s", Some(new_code(&code)), LIFETIMES).await;
    assert_eq!(stored, SignInStored::UserDisabled);
    assert!(!is_session(&store, &key).await);
    let codes: i64 = sqlx::query_scalar("SELECT count(*) FROM authorization_code")
        .fetch_one(&store.reader)
        .await
        .unwrap();
    assert_eq!(codes, 0);
    let added = store.add_code_of_session(&new_code(&code), at(11)).await.unwrap();
    assert_eq!(added, CodeAdded::SessionOver);
}

/// Nor does it change what the browser had: the sign-in did not happen.
#[tokio::test]
async fn x_9_a_sign_in_that_is_overtaken_by_disabling_leaves_the_former_session() {
    let (store, _folder) = store().await;
    let bob = User {
        id: "v".to_owned(),
        name: UserName::parse("bob").unwrap(),
        email: None,
        full_name: None,
    };
    assert_eq!(store.add_user(&bob, "hash", at(0)).await.unwrap(), UserAdded::Now);
    let former = Digest::of(b"former");
    let mut of_bob = session("t");
    of_bob.owner.user_id = "v".to_owned();
    let began = NewSignIn {
        key: &former,
        session: of_bob,
        credentials: CredentialsVersion::default(),
        former: None,
        code: None,
    };
    let stored = store.sign_in(began, LIFETIMES, at(0)).await.unwrap();
    assert_eq!(stored, SignInStored::Now("t".to_owned()));
    disable(&store, 10).await;
    let overtaken = NewSignIn {
        key: &Digest::of(b"key"),
        session: session("s"),
        credentials: CredentialsVersion::default(),
        former: Some(FormerSession::OfAnotherUser("t")),
        code: Some(new_code(&Code::generate())),
    };
    let stored = store.sign_in(overtaken, LIFETIMES, at(11)).await.unwrap();
    assert_eq!(stored, SignInStored::UserDisabled);
    assert!(is_session(&store, &former).await);
}

#[tokio::test]
async fn x_9_a_code_of_a_disabled_user_is_refused_by_itself() {
    let (store, _folder) = store().await;
    let code = Code::generate();
    add_code(&store, &new_code(&code)).await;
    // As if the code had been stored by a transaction that disabling did not see.
    sqlx::query("UPDATE \"user\" SET disabled_at = 1")
        .execute(&store.writer)
        .await
        .unwrap();
    let first = RefreshToken::generate(FamilyId::generate());
    assert!(matches!(
        redeem(&store, &code, &first, 10).await,
        Redeemed::Refused
    ));
}

#[tokio::test]
async fn a_session_is_a_browser_its_grants_or_both() {
    let (store, _folder) = store().await;
    family(&store).await;
    family(&store).await;
    add_session(&store, &Digest::of(b"one"), LIFETIMES).await;
    let stored = sign_in(&store, &Digest::of(b"two"), "t", None, LIFETIMES).await;
    assert_eq!(stored, SignInStored::Now("t".to_owned()));
    // As an older file may hold it: nobody is signed in by it.
    let nobody = "INSERT INTO sign_in_session (key_digest, state, idle_ends, absolute_ends) VALUES ($1, '{}', 1000, 5000)";
    sqlx::query(nobody)
        .bind([0].as_slice())
        .execute(&store.writer)
        .await
        .unwrap();
    let both = LiveSession {
        sid: "s".to_owned(),
        user_id: "u".to_owned(),
        auth_time: at(0),
        browser_until: Some(at(1000)),
        clients: vec!["bff".to_owned()],
        grants_until: Some(at(1000)),
    };
    let browser = LiveSession {
        sid: "t".to_owned(),
        clients: Vec::new(),
        grants_until: None,
        ..both.clone()
    };
    for (whose, expected) in [
        (Whose::Everybody, vec![both.clone(), browser.clone()]),
        (Whose::User("u"), vec![both.clone(), browser.clone()]),
        (Whose::User("v"), vec![]),
        (Whose::Sid("t"), vec![browser.clone()]),
    ] {
        let found = store.live_sessions(whose, "", 9, at(1)).await.unwrap();
        assert_eq!(found, expected, "{whose:?}");
    }
    let page = store.live_sessions(Whose::Everybody, "", 1, at(1)).await.unwrap();
    assert_eq!(page, [both]);
    let page = store
        .live_sessions(Whose::Everybody, "s", 1, at(1))
        .await
        .unwrap();
    assert_eq!(page, [browser]);
    assert!(
        store
            .live_sessions(Whose::Everybody, "", 9, at(1000))
            .await
            .unwrap()
            .is_empty()
    );

    store
        .end_sign_ins(&["s"], EndReason::Operator, at(2))
        .await
        .unwrap();
    let left = store.live_sessions(Whose::Everybody, "", 9, at(2)).await.unwrap();
    assert_eq!(left.len(), 1);
}

/// The browser that the code was given to has been signed out by time.
#[tokio::test]
async fn a_code_on_its_way_is_a_session_without_a_browser_too() {
    let (store, _folder) = store().await;
    let code = Code::generate();
    add_code(&store, &new_code(&code)).await;
    for whose in [Whose::Everybody, Whose::User("u"), Whose::Sid("s")] {
        let found = store.live_sessions(whose, "", 9, at(59)).await.unwrap();
        let expected = LiveSession {
            sid: "s".to_owned(),
            user_id: "u".to_owned(),
            auth_time: at(0),
            browser_until: None,
            clients: Vec::new(),
            grants_until: None,
        };
        assert_eq!(found, [expected], "{whose:?}");
        assert!(
            store
                .live_sessions(whose, "", 9, at(60))
                .await
                .unwrap()
                .is_empty()
        );
    }
    let ended = store.end_sign_ins(&["s"], EndReason::Operator, at(1));
    ended.await.unwrap();
    let left = store.live_sessions(Whose::Everybody, "", 9, at(2)).await.unwrap();
    assert!(left.is_empty());
    let first = RefreshToken::generate(FamilyId::generate());
    assert!(matches!(
        redeem(&store, &code, &first, 3).await,
        Redeemed::Refused
    ));
}

#[tokio::test]
async fn a_damaged_secret_proves_nothing_and_hides_nothing_else() {
    let (store, _folder) = store().await;
    let secret = |id: &str| SecretRow {
        id: id.to_owned(),
        digest: Digest::of(id.as_bytes()),
        created_at: at(0),
        ends_at: None,
    };
    for client in ["a", "b"] {
        let first = secret(&format!("{client} first"));
        assert!(store.add_client(client, "", Some(&first), at(0)).await.unwrap());
    }
    let added = store.add_client_secret("a", &secret("a second"), None).await;
    assert!(added.unwrap());
    sqlx::query("UPDATE client_secret SET digest = $1 WHERE id = 'a first'")
        .bind(&[0_u8; 31][..])
        .execute(&store.writer)
        .await
        .unwrap();
    let clients = store.clients().await.unwrap();
    let secrets = clients.iter().flat_map(|client| &client.secrets);
    let secrets: Vec<_> = secrets.map(|secret| secret.id.as_str()).collect();
    assert_eq!(secrets, ["a second", "b first"]);
    assert!(store.remove_client_secret("a", "a first").await.unwrap());
}
