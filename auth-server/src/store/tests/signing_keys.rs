//! Signing keys over two stores on one database: whatever nodes do at the same time, one key of an algorithm signs and one
//! is announced.

use super::*;
use crate::key::{Instants, Phase, SigningAlgorithm};

const ES256: SigningAlgorithm = SigningAlgorithm::Es256;

async fn nodes() -> ([Store; 2], Option<tempfile::TempDir>) {
    let (config, folder) = fresh().await;
    let here = Store::open(&config).await.unwrap();
    let there = Store::open(&config).await.unwrap();
    ([here, there], folder)
}

fn key(kid: &str, active_at: Option<i64>) -> StoredKey {
    StoredKey {
        kid: kid.to_owned(),
        algorithm: ES256,
        sealed: kid.as_bytes().to_vec(),
        instants: Instants {
            announced_at: at(0),
            active_at: active_at.map(at),
            retired_at: None,
            withdrawn_at: None,
        },
    }
}

fn replacement(name: &str) -> Replacement {
    Replacement {
        active: key(&format!("{name} active"), Some(9)),
        announced: key(&format!("{name} announced"), None),
    }
}

async fn of_phase(store: &Store, phase: Phase) -> Vec<String> {
    let keys = store.signing_keys().await.unwrap().into_iter();
    let of_phase = keys.filter(|key| key.instants.phase(at(10)) == phase);
    of_phase.map(|key| key.kid).collect()
}

/// Both nodes with "a" that signs and "b" that is announced.
async fn nodes_with_keys() -> ([Store; 2], Option<tempfile::TempDir>) {
    let (nodes, folder) = nodes().await;
    let keys = [key("a", Some(0)), key("b", None)];
    assert!(nodes[0].add_signing_keys(&keys).await.unwrap());
    assert_eq!(nodes[1].signing_keys().await.unwrap(), keys);
    (nodes, folder)
}

#[tokio::test]
async fn x_15_of_keys_that_begin_or_are_announced_at_two_nodes_one_is() {
    let (nodes, _folder) = nodes().await;
    for (active_at, phase) in [(Some(0), Phase::Active), (None, Phase::Announced)] {
        let added = join_all((0..20).map(|n| {
            let store = &nodes[n % 2];
            async move {
                let new = key(&format!("{active_at:?} {n}"), active_at);
                store.add_signing_keys(&[new]).await.unwrap()
            }
        }))
        .await;
        assert_eq!(added.into_iter().filter(|added| *added).count(), 1);
        assert_eq!(of_phase(&nodes[1], phase).await.len(), 1);
    }
    // Of several all are added, or none.
    let both = [key("retired", Some(0)), key("second", Some(0))];
    assert!(!nodes[0].add_signing_keys(&both).await.unwrap());
    assert_eq!(nodes[0].signing_keys().await.unwrap().len(), 2);
}

#[tokio::test]
async fn x_15_of_rotations_at_two_nodes_one_happens() {
    let (nodes, _folder) = nodes_with_keys().await;
    let rotated =
        join_all((0..20).map(|n| nodes[n % 2].rotate_signing_key("a", b"public", "b", at(5)))).await;
    let rotated = rotated.into_iter().filter(|rotated| *rotated.as_ref().unwrap());
    assert_eq!(rotated.count(), 1);
    assert_eq!(of_phase(&nodes[0], Phase::Active).await, ["b"]);
    assert_eq!(of_phase(&nodes[0], Phase::Retired).await, ["a"]);
    let keys = nodes[1].signing_keys().await.unwrap();
    assert_eq!(keys[0].sealed, b"public", "the private part is gone");
    assert_eq!(keys[1].instants.active_at, Some(at(5)));

    // Nothing follows that is not announced, and then nothing retires.
    assert!(
        !nodes[0]
            .rotate_signing_key("b", b"public", "c", at(6))
            .await
            .unwrap()
    );
    assert!(
        !nodes[0]
            .rotate_signing_key("b", b"public", "a", at(6))
            .await
            .unwrap()
    );
    assert_eq!(of_phase(&nodes[0], Phase::Active).await, ["b"]);
}

#[tokio::test]
async fn x_15_withdrawals_beside_rotations_leave_one_key_that_signs() {
    for order in [["a", "b"], ["b", "a"]] {
        let (nodes, _folder) = nodes_with_keys().await;
        join_all((0..20).map(|n| {
            let store = &nodes[n % 2];
            async move {
                if n % 4 < 2 {
                    let _ = store
                        .rotate_signing_key("a", b"public", "b", at(5))
                        .await
                        .unwrap();
                } else {
                    let replacements = [replacement(&n.to_string())];
                    store
                        .withdraw_signing_keys(&order, &replacements, at(5))
                        .await
                        .unwrap();
                }
            }
        }))
        .await;
        let mut withdrawn = of_phase(&nodes[0], Phase::Withdrawn).await;
        withdrawn.sort_unstable();
        assert_eq!(withdrawn, ["a", "b"]);
        assert_eq!(of_phase(&nodes[0], Phase::Active).await.len(), 1);
        assert_eq!(of_phase(&nodes[1], Phase::Announced).await.len(), 1);
        assert_eq!(nodes[0].signing_keys().await.unwrap().len(), 4);
    }
}

#[tokio::test]
async fn the_announced_key_takes_the_place_of_a_withdrawn_one() {
    let (nodes, _folder) = nodes_with_keys().await;
    let withdrawn = nodes[0]
        .withdraw_signing_keys(&["a"], &[replacement("1")], at(5))
        .await
        .unwrap();
    assert_eq!(withdrawn, ["a"]);
    assert_eq!(of_phase(&nodes[1], Phase::Active).await, ["b"]);
    assert_eq!(of_phase(&nodes[1], Phase::Announced).await, ["1 announced"]);
    let again = nodes[1]
        .withdraw_signing_keys(&["a"], &[replacement("2")], at(6))
        .await
        .unwrap();
    assert!(again.is_empty());
    let keys = nodes[1].signing_keys().await.unwrap();
    let gone = keys.iter().find(|key| key.kid == "a").unwrap();
    assert!(gone.sealed.is_empty());
    assert_eq!(gone.instants.withdrawn_at, Some(at(5)));
    // One that is announced alone is let sign, and no other.
    assert!(!nodes[0].promote_signing_key("1 announced", at(7)).await.unwrap());
    assert!(!nodes[0].promote_signing_key("a", at(7)).await.unwrap());
}
