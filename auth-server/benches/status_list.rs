//! What the status lists of a million grants cost: their size, making them, a look at what has ended, memory.
//!
//! `cargo bench -p auth-server --bench status_list [-- GRANTS]`. The server runs in this process on an SQLite file whose grants
//! are written by SQL, as many in each list as drawing them would leave there. Everything is asked for over HTTP, so each
//! figure has an answer of a loopback connection in it; the first row says what that alone is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints its tables, and what fails ends it"
)]

use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth_server::{Config, Listeners, Running};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use resource_server::time::{Clock as _, ManualClock, UnixTime};
use serde_json::Value;
use sqlx::{AnyPool, AssertSqlSafe};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const GRANTS: u64 = 1_000_000;
/// Bits of one list.
const LENGTH: u64 = 1 << 20;
/// How many times what is quick is done; medians are told.
const SAMPLES: usize = 51;

fn main() {
    // cargo adds `--bench`.
    let grants = std::env::args().find_map(|argument| argument.parse().ok());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(measure(grants.unwrap_or(GRANTS)));
}

async fn measure(grants: u64) {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(folder.path()).await;
    let lists = bench.fill(grants).await;
    bench.table_of_looks().await;
    println!(
        "\n| {grants} grants in {lists} lists, of them ended | stream, bytes | token, bytes | read, made and signed, ms |"
    );
    println!("|---|---:|---:|---:|");
    let mut ended = 0;
    for per_mille in [0, 1, 10, 100, 500] {
        let wanted = grants * per_mille / 1000;
        bench.end(wanted - ended, "").await;
        ended = wanted;
        bench.row_of_sizes(per_mille, lists).await;
    }
    bench.table_of_ends().await;
    bench.cold_start(ended).await;
    bench.running.stop().await;
}

struct Bench {
    running: Running,
    toml: String,
    clock: ManualClock,
    database: AnyPool,
    http: reqwest::Client,
}

/// An answer, and how long it took.
struct Answer {
    status: u16,
    etag: String,
    body: String,
    took: Duration,
}

impl Bench {
    async fn start(folder: &Path) -> Self {
        let toml = format!(
            "issuer = \"http://127.0.0.1:9000\"\nserver.workers = 1\n[storage]\npath = \"{0}/db.sqlite3\"\n\
             durability = \"normal\"\n[keys]\npath = \"{0}/keys.json\"\n",
            folder.display()
        );
        let clock = ManualClock::new(UnixTime::from_secs(1_800_000_000));
        let running = run(&toml, &clock).await;
        sqlx::any::install_default_drivers();
        let url = format!("sqlite:{}/db.sqlite3", folder.display());
        Self {
            running,
            toml,
            clock,
            database: AnyPool::connect(&url).await.unwrap(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    async fn execute(&self, statement: String) -> u64 {
        let done = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&self.database);
        done.await.unwrap().rows_affected()
    }

    /// Grants in random places, three quarters of each list at most; gives how many lists that are.
    async fn fill(&self, grants: u64) -> u64 {
        let lists = (grants * 4 / 3).div_ceil(LENGTH).max(1);
        let (places, ends) = (lists * LENGTH, self.clock.now().as_secs() + 30 * 24 * 3600);
        let insert_user = "INSERT INTO user (id, name, password_hash, created_at) VALUES ('u', 'u', '', 0)";
        self.execute(insert_user.to_owned()).await;
        let began = Instant::now();
        self.execute(format!(
            "WITH RECURSIVE place(number) AS (SELECT 0 UNION ALL SELECT number + 1 FROM place WHERE number < {places} - 1)
             INSERT INTO family (id, handle, client_id, user_id, sid, scope, auth_time, generation, current_digest,
                idle_ends, absolute_ends, status_index)
             SELECT randomblob(16), randomblob(16), 'bff', 'u', hex(randomblob(8)), 'openid offline_access', 0, 1,
                randomblob(32), {ends}, {ends}, number FROM place ORDER BY random() LIMIT {grants}"
        ))
        .await;
        println!(
            "{grants} grants were written in {:.1} s",
            began.elapsed().as_secs_f64()
        );
        lists
    }

    /// Ends that many grants, the first or the last (`DESC`) by their ids: who takes the few that are left among many ended ones
    /// would measure the search for them.
    async fn end(&self, grants: u64, order: &str) {
        let now = self.clock.now().as_secs();
        self.execute(format!(
            "UPDATE family SET ended_at = {now}, end_reason = 'signed_out', idle_ends = {now} WHERE id IN (
                SELECT id FROM family WHERE ended_at IS NULL ORDER BY id {order} LIMIT {grants})"
        ))
        .await;
    }

    async fn get(&self, list: u64, known: &str) -> Answer {
        ask(&self.http, &self.running, list, known).await
    }

    /// The median of what is asked for after `before`, in microseconds.
    async fn median(&self, known: &str, expected: u16, before: impl AsyncFn()) -> f64 {
        let mut took = Vec::new();
        for _ in 0..SAMPLES {
            before().await;
            let answer = self.get(0, known).await;
            assert_eq!(answer.status, expected);
            took.push(answer.took.as_secs_f64() * 1e6);
        }
        median(took)
    }

    async fn table_of_looks(&self) {
        let known = self.get(0, "").await.etag;
        println!("\n| asking for a list that has not changed | µs |\n|---|---:|");
        let without = self.median(&known, 304, async || {}).await;
        println!("| in a second in which somebody has asked (304) | {without:.0} |");
        let with = self.median(&known, 304, async || self.clock.advance(Duration::from_secs(1)));
        println!(
            "| the first of a second: a look at ends, keys and clients (304) | {:.0} |",
            with.await
        );
        println!(
            "| the whole list (200) | {:.0} |",
            self.median("", 200, async || {}).await
        );
    }

    /// The list with the most to tell.
    async fn row_of_sizes(&self, per_mille: u64, lists: u64) {
        self.clock.advance(Duration::from_secs(1));
        let mut largest: Option<(usize, usize)> = None;
        let began = Instant::now();
        for list in 0..lists {
            let answer = self.get(list, "").await;
            let sizes = (stream_of(&answer.body).len(), answer.body.len());
            largest = largest.max(Some(sizes));
        }
        let (stream, token) = largest.unwrap();
        let (percent, took) = (per_mille as f64 / 10.0, began.elapsed().as_secs_f64() * 1e3);
        println!("| {percent} % | {stream} each | {token} each | {took:.1} for all lists |");
    }

    async fn table_of_ends(&self) {
        println!("\n| ended since the last second | look, made and signed, ms |\n|---|---:|");
        for grants in [1, 100, 1000] {
            let before = async || {
                self.end(grants, "DESC").await;
                self.clock.advance(Duration::from_secs(1));
            };
            let took = self.median("", 200, before).await / 1e3;
            println!("| {grants} | {took:.1} |");
        }
    }

    /// Another node, which has read nothing yet.
    async fn cold_start(&self, at_least: u64) {
        let before = resident_mb();
        let node = run(&self.toml, &self.clock).await;
        let first = ask(&self.http, &node, 0, "").await;
        assert_eq!(first.status, 200);
        let set = bits_of(&first.body)
            .iter()
            .map(|byte| byte.count_ones())
            .sum::<u32>();
        let took = first.took.as_secs_f64() * 1e3;
        println!(
            "\na new node reads at least {at_least} ends ({set} of them in the first list) for its first answer: {took:.0} ms"
        );
        println!(
            "the process holds {before:.0} MB with one node, {:.0} MB with two",
            resident_mb()
        );
        node.stop().await;
    }
}

async fn run(toml: &str, clock: &ManualClock) -> Running {
    let config = Config::parse(toml, &|_| None).unwrap();
    let listeners = Listeners {
        public: TcpListener::bind("127.0.0.1:0").unwrap(),
        management: None,
    };
    auth_server::start(config, listeners, Arc::new(clock.clone()))
        .await
        .unwrap()
}

/// Until there is an answer: while a look takes long, the server says 503, as an API would see it.
async fn ask(http: &reqwest::Client, node: &Running, list: u64, known: &str) -> Answer {
    let url = format!("http://{}/statuslists/{list}", node.address());
    let began = Instant::now();
    let response = loop {
        let mut request = http.get(&url);
        if !known.is_empty() {
            request = request.header("if-none-match", known);
        }
        let response = request.send().await.unwrap();
        if response.status() != 503 {
            break response;
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "no list within a minute"
        );
    };
    let status = response.status().as_u16();
    let etag = response.headers()["etag"].to_str().unwrap().to_owned();
    let body = response.text().await.unwrap();
    Answer {
        status,
        etag,
        body,
        took: began.elapsed(),
    }
}

fn stream_of(token: &str) -> Vec<u8> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let lst = claims["status_list"]["lst"].as_str().unwrap();
    URL_SAFE_NO_PAD.decode(lst).unwrap()
}

fn bits_of(token: &str) -> Vec<u8> {
    let mut bits = Vec::new();
    flate2::read::ZlibDecoder::new(&*stream_of(token))
        .read_to_end(&mut bits)
        .unwrap();
    bits
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What of this process is in memory, as Linux counts it.
fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1024.0
}
