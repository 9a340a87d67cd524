//! Two workers against one, and what a warm request asks of Redis.

use std::fs;
use std::time::Duration;

use e2e::measure::median;
use e2e::process::{cpu, family};
use e2e::report::data::{
    CONTENDERS, Fact, REDIS_COMMANDS, TWO_WORKERS, TWO_WORKERS_OF_NGINX, TWO_WORKERS_RAW, title,
};

use crate::case::SMALL_GET;
use crate::contender::{Contender, bff, nginx};
use crate::cores::{Place, cpu_of_ended_children};
use crate::load::{self, steady};
use crate::rounds::Rounds;
use crate::upstream::Upstream;

/// As many for each worker, because what a request takes depends on them too.
const CONNECTIONS_EACH: u32 = 256;

/// The share of the full rate at which there is room for all.
const ROOM: f64 = 0.4;

/// What a number of workers does with small GETs.
#[derive(Debug, Clone)]
struct Workers {
    name: &'static str,
    workers: u32,
    requests_per_second: f64,
    cpu_us: f64,
    /// Processor time of load and upstream for each request.
    others_us: f64,
    /// How much of the work the busiest thread does when there is room for all: at full load the worker that has to share its core
    /// with the load does less, which says nothing of how the BFF deals out work.
    busiest_share: f64,
}

/// Small GETs at a BFF with one worker and at one with two, in turns, and at an nginx beside them. All run on both cores, which they
/// share with load and upstream: what that costs, it costs nginx too.
pub(crate) async fn compare(upstream: &Upstream, rounds: Rounds) -> Vec<Fact> {
    let mut contenders = Vec::new();
    for workers in [1, 2] {
        let setup = bff::Setup {
            workers,
            place: Place::AllCores,
            ..bff::Setup::named(bff::REDIS)
        };
        contenders.push((workers, bff::start(upstream, setup).await));
        contenders.push((
            workers,
            nginx::start_with(upstream, workers, Place::AllCores).await,
        ));
    }
    let mut all = vec![Vec::new(); contenders.len()];
    for round in 0..rounds.rounds {
        for turn in 0..contenders.len() {
            let who = (turn + round) % contenders.len();
            let (workers, contender) = &contenders[who];
            all[who].push(once(*workers, contender, upstream, rounds.duration).await);
        }
    }
    let medians = all.iter().map(|rounds| {
        let of = |field: fn(&Workers) -> f64| median(rounds.iter().map(field));
        Workers {
            name: rounds[0].name,
            workers: rounds[0].workers,
            requests_per_second: of(|one| one.requests_per_second),
            cpu_us: of(|one| one.cpu_us),
            others_us: of(|one| one.others_us),
            busiest_share: of(|one| one.busiest_share),
        }
    });
    let medians: Vec<Workers> = medians.collect();
    print(&medians);
    let of = |name: &str| {
        let mut found = medians.iter().filter(|one| one.name == name);
        let (one, two) = (found.next(), found.next());
        one.zip(two).expect("one worker and two were measured")
    };
    let (one, two) = of(bff::REDIS);
    vec![
        TWO_WORKERS.is(capacity(one, two)),
        TWO_WORKERS_RAW.is(two.requests_per_second / one.requests_per_second),
        {
            let (one, two) = of(nginx::NAME);
            TWO_WORKERS_OF_NGINX.is(capacity(one, two))
        },
    ]
}

/// What two workers could do on two cores that nobody else needs. With load and upstream on the same two cores the rate cannot
/// show it. But it follows from what a request takes of a core, and from the worker that is busy first.
fn capacity(one: &Workers, two: &Workers) -> f64 {
    let count = f64::from(two.workers);
    let balance = 1.0 / count / two.busiest_share;
    count * (one.cpu_us / two.cpu_us) * balance
}

fn print(found: &[Workers]) {
    println!("## Workers: small GETs, {CONNECTIONS_EACH} connections for each\n");
    println!("They are on two cores, which load and upstream need as well.\n");
    println!(
        "| contender | workers | requests/s | CPU µs/request | others µs/request | busiest worker's share, with room |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    for one in found {
        println!(
            "| {} | {} | {:.0} | {:.1} | {:.1} | {:.1} % |",
            one.name,
            one.workers,
            one.requests_per_second,
            one.cpu_us,
            one.others_us,
            one.busiest_share * 100.0,
        );
    }
    println!();
}

async fn once(workers: u32, contender: &Contender, upstream: &Upstream, duration: Duration) -> Workers {
    let upstream_cpu = || family(upstream.pid()).into_iter().map(cpu).sum::<Duration>();
    let (load_before, upstream_before) = (cpu_of_ended_children(), upstream_cpu());
    let before = contender.cpu();
    let load = load::full(contender, &SMALL_GET, workers * CONNECTIONS_EACH, duration).await;
    let took = contender.cpu().saturating_sub(before);
    let others =
        cpu_of_ended_children().saturating_sub(load_before) + upstream_cpu().saturating_sub(upstream_before);
    Workers {
        name: contender.name,
        workers,
        requests_per_second: load.per_second(),
        cpu_us: took.as_secs_f64() * 1e6 / load.requests,
        others_us: others.as_secs_f64() * 1e6 / load.requests,
        busiest_share: busiest_share(contender, load.per_second() * ROOM, duration),
    }
}

/// Every connection is asked as often as the others.
fn busiest_share(contender: &Contender, per_second: f64, duration: Duration) -> f64 {
    let before = threads(contender.pid());
    tokio::task::block_in_place(|| steady::run(contender, &SMALL_GET, per_second, duration));
    let took = threads(contender.pid()).into_iter().map(|(id, after)| {
        let before = before
            .iter()
            .find_map(|(known, time)| (*known == id).then_some(*time));
        after.saturating_sub(before.unwrap_or_default())
    });
    let took: Vec<Duration> = took.collect();
    let busiest = took.iter().max().copied().unwrap_or_default();
    busiest.as_secs_f64() / took.iter().sum::<Duration>().as_secs_f64()
}

/// The processor time of each thread of a process and of those that it started.
fn threads(pid: u32) -> Vec<(String, Duration)> {
    let of_one = |pid| fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    let threads = family(pid).into_iter().flat_map(of_one);
    let times = threads.flatten().filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        let nanoseconds = text.split(' ').next()?.parse().ok()?;
        Some((
            thread.file_name().into_string().ok()?,
            Duration::from_nanos(nanoseconds),
        ))
    });
    times.collect()
}

/// How many commands each contender sends to its Redis for a request of a session that it knows.
///
/// # Panics
/// When our BFF sends any to speak of.
pub(crate) async fn redis_commands(contenders: &[Contender], duration: Duration) -> Vec<Fact> {
    let mut all = Vec::new();
    for contender in contenders {
        let Some(before) = contender.redis_commands().await else {
            continue;
        };
        let load = load::full(contender, &SMALL_GET, 32, duration).await;
        let after = contender.redis_commands().await.unwrap_or(before);
        let per_request = after.saturating_sub(before) as f64 / load.requests;
        assert!(
            contender.name != bff::REDIS || per_request < 0.05,
            "a warm request of our BFF asks nothing of Redis, but there were {per_request} commands for each"
        );
        all.push(match contender.name {
            bff::REDIS => REDIS_COMMANDS.is(per_request),
            name => Fact {
                name: format!("{}, {}", REDIS_COMMANDS.name, title(&CONTENDERS, name)),
                ..REDIS_COMMANDS.is(per_request)
            },
        });
    }
    all
}
