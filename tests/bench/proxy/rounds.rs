//! Rounds: each visits every contender once, in an order that moves on, and the medians count. So whatever else the machine
//! does meanwhile meets all of them.

use std::time::Duration;

use crate::case::Case;
use crate::contender::Contender;
use crate::data::{HalfLoad, Measurement};
use crate::load::{self, steady};

/// How often and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rounds {
    pub(crate) rounds: usize,
    pub(crate) duration: Duration,
}

/// A case over so many connections.
pub(crate) type Point = (Case, u32);

impl Rounds {
    /// Every point at every contender.
    pub(crate) async fn full_load(self, contenders: &[Contender], points: &[Point]) -> Vec<Measurement> {
        let mut all: Vec<Vec<Measurement>> = vec![Vec::new(); contenders.len() * points.len()];
        for round in 0..self.rounds {
            for (at_point, (case, connections)) in points.iter().enumerate() {
                for turn in 0..contenders.len() {
                    let who = (turn + round + at_point) % contenders.len();
                    let one = measure(&contenders[who], case, *connections, self.duration).await;
                    all[at_point * contenders.len() + who].push(one);
                }
            }
        }
        all.iter().map(|rounds| median_of(rounds)).collect()
    }

    /// All of them at the same rate.
    pub(crate) fn steady_load(
        self,
        contenders: &[&Contender],
        case: &Case,
        per_second: f64,
    ) -> Vec<HalfLoad> {
        let mut all = vec![Vec::new(); contenders.len()];
        for round in 0..self.rounds {
            for turn in 0..contenders.len() {
                let who = (turn + round) % contenders.len();
                all[who].push(steady::run(contenders[who], case, per_second, self.duration));
            }
        }
        let named = contenders.iter().zip(&all);
        named
            .map(|(contender, rounds)| HalfLoad {
                contender: contender.name.to_owned(),
                requests_per_second: median(rounds.iter().map(|one| one.requests_per_second)),
                p50_us: median(rounds.iter().map(|one| one.p50_us)),
                p99_us: median(rounds.iter().map(|one| one.p99_us)),
            })
            .collect()
    }
}

/// One case at one contender, once.
pub(crate) async fn measure(
    contender: &Contender,
    case: &Case,
    connections: u32,
    duration: Duration,
) -> Measurement {
    let (before, redis_before) = (contender.cpu(), contender.redis_cpu());
    let load = load::full(contender, case, connections, duration).await;
    let cpu = contender.cpu().saturating_sub(before);
    let redis_cpu = contender.redis_cpu().zip(redis_before);
    let each = |time: Duration| time.as_secs_f64() * 1e6 / load.requests;
    Measurement {
        case: case.name.to_owned(),
        connections,
        contender: contender.name.to_owned(),
        cpu_us: each(cpu),
        redis_cpu_us: redis_cpu.map(|(after, before)| each(after.saturating_sub(before))),
        requests_per_second: load.requests_per_second,
        p50_us: load.p50_us,
        p99_us: load.p99_us,
    }
}

fn median_of(rounds: &[Measurement]) -> Measurement {
    let of = |field: fn(&Measurement) -> f64| median(rounds.iter().map(field));
    let redis: Option<Vec<f64>> = rounds.iter().map(|one| one.redis_cpu_us).collect();
    Measurement {
        cpu_us: of(|one| one.cpu_us),
        redis_cpu_us: redis.map(|each| median(each.into_iter())),
        requests_per_second: of(|one| one.requests_per_second),
        p50_us: of(|one| one.p50_us),
        p99_us: of(|one| one.p99_us),
        ..rounds[0].clone()
    }
}

/// The middle one; of an even number the mean of the two in the middle.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    }
}
