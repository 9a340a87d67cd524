//! Three BFF processes on one Redis: how fast a logout is everywhere, and how many refreshes and logins a second.
//!
//! `cargo bench --workspace --bench cluster [-- RUNS]`. Provider, upstream and browsers run on the same machine and take
//! most of its time, so the rates are what a whole deployment does here, not what a BFF can do; the processor time of the
//! BFFs stands beside them. How to read the tables: `docs/benchmarks.md`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench prints its tables, and what fails ends it"
)]

use std::time::{Duration, Instant};

use e2e::browser::Browser;
use e2e::cluster::{Answered, Cluster, Load, Node, Stolen};
use e2e::process;
use e2e::stack::Deployment;
use e2e::wait::eventually;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use http::Method;

const RUNS: usize = 200;
/// A run with a node that is cut off takes as long as that node's commands wait for Redis.
const RUNS_FOR_ONE_CUT_OFF: usize = 10;
/// `replica.staleness`: for how long a node may go on with what it knows of a session, at most.
const STALENESS: Duration = Duration::from_secs(1);
const LOGINS: usize = 100;
const AT_ONCE: usize = 8;
/// How often the tokens of all browsers expire.
const EXPIRIES: usize = 5;

fn main() {
    // cargo adds `--bench`.
    let runs = std::env::args().find_map(|argument| argument.parse().ok());
    e2e::story::run(measure(runs.unwrap_or(RUNS)));
}

async fn measure(runs: usize) {
    println!("## Logout on one node, requests without a pause on others\n");
    println!("| nodes | the last request that they served, in ms | runs | p50 | p99 | max |");
    println!("|---|---|---:|---:|---:|---:|");
    logouts(&start().await, runs).await;
    logouts_while_cut_off(&start().await, runs.div_ceil(RUNS_FOR_ONE_CUT_OFF)).await;
    println!("\n## Rates\n");
    println!("| | number | a second | CPU ms of the BFF each |\n|---|---:|---:|---:|");
    let cluster = start().await;
    let browsers = logins(&cluster).await;
    refreshes(&cluster, &browsers).await;
}

/// One for each part: at its end its logs are searched for all its secrets, and that takes the product of both.
async fn start() -> Cluster {
    let deployment = Deployment::with_redis().with_redis_timeout("3s");
    Cluster::start(deployment, env!("CARGO_BIN_EXE_bff-node")).await
}

/// When the last request was that a node served: counted from an instant, and zero if that was later.
#[derive(Default)]
struct Last {
    /// From the sending of the logout to the answer of the request.
    from_request: Vec<Duration>,
    /// From the answer to the logout to the answer of the request.
    from_answer: Vec<Duration>,
    /// From the answer to the logout to the sending of the request: what is promised.
    sent: Vec<Duration>,
}

impl Last {
    fn add(&mut self, answers: &[Answered], logout: &Logout) {
        let last = |instant: fn(&Answered) -> Instant| {
            let served = answers.iter().filter(|answered| answered.status == 200);
            served.map(instant).max().expect("it was served")
        };
        let (sent, received) = (last(|answered| answered.sent), last(|answered| answered.received));
        self.from_request
            .push(received.saturating_duration_since(logout.sent));
        self.from_answer
            .push(received.saturating_duration_since(logout.answered));
        self.sent.push(sent.saturating_duration_since(logout.answered));
    }

    fn report(self, who: &str) {
        for (what, mut each) in [
            ("answered, after the logout was sent", self.from_request),
            ("answered, after the logout was answered", self.from_answer),
            ("sent, after the logout was answered", self.sent),
        ] {
            each.sort();
            let at = |share: f64| milliseconds(each[((each.len() - 1) as f64 * share).round() as usize]);
            println!(
                "| {who} | {what} | {} | {} | {} | {} |",
                each.len(),
                at(0.5),
                at(0.99),
                at(1.0)
            );
        }
    }
}

/// Two nodes that hear of the logout.
async fn logouts(cluster: &Cluster, runs: usize) {
    let (a, b, c) = cluster.abc();
    let mut last = Last::default();
    for _ in 0..runs {
        let browser = cluster.browser_logged_in_as("alice").await;
        let loads = [b, c].map(|node| load(cluster, &browser, node));
        for load in &loads {
            load.sees("the session is served", |answered| answered.status == 200)
                .await;
        }
        let logout = Logout::at(a, &browser).await;
        let mut answers = Vec::new();
        for load in loads {
            load.sees("the session is over", |answered| answered.status == 401)
                .await;
            answers.extend(load.stop().await);
        }
        last.add(&answers, &logout);
    }
    last.report("two that hear Redis");
}

/// A node that Redis cannot reach: it does not hear, and stops trusting what it knows.
async fn logouts_while_cut_off(cluster: &Cluster, runs: usize) {
    let (a, b, _) = cluster.abc();
    let mut last = Last::default();
    for _ in 0..runs {
        let browser = cluster.browser_logged_in_as("alice").await;
        // It serves from memory only after it has heard Redis again.
        let settled = Instant::now() + 3 * STALENESS;
        eventually("the node has heard Redis for a while", || async {
            let served = browser.at(b.address()).fetch("/api/lab/x").await.status == 200;
            (served && Instant::now() > settled).then_some(())
        })
        .await;
        let load = load(cluster, &browser, b);
        load.sees("the session is served", |answered| answered.status == 200)
            .await;
        b.link().cut();
        let logout = Logout::at(a, &browser).await;
        load.sees("an outage", |answered| answered.status == 503).await;
        b.link().heal();
        load.sees("the session is over", |answered| answered.status == 401)
            .await;
        last.add(&load.stop().await, &logout);
    }
    let latest = last.sent.iter().max().copied().unwrap_or_default();
    last.report("one that was cut off just before");
    assert!(
        latest <= STALENESS,
        "a request was sent {latest:?} after a logout and served"
    );
}

fn load(cluster: &Cluster, browser: &Browser, node: &Node) -> Load {
    let ticket = Stolen::from(cluster.stack(), browser);
    Load::start(2, &ticket, node.address(), "/api/lab/x")
}

struct Logout {
    sent: Instant,
    answered: Instant,
}

impl Logout {
    async fn at(node: &Node, browser: &Browser) -> Self {
        let sent = Instant::now();
        let logout = browser
            .at(node.address())
            .fetch("/bff/logout")
            .method(Method::POST);
        logout.await.assert_status(200);
        Self {
            sent,
            answered: Instant::now(),
        }
    }
}

async fn logins(cluster: &Cluster) -> Vec<Browser> {
    let signing_in = stream::iter(0..LOGINS)
        .map(|_| cluster.browser_logged_in_as("alice"))
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>();
    let (spent, browsers) = Spent::on(cluster, signing_in).await;
    spent.report("logins, all at one node", browsers.len());
    browsers
}

/// The tokens of all browsers expire at once, again and again, and each sends a request.
async fn refreshes(cluster: &Cluster, browsers: &[Browser]) {
    let mut total = Spent::default();
    let before = cluster.stack().provider().grants("refresh_token");
    for _ in 0..EXPIRIES {
        cluster.let_access_tokens_expire().await;
        let calls = browsers.iter().enumerate().map(|(number, browser)| {
            let node = &cluster.nodes()[number % cluster.nodes().len()];
            browser.at(node.address()).fetch("/api/lab/x").spawn()
        });
        let (spent, answers) = Spent::on(cluster, join_all(calls)).await;
        for answer in answers {
            answer.expect("a request is answered").assert_status(200);
        }
        total.wall += spent.wall;
        total.cpu += spent.cpu;
    }
    let done = cluster.stack().provider().grants("refresh_token") - before;
    assert_eq!(done, EXPIRIES * browsers.len(), "one refresh for each expiry");
    total.report("requests that refresh first, at all nodes", done);
}

/// Time, and processor time of the nodes.
#[derive(Default)]
struct Spent {
    wall: Duration,
    cpu: Duration,
}

impl Spent {
    async fn on<T>(cluster: &Cluster, work: impl Future<Output = T>) -> (Self, T) {
        let (begun, before) = (Instant::now(), cpu_of_nodes(cluster).await);
        let done = work.await;
        let wall = begun.elapsed();
        let cpu = cpu_of_nodes(cluster).await.saturating_sub(before);
        (Self { wall, cpu }, done)
    }

    fn report(&self, what: &str, number: usize) {
        let rate = number as f64 / self.wall.as_secs_f64();
        let cpu = self.cpu.as_secs_f64() * 1_000.0 / number as f64;
        println!("| {what} | {number} | {rate:.0} | {cpu:.2} |");
    }
}

async fn cpu_of_nodes(cluster: &Cluster) -> Duration {
    let mut sum = Duration::ZERO;
    for node in cluster.nodes() {
        sum += process::cpu(node.pid().await);
    }
    sum
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1_000.0)
}
