use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::watch;

use crate::error::FetchKeysError;
use crate::key_cache::FetchKeys;
use crate::test_support::{TestKey, jwks};

type Answer = Result<Vec<u8>, FetchKeysError>;

/// A provider that counts what it is asked and answers as it is told, when it is told.
#[derive(Debug)]
pub(super) struct FakeKeys {
    begun: watch::Sender<usize>,
    answered: AtomicUsize,
    answer: Mutex<Answer>,
    open: watch::Sender<bool>,
}

impl FakeKeys {
    pub(super) fn serving(keys: &[&TestKey]) -> Self {
        Self {
            begun: watch::Sender::new(0),
            answered: AtomicUsize::new(0),
            answer: Mutex::new(Ok(document(keys))),
            open: watch::Sender::new(true),
        }
    }

    pub(super) fn publish(&self, keys: &[&TestKey]) {
        self.answer_with(Ok(document(keys)));
    }

    pub(super) fn fail(&self) {
        self.answer_with(Err(FetchKeysError::Status(503)));
    }

    pub(super) fn answer_with(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// How many fetches were begun.
    pub(super) fn fetches(&self) -> usize {
        *self.begun.borrow()
    }

    /// How many fetches came to their end.
    pub(super) fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// From now on every fetch waits until the gate is opened.
    pub(super) fn close_gate(&self) -> Gate<'_> {
        self.open.send_replace(false);
        Gate {
            source: self,
            begun_before: self.fetches(),
        }
    }
}

fn document(keys: &[&TestKey]) -> Vec<u8> {
    let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
    jwks(&keys)
}

pub(super) struct Gate<'s> {
    source: &'s FakeKeys,
    begun_before: usize,
}

impl Gate<'_> {
    /// Returns when a fetch stands before the gate.
    pub(super) async fn reached(&self) {
        let mut begun = self.source.begun.subscribe();
        begun.wait_for(|&begun| begun > self.begun_before).await.unwrap();
    }

    pub(super) fn open(&self) {
        self.source.open.send_replace(true);
    }
}

#[async_trait]
impl FetchKeys for FakeKeys {
    async fn fetch(&self) -> Answer {
        self.begun.send_modify(|begun| *begun += 1);
        self.open.subscribe().wait_for(|&open| open).await.unwrap();
        self.answered.fetch_add(1, Ordering::SeqCst);
        self.answer.lock().unwrap().clone()
    }
}
