//! A cache is shared by workers that have a runtime each, and those come and go.

use std::future::Future;
use std::sync::Arc;
use std::thread;

use async_trait::async_trait;
use futures_util::FutureExt as _;

use super::{POLICY, Stage, is_unavailable};
use crate::key_cache::{FetchKeys, FetchKeysError, KeyCache, VerifyError};
use crate::test_support::{NOW, TestKey, good_claims, jwks, verifier};
use crate::time::ManualClock;

/// Does the work on a runtime of its own, which ends with it.
fn on_a_runtime_of_its_own<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

#[test]
fn workers_join_the_fetch_of_another_worker() {
    let stage = Arc::new(Stage::new());
    let gate = stage.source.close_gate();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| on_a_runtime_of_its_own(stage.verify(&stage.token))))
            .collect();
        on_a_runtime_of_its_own(gate.reached());
        gate.open();
        for worker in workers {
            worker.join().unwrap().unwrap();
        }
    });
    assert_eq!(stage.source.fetches(), 1);
}

#[test]
fn a_worker_that_ends_in_the_middle_of_its_fetch_leaves_no_one_waiting() {
    let stage = Stage::new();
    let gate = stage.source.close_gate();
    let first = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    first.block_on(async {
        tokio::select! {
            _ = stage.verify(&stage.token) => panic!("the gate is closed"),
            () = gate.reached() => {}
        }
    });

    thread::scope(|scope| {
        let (joined, has_joined) = std::sync::mpsc::channel();
        let second = scope.spawn({
            let stage = &stage;
            move || {
                on_a_runtime_of_its_own(async {
                    let mut waiting = Box::pin(stage.verify(&stage.token));
                    assert!((&mut waiting).now_or_never().is_none(), "it joined the fetch");
                    joined.send(()).unwrap();
                    waiting.await
                })
            }
        });
        has_joined.recv().unwrap();
        drop(first);
        let verdict = second.join().unwrap();
        assert!(matches!(
            verdict,
            Err(VerifyError::KeysUnavailable(FetchKeysError::Interrupted))
        ));
    });

    gate.open();
    stage.advance(1);
    on_a_runtime_of_its_own(stage.verify(&stage.token)).unwrap();
    assert_eq!((stage.source.fetches(), stage.source.answered()), (2, 1));
}

/// A source with a bug, once.
#[derive(Debug)]
struct Panicking(std::sync::Mutex<Vec<Option<Vec<u8>>>>);

#[async_trait]
impl FetchKeys for Panicking {
    async fn fetch(&self) -> Result<Vec<u8>, FetchKeysError> {
        let answer = self.0.lock().unwrap().pop().flatten();
        Ok(answer.expect("this panic is part of the test"))
    }
}

#[tokio::test]
async fn a_fetch_that_panics_is_an_outage_and_not_the_end() {
    let key = TestKey::es256("k1");
    let answers = vec![Some(jwks(&[key.jwk()])), None];
    let clock = ManualClock::new(NOW);
    let source = Arc::new(Panicking(std::sync::Mutex::new(answers)));
    let cache = KeyCache::new(source, Arc::new(clock.clone())).with_policy(POLICY);
    let token = key.access_token(&good_claims());

    let verifier = verifier();
    assert!(is_unavailable(&cache.verify(&verifier, &token).await.map(drop)));
    clock.advance(POLICY.cooldown_without_keys);
    assert!(cache.verify(&verifier, &token).await.is_ok());
}
