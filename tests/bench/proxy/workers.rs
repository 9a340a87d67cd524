//! Two workers against one, and what a warm request asks of Redis.

use std::time::Duration;

use e2e::measure::median;
use e2e::report::data::{CONTENDERS, Fact, REDIS_COMMANDS, TWO_WORKERS, TWO_WORKERS_OF_NGINX, title};

use crate::case::SMALL_GET;
use crate::contender::{Contender, bff, nginx};
use crate::cores::Place;
use crate::load;
use crate::rounds::Rounds;
use crate::upstream::Upstream;

/// As many for each worker, because what a request takes depends on them too.
const CONNECTIONS_EACH: u32 = 256;

/// What workers on as many cores do.
struct Side {
    workers: u32,
    place: Place,
    contender: Contender,
    /// With as many workers, on the same cores.
    _upstream: Upstream,
}

/// Small GETs at one worker on one core, and at two on two cores, in turns, and at an nginx in its place. Load and upstream are
/// on the same cores, with as many threads: so a worker has in both cases one core for itself and its share of them.
pub(crate) async fn compare(rounds: Rounds) -> Vec<Fact> {
    let mut sides = Vec::new();
    for (workers, place) in [(1, Place::OwnCore), (2, Place::TwoCores)] {
        for name in [bff::REDIS, nginx::NAME] {
            let upstream = Upstream::start_with(workers, place).await;
            let setup = bff::Setup {
                workers,
                place,
                ..bff::Setup::named(bff::REDIS)
            };
            let contender = match name {
                nginx::NAME => nginx::start_with(&upstream, workers, place).await,
                _ => bff::start(&upstream, setup).await,
            };
            sides.push(Side {
                workers,
                place,
                contender,
                _upstream: upstream,
            });
        }
    }
    let mut all = vec![Vec::new(); sides.len()];
    for round in 0..rounds.rounds {
        for turn in 0..sides.len() {
            let who = (turn + round) % sides.len();
            all[who].push(sides[who].once(rounds.duration).await);
        }
    }
    let medians: Vec<(f64, f64)> = all
        .iter()
        .map(|rounds| {
            let of = |field: fn(&(f64, f64)) -> f64| median(rounds.iter().map(field));
            (of(|(rate, _)| *rate), of(|(_, cpu_us)| *cpu_us))
        })
        .collect();
    print(&sides, &medians);
    let rate = |name: &str, workers: u32| {
        let is_it = |side: &Side| side.contender.name == name && side.workers == workers;
        let at = sides.iter().position(is_it).expect("all were measured");
        medians[at].0
    };
    let ratio = |name| rate(name, 2) / rate(name, 1);
    vec![
        TWO_WORKERS.is(ratio(bff::REDIS)),
        TWO_WORKERS_OF_NGINX.is(ratio(nginx::NAME)),
    ]
}

fn print(sides: &[Side], medians: &[(f64, f64)]) {
    println!("## Workers: small GETs, {CONNECTIONS_EACH} connections for each\n");
    println!("Each has a core, which it shares with its part of the load and of the upstream.\n");
    println!("| contender | workers | requests/s | CPU µs/request |\n|---|---:|---:|---:|");
    for (side, (rate, cpu_us)) in sides.iter().zip(medians) {
        let (name, workers) = (side.contender.name, side.workers);
        println!("| {name} | {workers} | {rate:.0} | {cpu_us:.1} |");
    }
    println!();
}

impl Side {
    /// Requests a second, and processor time of each in microseconds.
    async fn once(&self, duration: Duration) -> (f64, f64) {
        let before = self.contender.cpu();
        let connections = self.workers * CONNECTIONS_EACH;
        let threads = load::Threads {
            count: self.workers,
            place: Some(self.place),
        };
        let load = load::full_by(&self.contender, &SMALL_GET, connections, duration, threads).await;
        let took = self.contender.cpu().saturating_sub(before);
        (load.per_second(), took.as_secs_f64() * 1e6 / load.requests)
    }
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
