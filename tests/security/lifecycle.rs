//! Stopping and starting (90).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use e2e::browser::Browser;
use e2e::on_every_store;
use e2e::on_one_store;
use e2e::stack::Deployment;
use e2e::wait::{eventually, within_patience};
use futures_util::future::join_all;
use tokio::task::JoinHandle;

/// Tabs that call an API without a pause.
struct Busy {
    answered: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    tabs: Vec<JoinHandle<()>>,
}

impl Busy {
    fn start(browser: &Browser, tabs: usize) -> Self {
        let (answered, is_over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let tabs = (0..tabs).map(|_| {
            let (browser, answered, is_over) = (browser.clone(), Arc::clone(&answered), Arc::clone(&is_over));
            tokio::spawn(async move {
                while !is_over.load(Ordering::SeqCst) {
                    browser.fetch("/api/notes").await.assert_status(200);
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            })
        });
        Self {
            tabs: tabs.collect(),
            answered,
            is_over,
        }
    }

    async fn is_answered_again(&self, times: usize) {
        let before = self.answered.load(Ordering::SeqCst);
        eventually("requests are answered", async || {
            let failed = self.tabs.iter().any(JoinHandle::is_finished);
            assert!(!failed, "a request failed");
            (self.answered.load(Ordering::SeqCst) >= before + times).then_some(())
        })
        .await;
    }

    async fn stop(self) {
        self.is_over.store(true, Ordering::SeqCst);
        for tab in join_all(self.tabs).await {
            tab.expect("every request is answered with 200");
        }
    }
}

/// The socket stays bound, as behind a supervisor that hands it over; by a load balancer the others would serve meanwhile.
async fn c90_restarts_under_load_fail_no_request(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let (pooled, fresh) = (Busy::start(&browser, 4), Busy::start(&browser.without_pool(), 4));

    for _ in 0..3 {
        tokio::join!(pooled.is_answered_again(20), fresh.is_answered_again(20));
        stack.restart_bff().await;
    }

    tokio::join!(pooled.is_answered_again(20), fresh.is_answered_again(20));
    tokio::join!(pooled.stop(), fresh.stop());
}

async fn c90_restarts_under_load_fail_no_request_by_tls_and_http2(deployment: Deployment) {
    c90_restarts_under_load_fail_no_request(deployment.with_tls()).await;
}

/// A download is under way when the stop begins.
async fn c90_what_is_under_way_is_finished_before_a_stop(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let gate = stack.upstream().hold("/lab/drip");
    let download = tokio::spawn({
        let browser = browser.clone();
        async move { browser.fetch("/api/lab/drip").await.text() }
    });
    gate.reached().await;

    let finishing = async {
        let stop = stack.stop_bff();
        let mut stop = std::pin::pin!(stop);
        let early = tokio::time::timeout(Duration::from_secs(2), stop.as_mut()).await;
        assert!(early.is_err(), "the stop did not wait");
        gate.open();
        stop.await;
    };
    within_patience("the stop ends with the download", finishing).await;

    assert_eq!(download.await.unwrap(), "first\nsecond\n");
}

/// A load balancer has to learn of the stop while its requests are still served.
async fn c90_while_it_drains_a_node_says_so_and_serves(deployment: Deployment) {
    let stack = deployment.with_server_rules("drain_delay = \"2s\"").start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    // With connections of its own: a kept one may be served whether new ones are or not.
    let fresh = browser.without_pool();

    let running = stack.take_bff().await;
    let began = Instant::now();
    let stop = tokio::spawn(running.stop());
    // The sockets stay bound, so whoever comes after the end would wait for ever.
    let told = eventually("the node says that it drains", async || {
        let asked = stack.bff_tells_operators("/health/ready");
        let (status, told) = within_patience("operators are answered", asked).await;
        (status == 503).then_some(told)
    })
    .await;
    assert_eq!(told["draining"], true, "{told}");
    let answer = within_patience("browsers are served", async { fresh.fetch("/api/notes").await }).await;
    answer.assert_status(200);

    within_patience("the stop ends", stop).await.unwrap();
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(2), "it took {took:?}");
}

on_every_store!(c90_restarts_under_load_fail_no_request);
on_one_store!(
    c90_restarts_under_load_fail_no_request_by_tls_and_http2,
    c90_what_is_under_way_is_finished_before_a_stop,
    c90_while_it_drains_a_node_says_so_and_serves,
);
