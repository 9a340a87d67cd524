//! A BFF that was killed comes back to its sessions.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::crowd::{Crowd, all_are_200, p50_and_p99, try_once};
use super::sessions::Lookups;
use super::side::{PATH, Side};
use super::site::{Bff, Killed, Site};
use super::{Found, check, percent};
use crate::arguments::Arguments;
use crate::contender::{bff, nginx};
use crate::rounds::median;
use crate::upstream::Upstream;

const GUIDE: &str = "\
The BFF is killed with its sessions in Redis, and started again. The start runs from the execution of the program until\n\
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
        let (again, start) = start_again(bff.kill().await, &cookies[0]).await;
        bff = again;
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

async fn start_again(killed: Killed, cookie: &str) -> (Bff, Start) {
    let port = killed.port;
    let executed = Mutex::new(None);
    let note = || {
        *executed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    };
    let cookie = cookie.to_owned();
    let somebody = tokio::task::spawn_blocking(move || {
        let give_up = Instant::now() + Duration::from_secs(20);
        let mut refused = 0;
        loop {
            match try_once(port, PATH, &cookie) {
                Some(200) => return (Instant::now(), refused),
                Some(_) => refused += 1,
                None => {}
            }
            assert!(Instant::now() < give_up, "nobody was served after the start");
            thread::sleep(Duration::from_millis(1));
        }
    });
    let bff = killed.start_again(note).await;
    let (served, refused) = somebody.await.expect("somebody is served");
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
        let crowd = Crowd {
            port,
            path: PATH,
            cookies,
            connections: CONNECTIONS,
        };
        let before = (side.cpu(), side.redis_cpu());
        let replies = tokio::task::block_in_place(|| crowd.each_once());
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
