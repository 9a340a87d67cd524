//! What the BFF must reach and aims at, judged by what was measured.

use super::data::{
    BFF_REDIS, CASES, DOWNLOAD_GROWTH, IDLE_MEMORY, KnownFact, MOD_AUTH_OPENIDC, Measurement, NGINX,
    REDIS_COMMANDS, Results, SMALL_GET, TWO_WORKERS, TWO_WORKERS_OF_NGINX, UPLOAD_GROWTH, title,
};

/// How far two rates may differ and still be one load.
const SAME_RATE: f64 = 0.03;

/// A limit on one side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// Less is better.
    AtMost(f64),
    /// More is better.
    AtLeast(f64),
}

impl Bound {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }

    /// Of two figures the one that is harder to defend.
    fn worse(self, one: f64, other: f64) -> bool {
        match self {
            Self::AtMost(_) => one > other,
            Self::AtLeast(_) => one < other,
        }
    }
}

/// What was measured for a target.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// In the unit of the target.
    pub value: f64,
    /// Under which load, and what stands beside it.
    pub note: String,
}

/// A target and how it turned out.
#[derive(Debug)]
pub struct Target {
    /// What is judged.
    pub what: String,
    /// What the numbers count.
    pub unit: &'static str,
    /// Without it the BFF is not what it is meant to be.
    pub must: Bound,
    /// Where it shall go.
    pub aim: Option<Bound>,
    /// Nothing, if it was not measured.
    pub figure: Option<Figure>,
}

/// How a bound turned out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is kept.
    Met,
    /// It is not.
    Missed,
    /// Nobody knows.
    NotMeasured,
}

impl Target {
    /// Judges one of the target's bounds by the figure as it was measured, not as it is rounded.
    #[must_use]
    pub fn verdict(&self, bound: Bound) -> Verdict {
        match &self.figure {
            None => Verdict::NotMeasured,
            Some(figure) if bound.is_met_by(figure.value) => Verdict::Met,
            Some(_) => Verdict::Missed,
        }
    }
}

/// All targets, in the order of the page.
#[must_use]
pub fn targets(results: &Results) -> Vec<Target> {
    let mut all = vec![
        to_nginx(
            results,
            SMALL_GET,
            "CPU of a small GET, signed in, warm, on Redis",
        ),
        throughput(results),
        added_latency(results, "p50", 100.0, |load| load.p50_us),
        added_latency(results, "p99", 500.0, |load| load.p99_us),
    ];
    for case in ["get-64k", "get-1m", "post-64k", "post-1m"] {
        all.push(to_nginx(
            results,
            case,
            &format!("CPU of {}", title(&CASES, case)),
        ));
    }
    all.push(fact(
        results,
        &IDLE_MEMORY,
        Bound::AtMost(100.0),
        Some(Bound::AtMost(60.0)),
    ));
    all.push(fact(results, &DOWNLOAD_GROWTH, Bound::AtMost(16.0), None));
    all.push(fact(results, &UPLOAD_GROWTH, Bound::AtMost(16.0), None));
    all.push(two_workers(results));
    all.push(fact(results, &REDIS_COMMANDS, Bound::AtMost(0.05), None));
    all
}

fn to_nginx(results: &Results, case: &str, what: &str) -> Target {
    let must = Bound::AtMost(1.5);
    let ratio = |ours: &Measurement, nginx: &Measurement| ours.total_cpu_us() / nginx.total_cpu_us();
    let worst = worst(results, case, NGINX, must, ratio);
    Target {
        what: what.to_owned(),
        unit: "x nginx",
        must,
        aim: Some(Bound::AtMost(1.0)),
        figure: worst.map(|(value, level)| Figure {
            value,
            note: format!("{level} connections"),
        }),
    }
}

fn throughput(results: &Results) -> Target {
    let must = Bound::AtLeast(12.0);
    let ratio =
        |ours: &Measurement, theirs: &Measurement| ours.requests_per_second / theirs.requests_per_second;
    let worst = worst(results, SMALL_GET, MOD_AUTH_OPENIDC, must, ratio);
    let figure = worst.and_then(|(value, level)| {
        let ours = results.find(SMALL_GET, level, BFF_REDIS)?;
        let theirs = results.find(SMALL_GET, level, MOD_AUTH_OPENIDC)?;
        let cpu = theirs.total_cpu_us() / ours.total_cpu_us();
        Some(Figure {
            value,
            note: format!("{level} connections; its CPU is {cpu:.1} x ours"),
        })
    });
    Target {
        what: "throughput of small GETs, on Redis".to_owned(),
        unit: "x mod_auth_openidc",
        must,
        aim: Some(Bound::AtLeast(16.0)),
        figure,
    }
}

/// The worst level of a case decides.
fn worst(
    results: &Results,
    case: &str,
    base: &str,
    bound: Bound,
    ratio: impl Fn(&Measurement, &Measurement) -> f64,
) -> Option<(f64, u32)> {
    let at = |level: u32| {
        let ours = results.find(case, level, BFF_REDIS)?;
        Some((ratio(ours, results.find(case, level, base)?), level))
    };
    let ratios = results.levels(case).into_iter().filter_map(at);
    ratios.reduce(|one, other| if bound.worse(other.0, one.0) { other } else { one })
}

fn added_latency(
    results: &Results,
    quantile: &str,
    must: f64,
    of: impl Fn(&super::data::HalfLoad) -> f64,
) -> Target {
    let find = |contender: &str| results.half_load.iter().find(|load| load.contender == contender);
    // Who answered fewer requests than the other had another load.
    let both = find(BFF_REDIS).zip(find(NGINX)).filter(|(ours, nginx)| {
        (ours.requests_per_second / nginx.requests_per_second - 1.0).abs() <= SAME_RATE
    });
    let figure = both.map(|(ours, nginx)| Figure {
        value: of(ours) - of(nginx),
        note: format!("{:.0} after {:.0}", of(ours), of(nginx)),
    });
    Target {
        what: format!("latency added to nginx's at half load, {quantile}"),
        unit: "µs",
        must: Bound::AtMost(must),
        aim: Some(Bound::AtMost(0.0)),
        figure,
    }
}

fn fact(results: &Results, known: &'static KnownFact, must: Bound, aim: Option<Bound>) -> Target {
    let found = results.facts.iter().find(|fact| fact.name == known.name);
    Target {
        what: known.name.to_owned(),
        unit: known.unit,
        must,
        aim,
        figure: found.map(|fact| Figure {
            value: fact.value,
            note: String::new(),
        }),
    }
}

/// nginx's stands beside it.
fn two_workers(results: &Results) -> Target {
    let mut target = fact(results, &TWO_WORKERS, Bound::AtLeast(1.8), None);
    let mut facts = results.facts.iter();
    let nginx = facts.find(|fact| fact.name == TWO_WORKERS_OF_NGINX.name);
    if let (Some(figure), Some(nginx)) = (&mut target.figure, nginx) {
        figure.note = format!("nginx: {:.2} x", nginx.value);
    }
    target
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn find(results: &Results, what: &str) -> Target {
        let mut found = targets(results)
            .into_iter()
            .filter(|target| target.what.contains(what));
        let target = found.next().expect("a target");
        assert!(found.next().is_none(), "two targets with {what}");
        target
    }

    #[test]
    fn redis_counts_and_the_worst_level_decides() {
        let results = sample::results();

        let target = find(&results, "CPU of a small GET");

        // 30 at the BFF and 2 at Redis to 20 at nginx; with 32 connections 26 to 20.
        let figure = target.figure.clone().expect("a figure");
        assert!((figure.value - 1.6).abs() < 1e-9, "{figure:?}");
        assert_eq!(figure.note, "256 connections");
        assert_eq!(target.verdict(target.must), Verdict::Missed);
    }

    #[test]
    fn the_lowest_throughput_decides_and_shows_the_cpu_beside_it() {
        let target = find(&sample::results(), "throughput of small GETs");

        let figure = target.figure.clone().expect("a figure");
        assert!((figure.value - 14.0).abs() < 1e-9, "{figure:?}");
        assert_eq!(figure.note, "32 connections; its CPU is 16.0 x ours");
        assert_eq!(target.verdict(target.must), Verdict::Met);
        assert_eq!(target.verdict(target.aim.expect("an aim")), Verdict::Missed);
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        let mut results = sample::results();
        results.facts.clear();

        for what in ["idle signed-in", "2 GB go down", "GET 1 MB"] {
            let target = find(&results, what);
            assert_eq!(target.verdict(target.must), Verdict::NotMeasured, "{what}");
        }
    }

    #[test]
    fn a_limit_that_is_just_reached_is_met_and_just_missed_is_missed_by_what_is_rounded_away() {
        let judge = |value: f64| {
            let mut results = sample::results();
            results.facts = vec![TWO_WORKERS.is(value)];
            let target = find(&results, "two workers");
            target.verdict(target.must)
        };

        assert_eq!(judge(1.8), Verdict::Met);
        assert_eq!(judge(1.7999), Verdict::Missed);
    }

    #[test]
    fn latency_is_what_is_added_to_nginx() {
        let target = find(&sample::results(), "half load, p50");

        assert!((target.figure.as_ref().expect("a figure").value - 60.0).abs() < 1e-9);
        assert_eq!(target.verdict(target.must), Verdict::Met);
        assert_eq!(target.verdict(target.aim.expect("an aim")), Verdict::Missed);
    }

    #[test]
    fn latencies_under_different_loads_are_not_compared() {
        let mut results = sample::results();
        results.half_load[1].requests_per_second *= 0.9;

        let target = find(&results, "half load, p50");

        assert_eq!(target.verdict(target.must), Verdict::NotMeasured);
    }
}
