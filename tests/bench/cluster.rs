//! Three BFF processes on one Redis: how fast a logout is everywhere, and how many refreshes and logins a second.
//!
//! `cargo bench -p e2e --bench cluster [-- RUNS]`. Provider, upstream and browsers run on the same machine and take most of
//! its time, so the rates are what a whole deployment does here, not what a BFF can do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench prints its tables, and what fails ends it"
)]

use std::time::{Duration, Instant};

use e2e::browser::Browser;
use e2e::cluster::{Cluster, Load, Stolen};
use e2e::stack::Deployment;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use http::Method;

const LOGINS: usize = 100;
const LOGINS_AT_ONCE: usize = 8;

fn main() {
    // cargo adds `--bench`.
    let runs = std::env::args().find_map(|argument| argument.parse().ok());
    e2e::story::run(measure(runs.unwrap_or(200)));
}

async fn measure(runs: usize) {
    let deployment = Deployment::with_redis().with_redis_timeout("3s");
    let cluster = Cluster::start(deployment, env!("CARGO_BIN_EXE_bff-node")).await;
    logouts(&cluster, runs).await;
    let browsers = logins(&cluster).await;
    refreshes(&cluster, &browsers).await;
}

/// How long after the answer to a logout on the first node the last request was served on the second and the third.
async fn logouts(cluster: &Cluster, runs: usize) {
    let (a, b, c) = cluster.abc();
    let mut lags = Vec::new();
    let mut sent_later = 0;
    for _ in 0..runs {
        let browser = cluster.browser_logged_in_as("alice").await;
        let ticket = Stolen::from(cluster.stack(), &browser);
        let loads = [b, c].map(|node| Load::start(2, &ticket, node.address(), "/api/lab/x"));
        for load in &loads {
            load.sees("the session is served", |answered| answered.status == 200)
                .await;
        }
        let logout = browser.at(a.address()).fetch("/bff/logout").method(Method::POST);
        logout.await.assert_status(200);
        let signed_out = Instant::now();
        let mut answers = Vec::new();
        for load in loads {
            load.sees("the session is over", |answered| answered.status == 401)
                .await;
            answers.extend(load.stop().await);
        }
        let served = answers.iter().filter(|answered| answered.status == 200);
        sent_later += served
            .clone()
            .filter(|answered| answered.sent > signed_out)
            .count();
        let last = served
            .map(|answered| answered.received)
            .max()
            .expect("it was served");
        lags.push(last.saturating_duration_since(signed_out));
    }
    lags.sort();
    let at = |share: f64| lags[((lags.len() - 1) as f64 * share).round() as usize];
    println!(
        "Logout on one node, {runs} runs, requests without a pause on two others. After its answer, in ms:"
    );
    println!("| | p50 | p99 | max |\n|---|---|---|---|");
    println!(
        "| last 200 received | {} | {} | {} |",
        milliseconds(at(0.5)),
        milliseconds(at(0.99)),
        milliseconds(at(1.0))
    );
    println!("requests that were sent after the answer and served: {sent_later}\n");
}

async fn logins(cluster: &Cluster) -> Vec<Browser> {
    let begun = Instant::now();
    let browsers: Vec<_> = stream::iter(0..LOGINS)
        .map(|_| cluster.browser_logged_in_as("alice"))
        .buffer_unordered(LOGINS_AT_ONCE)
        .collect()
        .await;
    report("logins", browsers.len(), begun.elapsed());
    browsers
}

async fn refreshes(cluster: &Cluster, browsers: &[Browser]) {
    cluster.let_access_tokens_expire().await;
    let before = cluster.stack().provider().grants("refresh_token");
    let begun = Instant::now();
    let calls = browsers.iter().enumerate().map(|(number, browser)| {
        let node = &cluster.nodes()[number % cluster.nodes().len()];
        browser.at(node.address()).fetch("/api/lab/x").spawn()
    });
    for answer in join_all(calls).await {
        answer.expect("a request is answered").assert_status(200);
    }
    let elapsed = begun.elapsed();
    let done = cluster.stack().provider().grants("refresh_token") - before;
    assert_eq!(done, browsers.len());
    report("refreshes", done, elapsed);
}

fn report(what: &str, number: usize, elapsed: Duration) {
    let rate = number as f64 / elapsed.as_secs_f64();
    println!(
        "{number} {what} in {} ms: {rate:.0} a second",
        milliseconds(elapsed)
    );
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1_000.0)
}
