//! Clients of the database that are disabled or removed, and how much there may be to end.

use super::*;
use crate::store::batches::BATCH;
use crate::store::family::insert_family;

/// The client "bff", in the database.
pub(in crate::store) async fn add_client(store: &Store) {
    assert!(store.add_client("bff", "", None, at(0)).await.unwrap());
}

/// A grant until 1000, without refresh token, and what it comes from.
pub(in crate::store) fn new_family(sid: &str) -> (NewFamily, RedeemedCode) {
    let redeemed = RedeemedCode {
        user_id: "u".to_owned(),
        sid: sid.to_owned(),
        scope: "openid".to_owned(),
        resources: Named::new([].into_iter()),
        claims: AskedClaims::default(),
        nonce: None,
        auth_time: at(0),
    };
    let family = NewFamily {
        refresh_token: None,
        idle_ends: at(1000),
        absolute_ends: at(2000),
        hears_until: None,
    };
    (family, redeemed)
}

/// Grants of one sign-in, more than one statement ends.
pub(in crate::store) async fn add_many_families(store: &Store, sid: &str) -> i64 {
    let many = 2 * BATCH + 1;
    let (family, redeemed) = new_family(sid);
    let mut transaction = store.begin().await.unwrap();
    for _ in 0..many {
        let id = FamilyId::generate();
        insert_family(&mut transaction, id, &family, "bff", &redeemed)
            .await
            .unwrap();
    }
    transaction.commit().await.unwrap();
    many
}

async fn count(store: &Store, what: &'static str) -> i64 {
    sqlx::query_scalar(what).fetch_one(&store.reader).await.unwrap()
}

const LIVE: &str = "SELECT count(*) FROM family WHERE ended_at IS NULL";

#[tokio::test]
async fn a_disabled_client_gets_nothing_whatever_has_not_ended_yet() {
    let (store, _folder) = store().await;
    add_client(&store).await;
    let (first, _) = family(&store).await;
    let code = Code::generate();
    add_code(&store, &new_code(&code)).await;
    // As one finds it who has disabled it and has not ended its grants yet.
    sqlx::query("UPDATE client SET disabled_at = 1")
        .execute(&store.writer)
        .await
        .unwrap();
    assert!(rotate(&store, &first, 2).await.is_none());
    let other = RefreshToken::generate(FamilyId::generate());
    assert!(matches!(
        redeem(&store, &code, &other, 2).await,
        Redeemed::Refused
    ));
    let handle = first.family().handle();
    let state = store.grant_state(handle.as_slice()).await.unwrap();
    assert_eq!(state, GrantState::Ended);
    assert!(store.live_grant(handle.as_slice()).await.unwrap().is_none());

    // Enabling ends what is left, and then lets it go on.
    let ended = store.change_client("bff", ClientChange::Enable, at(3)).await;
    assert_eq!(ended.unwrap(), Some(1));
    assert!(rotate(&store, &first, 4).await.is_none());
    assert!(matches!(
        redeem(&store, &code, &other, 4).await,
        Redeemed::Refused
    ));
    let (fresh, _) = family(&store).await;
    assert!(rotate(&store, &fresh, 4).await.is_some());
}

#[tokio::test]
async fn any_number_of_grants_ends_with_a_client_a_user_or_a_sign_in() {
    let (store, _folder) = store().await;
    add_client(&store).await;
    let many = add_many_families(&store, "s").await;
    let disable = || store.change_client("bff", ClientChange::Disable, at(1));
    assert_eq!(disable().await.unwrap(), Some(many.unsigned_abs()));
    assert_eq!(count(&store, LIVE).await, 0);
    assert_eq!(disable().await.unwrap(), Some(0), "twice is no error");
    let enabled = store.change_client("bff", ClientChange::Enable, at(1)).await;
    assert_eq!(enabled.unwrap(), Some(0));

    add_many_families(&store, "s").await;
    store.end_sign_in("s", at(2)).await.unwrap();
    assert_eq!(count(&store, LIVE).await, 0);

    add_many_families(&store, "t").await;
    let disabled = store.change_user("u", UserChange::Disable, at(3)).await.unwrap();
    assert_eq!(disabled.unwrap(), ["t"]);
    assert_eq!(count(&store, LIVE).await, 0);

    add_many_families(&store, "s").await;
    let removed = store.change_client("bff", ClientChange::Remove, at(4)).await;
    assert_eq!(removed.unwrap(), Some(many.unsigned_abs()));
    assert_eq!(count(&store, LIVE).await, 0);
    let gone = store.change_client("bff", ClientChange::Remove, at(4)).await;
    assert_eq!(gone.unwrap(), None);
}

#[tokio::test]
async fn a_removed_client_leaves_nothing_for_another_of_its_id() {
    let (store, _folder) = store().await;
    add_client(&store).await;
    let of_client = [
        "INSERT INTO consent (user_id, client_id, resources, scope, allowed_at) VALUES ('u', $1, '', 'openid', 0)",
        "INSERT INTO session_client (sid, client_id, user_id, ends_at) VALUES ('s', $1, 'u', 1000)",
        "INSERT INTO logout_outbox (sid, client_id, user_id, queued_at, attempts, due_at) VALUES ('t', $1, 'u', 0, 0, 0)",
        "INSERT INTO pushed_request (digest, client_id, parameters, expires_at) VALUES ($2, $1, '', 1000)",
    ];
    for client_id in ["bff", "other"] {
        for (n, insert) in of_client.into_iter().enumerate() {
            let insert = sqlx::query(insert).bind(client_id);
            let insert = if n == 3 {
                insert.bind(client_id.as_bytes())
            } else {
                insert
            };
            insert.execute(&store.writer).await.unwrap();
        }
    }
    let left = "SELECT (SELECT count(*) FROM consent) + (SELECT count(*) FROM session_client)
        + (SELECT count(*) FROM logout_outbox) + (SELECT count(*) FROM pushed_request)";
    store
        .change_client("bff", ClientChange::Disable, at(1))
        .await
        .unwrap();
    assert_eq!(count(&store, left).await, 8, "disabling forgets nothing");
    store
        .change_client("bff", ClientChange::Remove, at(1))
        .await
        .unwrap();
    assert_eq!(count(&store, left).await, 4);
    store
        .change_client("other", ClientChange::Remove, at(1))
        .await
        .unwrap();
    assert_eq!(
        count(&store, left).await,
        4,
        "a client of the file is none of ours"
    );
}
