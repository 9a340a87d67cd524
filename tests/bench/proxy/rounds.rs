//! Rounds: each visits every contender once, in an order that moves on, and the medians count. So whatever else the machine
//! does meanwhile meets all of them.

use std::time::{Duration, Instant};

use e2e::measure::median;
use e2e::report::data::{HalfLoad, Measurement};
use tokio::time::sleep;

use crate::case::Case;
use crate::contender::Contender;
use crate::load::{self, steady};
use crate::upstream::Upstream;

/// How often and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rounds {
    pub(crate) rounds: usize,
    pub(crate) duration: Duration,
}

/// For each round of the others, so many at half load.
const STEADY_ROUNDS: usize = 3;

/// No run is longer.
const LONGEST: Duration = Duration::from_secs(48);

/// A case over so many connections.
pub(crate) type Point = (Case, u32);

impl Rounds {
    /// Every point at every contender.
    pub(crate) async fn full_load(
        self,
        upstream: &Upstream,
        contenders: &[Contender],
        points: &[Point],
    ) -> Vec<Measurement> {
        let mut all: Vec<Vec<Measurement>> = vec![Vec::new(); contenders.len() * points.len()];
        for round in 0..self.rounds {
            for (at_point, (case, connections)) in points.iter().enumerate() {
                for turn in 0..contenders.len() {
                    let who = (turn + round + at_point) % contenders.len();
                    let one = measure(upstream, &contenders[who], (*case, *connections), self.duration).await;
                    all[at_point * contenders.len() + who].push(one);
                }
            }
        }
        all.iter().map(|rounds| median_of(rounds)).collect()
    }

    /// All of them at the same rate. What neighbours and the load's own threads do shows in p99 more than anything else, and only ever
    /// adds to it: so there are more rounds, and the least p99 counts.
    pub(crate) fn steady_load(
        self,
        contenders: &[&Contender],
        case: &Case,
        per_second: f64,
    ) -> Vec<HalfLoad> {
        let mut all = vec![Vec::new(); contenders.len()];
        for round in 0..STEADY_ROUNDS * self.rounds {
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
                p99_us: rounds.iter().map(|one| one.p99_us).fold(f64::INFINITY, f64::min),
            })
            .collect()
    }
}

/// One point at one contender, once; again and longer, if the first time was too short.
pub(crate) async fn measure(
    upstream: &Upstream,
    contender: &Contender,
    point: Point,
    mut duration: Duration,
) -> Measurement {
    loop {
        let reason = match try_to_measure(upstream, contender, point, duration).await {
            Ok(measured) => return measured,
            Err(reason) => reason,
        };
        println!(
            "NOTE: {}, {}: {reason}; measured again, longer.",
            contender.name, point.0.name
        );
        duration *= 2;
        assert!(duration <= LONGEST, "the last run was long enough");
    }
}

/// Processor time is that of the middle of the run, as are the requests that the upstream counts meanwhile: making hundreds of
/// connections and closing them is no part of a request.
///
/// # Errors
/// What made the middle too short.
async fn try_to_measure(
    upstream: &Upstream,
    contender: &Contender,
    (case, connections): Point,
    duration: Duration,
) -> Result<Measurement, String> {
    let middle = async {
        let begun = Instant::now();
        sleep(duration / 4).await;
        all_connected(contender, connections, begun + duration / 2).await?;
        let before = Sample::take(upstream, contender).await;
        sleep((duration * 7 / 8).saturating_sub(begun.elapsed())).await;
        let after = Sample::take(upstream, contender).await;
        match after.at.duration_since(before.at) {
            middle if middle < duration / 4 => {
                Err(format!("only {middle:?} between two looks at the upstream"))
            }
            _ => Ok((before, after)),
        }
    };
    let (load, middle) = tokio::join!(load::full(contender, &case, connections, duration), middle);
    let (before, after) = middle?;
    let requests = after.requests.saturating_sub(before.requests) as f64 / case.counted_as();
    let each =
        |before: Duration, after: Duration| after.saturating_sub(before).as_secs_f64() * 1e6 / requests;
    let redis = before.redis_cpu.zip(after.redis_cpu);
    Ok(Measurement {
        case: case.name.to_owned(),
        connections,
        contender: contender.name.to_owned(),
        cpu_us: each(before.cpu, after.cpu),
        redis_cpu_us: redis.map(|(before, after)| each(before, after)),
        requests_per_second: load.per_second(),
        p50_us: load.p50_us,
        p99_us: load.p99_us,
    })
}

/// Waits until all connections are there. A listener with a short queue drops some of those that come in a burst, and the kernel
/// tries these again after one, three and seven seconds.
async fn all_connected(contender: &Contender, connections: u32, until: Instant) -> Result<(), String> {
    loop {
        let open = contender.connections();
        if open >= connections {
            return Ok(());
        }
        if Instant::now() >= until {
            return Err(format!(
                "{open} of {connections} connections after half of the run"
            ));
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Counters at one instant.
#[derive(Debug)]
struct Sample {
    at: Instant,
    requests: u64,
    cpu: Duration,
    redis_cpu: Option<Duration>,
}

impl Sample {
    async fn take(upstream: &Upstream, contender: &Contender) -> Self {
        let requests = upstream.requests().await;
        Self {
            at: Instant::now(),
            requests,
            cpu: contender.cpu(),
            redis_cpu: contender.redis_cpu(),
        }
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
