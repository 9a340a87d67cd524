//! Whether readers stall while the keys are renewed.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use actix_web::dev::Payload;
use actix_web::test::TestRequest;
use actix_web::{FromRequest as _, web};
use async_trait::async_trait;
use futures_util::FutureExt as _;
use resource_server::actix::{AccessToken, Protection};
use resource_server::key_cache::{CachePolicy, FetchKeys, FetchKeysError, KeyCache};
use resource_server::time::{Clock as _, ManualClock, SystemClock};
use resource_server::verifier::Verifier;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::token::{AUDIENCE, ISSUER, Issuer, Kind, jwks};

const THREADS: usize = 16;
/// Of each turn of a case.
const TURN: Duration = Duration::from_millis(500);
/// Between two renewals.
const PAUSE: Duration = Duration::from_millis(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Renewals {
    None,
    /// The issuer says the same each time: another snapshot, but no token is verified again.
    Same,
    /// The issuer says something else each time: every token is verified again.
    Other,
}

/// Tells the documents in turns.
#[derive(Debug)]
struct Documents {
    documents: Vec<Vec<u8>>,
    asked: Arc<AtomicUsize>,
}

#[async_trait]
impl FetchKeys for Documents {
    async fn fetch(&self) -> Result<Vec<u8>, FetchKeysError> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(self.documents[asked % self.documents.len()].clone())
    }
}

struct Case {
    name: &'static str,
    renewals: Renewals,
    threads: usize,
    looks: Vec<u32>,
    fetches: usize,
}

pub(crate) fn measure(issuer: &Issuer, milliseconds: usize) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let case = |name, renewals, threads| Case {
        name,
        renewals,
        threads,
        looks: Vec::new(),
        fetches: 0,
    };
    let mut cases = Vec::new();
    for threads in [THREADS, cores.saturating_sub(1).max(1)] {
        cases.push(case("none", Renewals::None, threads));
        cases.push(case("every 2 ms, the same keys", Renewals::Same, threads));
        cases.push(case("every 2 ms, other keys", Renewals::Other, threads));
    }
    for _ in 0..milliseconds.div_ceil(TURN.as_millis() as usize) {
        for case in &mut cases {
            turn(issuer, case);
        }
    }
    println!("| threads | renewals | looks | renewed | p50 µs | p99 | p99.9 | p99.99 | longest |");
    println!("|---:|---|---:|---:|---:|---:|---:|---:|---:|");
    for case in cases {
        print(case);
    }
    println!("\n{cores} cores; a thread that is not running has the longest looks, whatever it looks at.\n");
}

fn print(mut case: Case) {
    case.looks.sort_unstable();
    let quantile = |per_10_000: usize| {
        let index = (case.looks.len() * per_10_000 / 10_000).min(case.looks.len() - 1);
        f64::from(case.looks[index]) / 1e3
    };
    println!(
        "| {} | {} | {} | {} | {:.2} | {:.2} | {:.1} | {:.1} | {:.0} |",
        case.threads,
        case.name,
        case.looks.len(),
        case.fetches,
        quantile(5_000),
        quantile(9_900),
        quantile(9_990),
        quantile(9_999),
        quantile(10_000),
    );
}

/// A service, its clock, and how often its keys were fetched.
struct Stage {
    protection: web::Data<Protection>,
    clock: ManualClock,
    asked: Arc<AtomicUsize>,
}

impl Stage {
    fn new(issuer: &Issuer, renewals: Renewals) -> Self {
        let clock = ManualClock::new(SystemClock.now());
        let asked = Arc::new(AtomicUsize::new(0));
        let mut documents = vec![jwks(&[issuer.jwk()])];
        if renewals == Renewals::Other {
            documents.push(jwks(&[issuer.jwk(), Issuer::generate(Kind::EdDsa).jwk()]));
        }
        let source = Documents {
            documents: documents.iter().map(|set| set.to_string().into_bytes()).collect(),
            asked: asked.clone(),
        };
        let policy = CachePolicy {
            fresh_for: Duration::from_secs(1),
            cooldown: Duration::ZERO,
            ..CachePolicy::default()
        };
        let keys = KeyCache::new(Arc::new(source), Arc::new(clock.clone())).with_policy(policy);
        let verifier = Verifier::access_token(ISSUER, AUDIENCE).build().unwrap();
        Self {
            protection: web::Data::new(Protection::new(verifier, keys, "notes").unwrap()),
            clock,
            asked,
        }
    }
}

/// Each thread asks for a token of its own without a pause, while somebody moves the clock on so that keys grow old.
fn turn(issuer: &Issuer, case: &mut Case) {
    let stage = Stage::new(issuer, case.renewals);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (handle, all_read) = (runtime.handle().clone(), Arc::new(Notify::new()));
    let driven = all_read.clone();
    // Here the fetches run.
    let driver = thread::spawn(move || runtime.block_on(driven.notified()));
    let ended = AtomicBool::new(false);
    let begin = Barrier::new(case.threads + 1);
    let looks: Vec<Vec<u32>> = thread::scope(|scope| {
        let (stage, begin, ended) = (&stage, &begin, &ended);
        let reader = |token: String| {
            let handle = handle.clone();
            scope.spawn(move || read(&stage.protection, &token, &handle, begin, ended))
        };
        let tokens = issuer.tokens(case.threads);
        let readers: Vec<_> = tokens.into_iter().map(reader).collect();
        begin.wait();
        let began = Instant::now();
        while began.elapsed() < TURN {
            thread::sleep(PAUSE);
            if case.renewals != Renewals::None {
                stage.clock.advance(Duration::from_secs(1));
            }
        }
        ended.store(true, Ordering::Relaxed);
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    all_read.notify_one();
    driver.join().unwrap();
    case.looks.extend(looks.into_iter().flatten());
    case.fetches += stage.asked.load(Ordering::Relaxed) - 1;
}

/// How long each look at the token took, in nanoseconds.
fn read(
    protection: &web::Data<Protection>,
    token: &str,
    runtime: &Handle,
    begin: &Barrier,
    ended: &AtomicBool,
) -> Vec<u32> {
    let request = TestRequest::get()
        .app_data(protection.clone())
        .insert_header(("Authorization", format!("Bearer {token}")))
        .to_http_request();
    let _inside = runtime.enter();
    runtime
        .block_on(AccessToken::from_request(&request, &mut Payload::None))
        .unwrap();
    let mut looks = Vec::with_capacity(1 << 20);
    begin.wait();
    let mut last = Instant::now();
    while !ended.load(Ordering::Relaxed) {
        let admitted = AccessToken::from_request(black_box(&request), &mut Payload::None);
        black_box(admitted.now_or_never().expect("nothing is waited for").unwrap());
        let now = Instant::now();
        looks.push(u32::try_from((now - last).as_nanos()).unwrap_or(u32::MAX));
        last = now;
    }
    looks
}
