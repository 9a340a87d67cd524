//! Two workers against one, and what a warm request asks of Redis.

use std::fs;
use std::time::Duration;

use e2e::process::cpu;

use crate::case::SMALL_GET;
use crate::contender::{Contender, bff};
use crate::cores::{Place, cpu_of_ended_children};
use crate::data::{RedisCommands, Workers};
use crate::load;
use crate::rounds::{Rounds, median};
use crate::upstream::Upstream;

/// Enough that both workers have some, however the kernel deals them out.
const CONNECTIONS: u32 = 128;

/// Small GETs at a BFF with one worker and at one with two, in turns. The one worker has core 0 to itself, as everywhere
/// in this bench; two are on both cores, which they share with load and upstream.
pub(crate) async fn compare(upstream: &Upstream, rounds: Rounds) -> Vec<Workers> {
    let mut contenders = Vec::new();
    for (workers, place) in [(1, Place::OwnCore), (2, Place::AllCores)] {
        let setup = bff::Setup {
            workers,
            place,
            ..bff::Setup::named(bff::REDIS)
        };
        contenders.push((workers, bff::start(upstream, setup).await));
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
            workers: rounds[0].workers,
            requests_per_second: of(|one| one.requests_per_second),
            cpu_us: of(|one| one.cpu_us),
            others_us: of(|one| one.others_us),
            busiest_share: of(|one| one.busiest_share),
        }
    });
    medians.collect()
}

async fn once(workers: u32, contender: &Contender, upstream: &Upstream, duration: Duration) -> Workers {
    let upstream_cpu = || {
        e2e::process::family(upstream.pid())
            .into_iter()
            .map(cpu)
            .sum::<Duration>()
    };
    let (load_before, upstream_before) = (cpu_of_ended_children(), upstream_cpu());
    let (before, threads_before) = (contender.cpu(), threads(contender.pid()));
    let load = load::full(contender, &SMALL_GET, CONNECTIONS, duration).await;
    let took = contender.cpu().saturating_sub(before);
    let busiest = threads(contender.pid())
        .into_iter()
        .map(|(id, after)| {
            let before = threads_before
                .iter()
                .find_map(|(known, time)| (*known == id).then_some(*time));
            after.saturating_sub(before.unwrap_or_default())
        })
        .max();
    let others =
        cpu_of_ended_children().saturating_sub(load_before) + upstream_cpu().saturating_sub(upstream_before);
    Workers {
        workers,
        requests_per_second: load.requests_per_second,
        cpu_us: took.as_secs_f64() * 1e6 / load.requests,
        others_us: others.as_secs_f64() * 1e6 / load.requests,
        busiest_share: busiest.unwrap_or_default().as_secs_f64() / took.as_secs_f64(),
    }
}

/// The processor time of each thread.
fn threads(pid: u32) -> Vec<(String, Duration)> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
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
pub(crate) async fn redis_commands(contenders: &[Contender], duration: Duration) -> Vec<RedisCommands> {
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
        all.push(RedisCommands {
            contender: contender.name.to_owned(),
            per_request,
        });
    }
    all
}
