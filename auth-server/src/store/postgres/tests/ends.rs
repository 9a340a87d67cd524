//! Ends of grants that are committed in another order than they are made.

use super::super::super::tests::{at, family, store_at};
use super::super::super::*;
use super::fresh;
use crate::grant::family::EndReason;
use crate::grant::refresh_token::{FamilyId, RefreshToken};
use crate::grant::status::StatusIndex;

async fn ended_since(store: &Store, number: i64) -> Vec<StatusIndex> {
    let mut ended = Vec::new();
    let told = store.ended_grants(number, at(0), |grant| ended.push(grant.index));
    told.await.unwrap();
    ended.sort();
    ended
}

async fn index(store: &Store, token: &RefreshToken) -> StatusIndex {
    store.status_index(token.family()).await.unwrap().unwrap()
}

async fn end_within(transaction: &mut Transaction, id: FamilyId, now: i64) {
    sqlx::query("UPDATE family SET ended_at = $1, idle_ends = $1 WHERE id = $2")
        .bind(now)
        .bind(id.as_bytes())
        .execute(&mut **transaction)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_end_that_is_committed_late_is_found_by_who_has_read_later_ones() {
    let store = store_at(&fresh().await).await;
    let (slow, _) = family(&store).await;
    let (swift, _) = family(&store).await;
    let (its, swift_index) = (index(&store, &slow).await, index(&store, &swift).await);
    let mut number = store.ends_known().await.unwrap().next;

    let mut transaction = store.begin().await.unwrap();
    end_within(&mut transaction, slow.family(), 10).await;
    // Its instant is later, and it is the first to be seen.
    assert!(
        store
            .end_family(swift.family(), EndReason::Revoked, at(11))
            .await
            .unwrap()
    );
    for _ in 0..3 {
        let known = store.ends_known().await.unwrap();
        assert_eq!(ended_since(&store, number).await, [swift_index]);
        number = known.next;
    }
    transaction.commit().await.unwrap();
    let mut both = [its, swift_index];
    both.sort();
    assert_eq!(ended_since(&store, number).await, both);
}

#[tokio::test]
async fn an_end_that_is_committed_between_the_two_questions_is_not_lost() {
    let store = store_at(&fresh().await).await;
    let (token, _) = family(&store).await;
    let its = index(&store, &token).await;
    let mut transaction = store.begin().await.unwrap();
    end_within(&mut transaction, token.family(), 10).await;
    let number = store.ends_known().await.unwrap().next;
    transaction.commit().await.unwrap();
    assert_eq!(ended_since(&store, number).await, [its]);
}

#[tokio::test]
async fn who_draws_a_place_that_another_is_about_to_have_waits_and_gets_another() {
    use super::super::super::family::insert_family_at;
    use super::super::super::status::Draw;
    use super::super::super::tests::clients::new_family;
    let store = store_at(&fresh().await).await;
    let (new, redeemed) = new_family("s");
    let draw = Draw {
        start: 5,
        step: 0,
        new_list: 0,
    };
    let (mut first, mut second) = (store.begin().await.unwrap(), store.begin().await.unwrap());
    let (one, two) = (FamilyId::generate(), FamilyId::generate());
    let given = insert_family_at(&mut first, one, &new, "bff", &redeemed, draw).await;
    assert!(given.unwrap().is_some());
    let waiting = insert_family_at(&mut second, two, &new, "bff", &redeemed, draw);
    let (given, committed) = futures_util::future::join(waiting, first.commit()).await;
    committed.unwrap();
    assert_eq!(given.unwrap(), None);
    // Its transaction goes on.
    let elsewhere = Draw { start: 6, ..draw };
    let given = insert_family_at(&mut second, two, &new, "bff", &redeemed, elsewhere).await;
    assert!(given.unwrap().is_some());
    second.commit().await.unwrap();
}

#[tokio::test]
async fn a_database_with_grants_is_taken_over_and_its_next_ends_are_told() {
    let config = fresh().await;
    let mut connection = super::connect(&config).await;
    schema::of_postgres().run_to(81, &mut connection).await.unwrap();
    for statement in OLDER_GRANTS {
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    }
    let store = Store::open(&config).await.unwrap();
    assert!(
        ended_since(&store, 0).await.is_empty(),
        "no token names what had ended"
    );
    let live: Vec<u8> = sqlx::query_scalar("SELECT id FROM family WHERE ended_at IS NULL")
        .fetch_one(&store.reader)
        .await
        .unwrap();
    // A node of the version before ends it, and one of another sign-in that has a place.
    let (token, _) = family(&store).await;
    let its = index(&store, &token).await;
    for id in [live.as_slice(), token.family().as_bytes()] {
        sqlx::query("UPDATE family SET ended_at = 50, idle_ends = 50 WHERE id = $1")
            .bind(id)
            .execute(&store.writer)
            .await
            .unwrap();
    }
    assert_eq!(ended_since(&store, 0).await, [its]);
}

/// A grant that lives and one that had ended, as the version before kept them.
const OLDER_GRANTS: [&str; 2] = [
    "INSERT INTO \"user\" (id, name, password_hash, created_at) VALUES ('u', 'old', 'x', 0)",
    "INSERT INTO family (id, handle, client_id, user_id, sid, scope, auth_time, generation, idle_ends, absolute_ends,
        ended_at)
     VALUES ('\\x01', '\\x01', 'bff', 'u', 's1', 'openid', 0, 1, 100, 100, NULL),
        ('\\x02', '\\x02', 'bff', 'u', 's2', 'openid', 0, 1, 20, 100, 20)",
];
