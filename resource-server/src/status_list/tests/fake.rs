use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use tokio::sync::watch;
use url::Url;

use super::URI;
use crate::status_list::{FetchListError, FetchStatusList, FetchedList};
use crate::test_support::{TestKey, TestStatusList};

type Answer = Result<FetchedList, FetchListError>;

/// A server of lists that remembers what it is asked and answers as it is told, when it is told.
#[derive(Debug)]
pub(super) struct FakeLists {
    asked: watch::Sender<Vec<Question>>,
    answers: Mutex<HashMap<String, Answer>>,
    open: watch::Sender<bool>,
    panics: Mutex<bool>,
}

/// Which list was asked for, and with which `ETag`.
pub(super) type Question = (String, Option<String>);

impl FakeLists {
    pub(super) fn new() -> Self {
        Self {
            asked: watch::Sender::default(),
            answers: Mutex::default(),
            open: watch::Sender::new(true),
            panics: Mutex::new(false),
        }
    }

    /// Serves this list, without an `ETag`.
    pub(super) fn publish(&self, list: &TestStatusList, key: &TestKey) {
        self.publish_token(&list.uri, list.sign(key), None);
    }

    pub(super) fn publish_token(&self, uri: &str, token: String, etag: Option<&str>) {
        let etag = etag.map(str::to_owned);
        self.answer(uri, Ok(FetchedList::New { token, etag }));
    }

    pub(super) fn answer(&self, uri: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(uri.to_owned(), answer);
    }

    pub(super) fn fail(&self) {
        self.answer(URI, Err(FetchListError::Status(503)));
    }

    pub(super) fn panic_once(&self) {
        *self.panics.lock().unwrap() = true;
    }

    /// How often was asked for any list.
    pub(super) fn fetches(&self) -> usize {
        self.asked.borrow().len()
    }

    /// What was asked last.
    pub(super) fn last_question(&self) -> Question {
        self.asked.borrow().last().unwrap().clone()
    }

    /// Returns when so many fetches have been begun.
    pub(super) async fn reach(&self, fetches: usize) {
        let mut asked = self.asked.subscribe();
        asked.wait_for(|asked| asked.len() >= fetches).await.unwrap();
    }

    /// From now on every fetch waits until the gate is opened.
    pub(super) fn close_gate(&self) {
        self.open.send_replace(false);
    }

    pub(super) fn open_gate(&self) {
        self.open.send_replace(true);
    }
}

#[async_trait]
impl FetchStatusList for FakeLists {
    async fn fetch(&self, uri: &Url, etag: Option<&str>) -> Answer {
        let question = (uri.as_str().to_owned(), etag.map(str::to_owned));
        self.asked.send_modify(|asked| asked.push(question));
        self.open.subscribe().wait_for(|&open| open).await.unwrap();
        assert!(!std::mem::take(&mut *self.panics.lock().unwrap()), "told to");
        let answers = self.answers.lock().unwrap();
        let unknown = || Err(FetchListError::Status(404));
        answers.get(uri.as_str()).cloned().unwrap_or_else(unknown)
    }
}
