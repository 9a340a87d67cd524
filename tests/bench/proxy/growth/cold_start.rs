//! A BFF that was killed comes back to its sessions.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use e2e::measure::median;
use e2e::wait::within_patience;

use super::browsers::{Browsers, all_are_200, p50_and_p99, try_once};
use super::sessions::Lookups;
use super::side::{PATH, Side};
use super::site::{Bff, READY, Site};
use super::{Found, check, percent};
use crate::arguments::Arguments;
use crate::contender::{bff, nginx};
use crate::upstream::Upstream;

const GUIDE: &str = "\
The BFF is killed with its sessions in Redis, and another process takes its place. The start runs from the execution of the program until\n\
somebody who is signed in gets 200; somebody asks each millisecond. \"Cold\" is the first request of each session after that:\n\
nothing is in memory. \"Warm\" is each of them once more. Uses that are written down are left out. All by the same load: 32\n\
connections, made within the run, each of which asks as soon as it was answered, so latencies are those of full load.";
const SESSIONS: usize = 10_000;
const CONNECTIONS: usize = 32;

pub(super) async fn measure(upstream: &Upstream, arguments: &Arguments) -> Found {
    let mut outcome = Found::default();
    println!("## Cold start\n\n{GUIDE}\n");
    let site = Site::start(upstream).await;
    let nginx = nginx::start(upstream).await;
    let cookies = site.begin(SESSIONS).await;
    let mut bff = Bff::start(&site, &bff::Setup::named(bff::REDIS)).await;
    check::does_its_work(&bff, &cookies[0]);

    let (mut starts, mut passes) = (Vec::new(), Vec::new());
    for _ in 0..arguments.rounds.rounds {
        bff.kill().await;
        let (next, start) = start_next(&site, &cookies[0]).await;
        bff = next;
        starts.push(start);
        let side = Side::of_bffs(&site, [&bff]);
        let mut pass = Vec::new();
        for _ in ["cold", "warm"] {
            let before = Lookups::of(&bff).await;
            let found = Pass::of(&side, bff.port, &cookies);
            let in_memory = Lookups::of(&bff).await.share_in_memory_since(&before);
            pass.push(Pass { in_memory, ..found });
        }
        pass.push(Pass::of(&Side::of_nginx(&nginx), nginx.port, &cookies));
        passes.push(pass);
    }
    let start = median(starts.iter().map(|start| start.milliseconds));
    let refused: usize = starts.iter().map(|start| start.refused).sum();
    println!(
        "From execution to the first 200: {start:.0} ms; {refused} answers before it were something else.\n"
    );
    outcome.fact("from execution to the first signed-in 200", start, "ms");
    report(&passes, &mut outcome);
    site.provider.was_left_alone();
    outcome
}

struct Start {
    milliseconds: f64,
    /// How many answers before the first 200 were something else.
    refused: usize,
}

/// The shell says when it is about to execute the program: what the harness does before is no part of a start.
const AT_LAST: [&str; 4] = ["sh", "-c", "echo now; exec \"$@\"", "sh"];
const NOW: &str = "now";

async fn start_next(site: &Site<'_>, cookie: &str) -> (Bff, Start) {
    let executed = Mutex::new(None);
    let is_ready = |line: &str| {
        if line == NOW {
            *executed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        line.contains(READY)
    };
    let setup = bff::Setup::named(bff::REDIS);
    let waits = |port| Somebody::waits_at(port, cookie);
    let (bff, somebody) = Bff::start_by(site, &setup, &AT_LAST, is_ready, waits).await;
    let (served, refused) = somebody.served().await;
    let executed = executed.into_inner().unwrap_or_else(PoisonError::into_inner);
    let took = served - executed.expect("it was executed");
    let milliseconds = took.as_secs_f64() * 1e3;
    (
        bff,
        Start {
            milliseconds,
            refused,
        },
    )
}

/// Somebody who is signed in and asks each millisecond until there is an answer, or nobody wants to know any more.
struct Somebody {
    served: Option<JoinHandle<Option<(Instant, usize)>>>,
    is_over: Arc<AtomicBool>,
}

impl Somebody {
    fn waits_at(port: u16, cookie: &str) -> Self {
        let (cookie, is_over) = (cookie.to_owned(), Arc::<AtomicBool>::default());
        let over = Arc::clone(&is_over);
        let served = thread::spawn(move || {
            let mut refused = 0;
            while !over.load(Ordering::Relaxed) {
                match try_once(port, PATH, &cookie) {
                    Some(200) => return Some((Instant::now(), refused)),
                    Some(_) => refused += 1,
                    None => {}
                }
                thread::sleep(Duration::from_millis(1));
            }
            None
        });
        Self {
            served: Some(served),
            is_over,
        }
    }

    /// When it got its 200, and how many other answers before.
    async fn served(mut self) -> (Instant, usize) {
        let served = self.served.take().expect("it is asked once");
        let joined = tokio::task::spawn_blocking(move || served.join());
        let joined = within_patience("somebody is served", joined).await;
        let joined = joined.expect("the thread is waited for");
        joined.expect("every answer is one").expect("it was served")
    }
}

impl Drop for Somebody {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Each session once.
#[derive(Debug, Clone, Copy)]
struct Pass {
    cpu_us: f64,
    redis_cpu_us: f64,
    p50_us: f64,
    p99_us: f64,
    in_memory: f64,
}

impl Pass {
    fn of(side: &Side<'_>, port: u16, cookies: &[String]) -> Self {
        let browsers = Browsers {
            port,
            path: PATH,
            cookies,
            connections: CONNECTIONS,
        };
        let before = (side.cpu(), side.redis_cpu());
        let replies = tokio::task::block_in_place(|| browsers.each_once());
        let after = (side.cpu(), side.redis_cpu());
        all_are_200(side.name, &replies);
        let each = |before: Duration, after: Duration| {
            after.saturating_sub(before).as_secs_f64() * 1e6 / replies.len() as f64
        };
        let (p50_us, p99_us) = p50_and_p99(&replies);
        Self {
            cpu_us: each(before.0, after.0),
            redis_cpu_us: each(before.1, after.1),
            p50_us,
            p99_us,
            in_memory: 0.0,
        }
    }
}

fn report(passes: &[Vec<Pass>], outcome: &mut Found) {
    println!("| | CPU µs/request | … of nginx | + Redis µs | in memory | p50 µs | p99 µs |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
    let of = |at: usize, field: fn(&Pass) -> f64| median(passes.iter().map(|pass| field(&pass[at])));
    let of_nginx = of(2, |pass| pass.cpu_us);
    for (at, name) in ["cold", "warm", nginx::NAME].into_iter().enumerate() {
        let is_ours = name != nginx::NAME;
        let ours = |text: String| if is_ours { text } else { "–".to_owned() };
        println!(
            "| {name} | {:.1} | {:.2} | {} | {} | {:.0} | {:.0} |",
            of(at, |pass| pass.cpu_us),
            of(at, |pass| pass.cpu_us) / of_nginx,
            ours(format!("{:.1}", of(at, |pass| pass.redis_cpu_us))),
            ours(percent(of(at, |pass| pass.in_memory))),
            of(at, |pass| pass.p50_us),
            of(at, |pass| pass.p99_us),
        );
        if is_ours {
            let total = of(at, |pass| pass.cpu_us + pass.redis_cpu_us);
            outcome.fact(
                &format!("processor time of a {name} request after a start"),
                total,
                "µs",
            );
        }
    }
    println!();
}
