//! Places in the status lists: who gets which, who has ended, and when a place is free again.

use std::collections::BTreeSet;

use super::clients::{add_client, add_many_families, new_family};
use super::*;
use crate::grant::status::{LIST_LENGTH, StatusIndex, TOLD_FOR};
use crate::store::family::insert_family_at;
use crate::store::status::Draw;

const LENGTH: i64 = LIST_LENGTH.cast_signed();

fn index(number: i64) -> StatusIndex {
    StatusIndex::from_stored(number).unwrap()
}

/// Looks nowhere but there, or there and at what follows.
fn draw(start: i64, step: i64) -> Draw {
    Draw {
        start,
        step,
        new_list: 0,
    }
}

/// A grant that is given a place by this draw, if that finds one.
async fn add(store: &Store, draw: Draw) -> Option<(FamilyId, StatusIndex)> {
    let (family, redeemed) = new_family("s");
    let id = FamilyId::generate();
    let mut transaction = store.begin().await.unwrap();
    let given = insert_family_at(&mut transaction, id, &family, "bff", &redeemed, draw).await;
    transaction.commit().await.unwrap();
    given.unwrap().map(|index| (id, index))
}

async fn ended_since(store: &Store, number: i64, told_from: i64) -> BTreeSet<StatusIndex> {
    let mut ended = BTreeSet::new();
    store
        .ended_grants(number, at(told_from), |grant| assert!(ended.insert(grant.index)))
        .await
        .unwrap();
    ended
}

async fn places(store: &Store) -> Vec<i64> {
    sqlx::query_scalar("SELECT status_index FROM family")
        .fetch_all(&store.reader)
        .await
        .unwrap()
}

#[tokio::test]
async fn places_are_drawn_from_all_over_the_list() {
    let (store, _folder) = store().await;
    let mut places = Vec::new();
    for _ in 0..100 {
        let code = Code::generate();
        add_code(&store, &new_code(&code)).await;
        let first = RefreshToken::generate(FamilyId::generate());
        let Redeemed::Now(_, index) = redeem(&store, &code, &first, 0).await else {
            panic!("the code is good");
        };
        let family = store.family(first.family()).await.unwrap().unwrap();
        assert_eq!(family.status_index, Some(index));
        assert_eq!(index.list(), 0);
        places.push(index.position());
    }
    let distinct: BTreeSet<u64> = places.iter().copied().collect();
    assert_eq!(distinct.len(), 100);
    // Each would happen once in 10^20 times, or less often.
    assert!(distinct.iter().any(|place| *place < LIST_LENGTH / 3));
    assert!(distinct.iter().any(|place| *place > LIST_LENGTH / 3 * 2));
    let rises = places.windows(2).filter(|pair| pair[0] < pair[1]).count();
    assert!(
        (10..90).contains(&rises),
        "{rises} of 99 came after the one before"
    );
}

#[tokio::test]
async fn what_is_taken_is_passed_over_and_where_all_is_taken_a_list_is_begun() {
    let (store, _folder) = store().await;
    let (first, five) = add(&store, draw(5, 0)).await.unwrap();
    assert_eq!(five, index(5));
    assert_eq!(add(&store, draw(5, 0)).await, None);
    assert_eq!(add(&store, draw(LENGTH + 5, 0)).await, None, "there is one list");
    let (_, passed) = add(&store, draw(5, 1)).await.unwrap();
    assert!(passed > five && passed < index(21));
    let begun = Draw {
        new_list: 1,
        ..draw(5, 0)
    };
    assert_eq!(add(&store, begun).await.unwrap().1, index(LENGTH + 5));
    assert_eq!(store.ends_known().await.unwrap().lists, 2);
    // From now on both are drawn from.
    assert_eq!(
        add(&store, draw(LENGTH + 7, 0)).await.unwrap().1,
        index(LENGTH + 7)
    );
    assert_eq!(add(&store, begun).await.unwrap().1, index(2 * LENGTH + 5));
    assert_eq!(store.status_index(first).await.unwrap(), Some(five));
}

#[tokio::test]
async fn two_processes_never_give_the_same_place() {
    let (config, _folder) = fresh().await;
    let here = store_at(&config).await;
    let there = Store::open(&config).await.unwrap();
    let added = join_all((0..40).map(|count| {
        let store = [&here, &there][count % 2];
        async move {
            // All try the same few places first; who came too late tries again, as redeeming a code does.
            loop {
                if let Some((_, index)) = add(store, draw(100, 1)).await {
                    return index;
                }
                if let Some((_, index)) = add(store, draw(500, 1)).await {
                    return index;
                }
                if let Some((_, index)) = add(store, draw(900, 1)).await {
                    return index;
                }
            }
        }
    }))
    .await;
    let distinct: BTreeSet<StatusIndex> = added.iter().copied().collect();
    assert_eq!(distinct.len(), 40);
    there.close().await;
}

#[tokio::test]
async fn every_end_is_found_by_who_has_read_those_before() {
    let (store, _folder) = store().await;
    add_client(&store).await;
    let mut next = store.ends_known().await.unwrap().next;
    let mut seen = BTreeSet::new();
    let mut expect = async |store: &Store, expected: &[StatusIndex]| {
        let known = store.ends_known().await.unwrap().next;
        let ended = ended_since(store, next, 0).await;
        let expected: BTreeSet<_> = expected.iter().copied().collect();
        assert!(ended.is_superset(&expected));
        // On PostgreSQL what is known may come again while somebody writes, be it to another database.
        assert!(ended.is_subset(&seen.union(&expected).copied().collect()));
        seen.extend(expected);
        next = known;
    };
    let (revoked, its) = add(&store, draw(1, 0)).await.unwrap();
    let (_, others) = add(&store, draw(2, 0)).await.unwrap();
    expect(&store, &[]).await;
    assert!(
        store
            .end_family(revoked, EndReason::Revoked, at(9))
            .await
            .unwrap()
    );
    expect(&store, &[its]).await;
    // Ending twice is no second end.
    assert!(!store.end_family(revoked, EndReason::Reuse, at(10)).await.unwrap());
    expect(&store, &[]).await;
    store.end_sign_in("s", at(11)).await.unwrap();
    expect(&store, &[others]).await;
    // So many that they end in several transactions, with one and the same instant.
    add_many_families(&store, "s").await;
    let mut all: Vec<StatusIndex> = places(&store).await.into_iter().map(index).collect();
    let change = store.change_client("bff", ClientChange::Disable, at(12));
    assert_eq!(change.await.unwrap(), Some(all.len() as u64 - 2));
    all.retain(|place| ![its, others].contains(place));
    expect(&store, &all).await;
}

#[tokio::test]
async fn what_ended_so_long_ago_that_no_token_is_left_is_not_told() {
    let (store, _folder) = store().await;
    let (early, _) = add(&store, draw(1, 0)).await.unwrap();
    let (late, its) = add(&store, draw(2, 0)).await.unwrap();
    // It ran out at 1000, before its sign-in was ended.
    let (over, of_old) = add(&store, draw(3, 0)).await.unwrap();
    for (id, now) in [(early, 100), (late, 101), (over, 5000)] {
        assert!(store.end_family(id, EndReason::SignedOut, at(now)).await.unwrap());
    }
    assert_eq!(ended_since(&store, 0, 100).await, [its, of_old].into());
    assert_eq!(ended_since(&store, 0, 999).await, [of_old].into());
    assert!(ended_since(&store, 0, 1000).await.is_empty());
}

#[tokio::test]
async fn a_place_is_free_again_once_nobody_can_ask_for_it() {
    const KEPT: i64 = 24 * 3600;
    let (store, _folder) = store().await;
    let (id, place) = add(&store, draw(7, 0)).await.unwrap();
    assert!(store.end_family(id, EndReason::Revoked, at(100)).await.unwrap());
    let told_for = i64::try_from(TOLD_FOR.as_secs()).unwrap();
    // Even when all tokens are over it is not given again for long.
    store.sweep(at(100 + told_for)).await.unwrap();
    store.sweep(at(100 + KEPT - 1)).await.unwrap();
    assert_eq!(add(&store, draw(7, 0)).await, None);
    store.sweep(at(100 + KEPT)).await.unwrap();
    let (again, same) = add(&store, draw(7, 0)).await.unwrap();
    assert_eq!(same, place);
    assert!(
        ended_since(&store, 0, 0).await.is_empty(),
        "the second grant lives"
    );
    let next = store.ends_known().await.unwrap().next;
    assert!(
        store
            .end_family(again, EndReason::Revoked, at(100 + KEPT))
            .await
            .unwrap()
    );
    assert_eq!(
        ended_since(&store, next, 0).await,
        [place].into(),
        "its end is a new one"
    );
}

#[tokio::test]
async fn a_grant_without_place_gets_one_and_keeps_it_unless_it_has_ended() {
    let (store, _folder) = store().await;
    let (live, _) = add(&store, draw(1, 0)).await.unwrap();
    let (ended, _) = add(&store, draw(2, 0)).await.unwrap();
    assert!(store.end_family(ended, EndReason::Revoked, at(9)).await.unwrap());
    sqlx::query("UPDATE family SET status_index = NULL")
        .execute(&store.writer)
        .await
        .unwrap();
    let given = join_all((0..8).map(|_| store.status_index(live))).await;
    let mut given: Vec<_> = given.into_iter().map(Result::unwrap).collect();
    given.dedup();
    assert!(given.len() == 1 && given[0].is_some(), "{given:?}");
    assert_eq!(store.status_index(ended).await.unwrap(), None);
    assert_eq!(store.status_index(FamilyId::generate()).await.unwrap(), None);
}
