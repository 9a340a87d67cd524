//! What users allow and take back, and their passwords, by many at once over two nodes.

use super::races::nodes;
use super::*;
use crate::client::Client;
use crate::grant::consent::Asked;
use crate::scope::ScopeSet;

const MANY: usize = 50;

fn asked() -> Asked {
    let scope = ScopeSet::parse("notes:read notes:write openid").unwrap();
    Asked::of(&Client::for_tests("bff"), &scope, &Named::default())
}

async fn live_codes(store: &Store) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM authorization_code WHERE used_at IS NULL")
        .fetch_one(&store.reader)
        .await
        .unwrap()
}

#[tokio::test]
async fn what_was_allowed_is_remembered_until_it_is_taken_back() {
    let (store, _folder) = store().await;
    add_session(&store, &Digest::of(b"key"), LIFETIMES).await;
    let issue = async || {
        let code = new_code(&Code::generate());
        store.add_code_of_consent(&code, &asked(), at(0)).await.unwrap()
    };
    assert_eq!(issue().await, CodeAdded::ConsentOver);
    let code = new_code(&Code::generate());
    assert_eq!(store.allow(&code, &asked(), at(0)).await.unwrap(), CodeAdded::Now);
    assert_eq!(issue().await, CodeAdded::Now);
    let accesses = store.accesses("u", at(0)).await.unwrap();
    assert_eq!(accesses.len(), 1);
    assert_eq!(accesses[0].scope, asked().scope);

    assert_eq!(store.take_back("u", "other", at(0)).await.unwrap(), None);
    assert_eq!(live_codes(&store).await, 2);
    let ended = store.take_back("u", "bff", at(0)).await.unwrap();
    assert_eq!(ended.unwrap(), ["s"]);
    let again = store.take_back("u", "bff", at(0)).await.unwrap();
    assert_eq!(again, None, "nothing is left");
    assert_eq!(live_codes(&store).await, 0);
    assert_eq!(issue().await, CodeAdded::ConsentOver);
    assert_eq!(store.accesses("u", at(0)).await.unwrap(), []);
    // What is allowed in a session that is over is not.
    store.end_sign_in("s", at(0)).await.unwrap();
    let late = new_code(&Code::generate());
    let added = store.allow(&late, &asked(), at(0)).await.unwrap();
    assert_eq!(added, CodeAdded::SessionOver);
    assert!(!asked().is_within(&store.allowed("u", "bff").await.unwrap()));
}

#[tokio::test]
async fn no_code_outlives_what_it_was_issued_for() {
    let (nodes, _folder) = nodes().await;
    add_session(&nodes[0], &Digest::of(b"key"), LIFETIMES).await;
    for round in 0..10 {
        let code = new_code(&Code::generate());
        let added = nodes[0].allow(&code, &asked(), at(0)).await.unwrap();
        assert_eq!(added, CodeAdded::Now, "{round}");
        let issuing = join_all((0..MANY).map(|n| {
            let store = &nodes[n % 2];
            async move {
                let code = new_code(&Code::generate());
                store.add_code_of_consent(&code, &asked(), at(0)).await.unwrap()
            }
        }));
        let taking_back = join_all(nodes.iter().map(|node| node.take_back("u", "bff", at(0))));
        let (issued, taken_back) = futures_util::future::join(issuing, taking_back).await;
        assert!(taken_back.iter().all(Result::is_ok));
        assert!(!issued.contains(&CodeAdded::SessionOver));
        assert_eq!(live_codes(&nodes[0]).await, 0, "{round}");
    }
}

#[tokio::test]
async fn answers_at_two_nodes_taking_back_and_removing_never_wait_for_each_other() {
    let (nodes, _folder) = nodes().await;
    clients::add_client(&nodes[0]).await;
    add_session(&nodes[0], &Digest::of(b"key"), LIFETIMES).await;
    join_all((0..MANY).map(|n| {
        let store = &nodes[n % 2];
        async move {
            if n % 5 == 0 {
                store.take_back("u", "bff", at(0)).await.unwrap();
            } else if n % 5 == 1 {
                store
                    .change_client("bff", ClientChange::Remove, at(0))
                    .await
                    .unwrap();
                let _ = store.add_client("bff", "", None, at(0)).await.unwrap();
            } else {
                let code = new_code(&Code::generate());
                let added = store.allow(&code, &asked(), at(0)).await.unwrap();
                assert_eq!(added, CodeAdded::Now);
            }
        }
    }))
    .await;
    nodes[1].take_back("u", "bff", at(0)).await.unwrap();
    assert_eq!(live_codes(&nodes[0]).await, 0);
}

#[tokio::test]
async fn of_changes_of_one_password_at_two_nodes_one_happens() {
    let (nodes, _folder) = nodes().await;
    add_session(&nodes[0], &Digest::of(b"key"), LIFETIMES).await;
    for n in 0..5 {
        let key = Digest::of(format!("other{n}").as_bytes());
        let stored = sign_in(&nodes[0], &key, &format!("o{n}"), None, LIFETIMES).await;
        assert_eq!(stored, SignInStored::Now(format!("o{n}")));
    }
    let hashes: Vec<_> = (0..MANY).map(|n| format!("hash{n}")).collect();
    let changed = join_all(hashes.iter().enumerate().map(|(n, hash)| {
        let change = OwnPassword {
            user_id: "u",
            proven: CredentialsVersion::default(),
            hash,
        };
        nodes[n % 2].change_own_password(change, at(1))
    }))
    .await;
    let changed: Vec<_> = changed
        .into_iter()
        .filter_map(|changed| changed.unwrap())
        .collect();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].ended, ["o0", "o1", "o2", "o3", "o4", "s"]);
    let left = nodes[1].live_sessions(Whose::User("u"), "", 9, at(1)).await;
    assert_eq!(left.unwrap(), []);
    let stale = sign_in(&nodes[1], &Digest::of(b"stale"), "late", None, LIFETIMES).await;
    assert_eq!(stale, SignInStored::PasswordChanged);
}

#[tokio::test]
async fn all_others_end_and_one_stays() {
    let (nodes, _folder) = nodes().await;
    add_session(&nodes[0], &Digest::of(b"key"), LIFETIMES).await;
    let stored = sign_in(&nodes[1], &Digest::of(b"other"), "o", None, LIFETIMES).await;
    assert_eq!(stored, SignInStored::Now("o".to_owned()));
    let ended = join_all(
        nodes
            .iter()
            .map(|node| node.end_sign_ins_of("u", Some("s"), at(1))),
    )
    .await;
    let ended: Vec<_> = ended.into_iter().flat_map(|ended| ended.unwrap()).collect();
    assert!(ended.contains(&"o".to_owned()) && !ended.contains(&"s".to_owned()));
    let states = nodes[0].session_states("u", at(1)).await.unwrap();
    assert_eq!(states, [("s".to_owned(), "{}".to_owned())]);
}
