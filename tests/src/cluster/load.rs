//! Requests without a pause, by somebody who has the session's ticket and never lets go of it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures_util::future::join_all;
use tokio::task::JoinHandle;

use crate::browser::{Answer, Browser, Fetch};
use crate::stack::{SESSION_COOKIE, Stack};
use crate::wait::eventually;

/// A copy of a session's cookie. Unlike the browser it was taken from, it forgets nothing when told to.
#[derive(Debug, Clone)]
pub struct Stolen {
    browser: Browser,
    cookie: String,
}

impl Stolen {
    /// Copies the cookie.
    ///
    /// # Panics
    /// When there is no session.
    pub fn from(stack: &Stack, victim: &Browser) -> Self {
        let ticket = victim.session_cookie().expect("signed in");
        Self {
            browser: stack.browser(),
            cookie: format!("{SESSION_COOKIE}={ticket}"),
        }
    }

    /// A request with it at a node.
    pub fn fetch(&self, node: SocketAddr, address: &str) -> Fetch {
        self.browser
            .at(node)
            .fetch(address)
            .header("cookie", &self.cookie)
    }
}

/// An answer, and when its request was sent.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    /// When the request was sent.
    pub sent: Instant,
    /// When the answer was there.
    pub received: Instant,
    /// Its status.
    pub status: u16,
    /// Whether it came as an outage has to: a 503 that says when to come again. No answer may touch a cookie.
    pub is_served_or_outage: bool,
}

impl Answered {
    fn new(sent: Instant, answer: &Answer) -> Self {
        let headers = &answer.headers;
        let is_outage = answer.status == 503 && headers.contains_key("retry-after");
        Self {
            sent,
            received: Instant::now(),
            status: answer.status,
            is_served_or_outage: (answer.status == 200 || is_outage) && !headers.contains_key("set-cookie"),
        }
    }
}

/// Parallel loops of requests at one node, until this is dropped or stopped.
#[derive(Debug)]
pub struct Load {
    answers: Arc<Mutex<Vec<Answered>>>,
    is_over: Arc<AtomicBool>,
    loops: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts this many loops of one request.
    pub fn start(loops: usize, ticket: &Stolen, node: SocketAddr, address: &'static str) -> Self {
        let (answers, is_over) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<AtomicBool>::default());
        let loops = (0..loops).map(|_| {
            let (ticket, answers, is_over) = (ticket.clone(), Arc::clone(&answers), Arc::clone(&is_over));
            tokio::spawn(async move {
                while !is_over.load(Ordering::SeqCst) {
                    let sent = Instant::now();
                    let answered = Answered::new(sent, &ticket.fetch(node, address).await);
                    answers.lock().unwrap().push(answered);
                }
            })
        });
        Self {
            loops: loops.collect(),
            answers,
            is_over,
        }
    }

    /// What was answered so far.
    pub fn answers(&self) -> Vec<Answered> {
        self.answers.lock().unwrap().clone()
    }

    /// Waits for an answer of this kind.
    pub async fn sees(&self, what: &str, is_it: impl Fn(&Answered) -> bool) {
        eventually(what, || async {
            let answers = self.answers.lock().unwrap();
            answers.iter().any(&is_it).then_some(())
        })
        .await;
    }

    /// Waits for an answer of this status to a request that was sent after this instant.
    pub async fn sees_after(&self, instant: Instant, what: &str, status: u16) {
        self.sees(what, |answered| {
            answered.sent > instant && answered.status == status
        })
        .await;
    }

    /// Ends the loops and gives all answers.
    ///
    /// # Panics
    /// When a request failed.
    pub async fn stop(mut self) -> Vec<Answered> {
        self.is_over.store(true, Ordering::SeqCst);
        for ended in join_all(self.loops.drain(..)).await {
            ended.expect("every request is answered");
        }
        self.answers()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for running in &self.loops {
            running.abort();
        }
    }
}
