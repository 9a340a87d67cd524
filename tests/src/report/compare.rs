//! Says what has become slower than the committed figures.
//!
//! Machines and their neighbours differ, so what is compared are ratios to nginx of the same run. Processor time of one
//! build was seen to spread by up to 9 % around its middle on a busy machine; two such numbers make a ratio, so 15 % is
//! the least that tells a change from noise. Throughput is what neighbours leave over, and not at the same moment for both:
//! with 30 % it finds only what waits without working, which processor time cannot show.

use std::collections::BTreeSet;
use std::fmt;

use super::data::{BFF_EMBEDDED, BFF_REDIS, CASES, CONTENDERS, Measurement, NGINX, Results, title};

/// How much worse the ratio of processor times may be.
pub const CPU_TOLERANCE: f64 = 0.15;
/// How much worse the ratio of throughputs may be.
pub const THROUGHPUT_TOLERANCE: f64 = 0.30;

/// A ratio to nginx, as committed and in this run.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Case, connections and contender.
    pub what: String,
    /// `CPU` or `throughput`.
    pub measure: &'static str,
    /// The committed ratio.
    pub old: f64,
    /// The one of this run.
    pub new: f64,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = (self.new / self.old - 1.0) * 100.0;
        write!(
            f,
            "{}: {} {:.2} x nginx, was {:.2} ({percent:+.0} %)",
            self.what, self.measure, self.new, self.old
        )
    }
}

/// How a run compares with the committed figures.
#[derive(Debug, Default, PartialEq)]
pub struct Comparison {
    /// Worse than the tolerance.
    pub worse: Vec<Change>,
    /// Not worse.
    pub fine: Vec<Change>,
    /// Committed, and not in this run.
    pub not_measured: Vec<String>,
    /// In this run, and not committed.
    pub not_committed: Vec<String>,
}

impl Comparison {
    /// Whether the bench may end well. One that compared nothing may not.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.worse.is_empty() && !self.fine.is_empty()
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.not_measured {
            writeln!(f, "not measured: {name}")?;
        }
        for name in &self.not_committed {
            writeln!(f, "no committed figure: {name}")?;
        }
        for change in &self.fine {
            writeln!(f, "holds: {change}")?;
        }
        for change in &self.worse {
            writeln!(f, "WORSE: {change}")?;
        }
        match (self.worse.len(), self.fine.len()) {
            (0, 0) => writeln!(f, "Nothing could be compared."),
            (0, fine) => writeln!(f, "All of {fine} ratios hold."),
            (worse, fine) => writeln!(f, "{worse} of {} ratios are worse.", worse + fine),
        }
    }
}

/// Compares what of our own was measured both times.
#[must_use]
pub fn compare(committed: &Results, run: &Results) -> Comparison {
    let mut comparison = Comparison::default();
    for old in ours(committed) {
        match (Ratios::of(committed, old), same(run, old)) {
            (Some(before), Some(now)) => comparison.judge(&name(old), &before, &now),
            (Some(_), None) => comparison.not_measured.push(name(old)),
            (None, _) => comparison.not_committed.push(name(old)),
        }
    }
    let known: BTreeSet<_> = ours(committed).map(name).collect();
    let new = ours(run).map(name).filter(|name| !known.contains(name));
    comparison.not_committed.extend(new);
    comparison
}

impl Comparison {
    fn judge(&mut self, what: &str, before: &Ratios, now: &Ratios) {
        let change = |measure, old, new| Change {
            what: what.to_owned(),
            measure,
            old,
            new,
        };
        let cpu = change("CPU", before.cpu, now.cpu);
        let throughput = change("throughput", before.throughput, now.throughput);
        self.put(now.cpu > before.cpu * (1.0 + CPU_TOLERANCE), cpu);
        self.put(
            now.throughput < before.throughput * (1.0 - THROUGHPUT_TOLERANCE),
            throughput,
        );
    }

    fn put(&mut self, is_worse: bool, change: Change) {
        if is_worse {
            self.worse.push(change);
        } else {
            self.fine.push(change);
        }
    }
}

struct Ratios {
    cpu: f64,
    throughput: f64,
}

impl Ratios {
    fn of(results: &Results, measured: &Measurement) -> Option<Self> {
        let nginx = results.find(&measured.case, measured.connections, NGINX)?;
        Some(Self {
            cpu: measured.total_cpu_us() / nginx.total_cpu_us(),
            throughput: measured.requests_per_second / nginx.requests_per_second,
        })
    }
}

fn same(run: &Results, old: &Measurement) -> Option<Ratios> {
    let new = run.find(&old.case, old.connections, &old.contender)?;
    Ratios::of(run, new)
}

fn ours(results: &Results) -> impl Iterator<Item = &Measurement> {
    let of_ours = |measured: &&Measurement| [BFF_REDIS, BFF_EMBEDDED].contains(&measured.contender.as_str());
    results.measurements.iter().filter(of_ours)
}

fn name(measured: &Measurement) -> String {
    format!(
        "{} at {} connections, {}",
        title(&CASES, &measured.case),
        measured.connections,
        title(&CONTENDERS, &measured.contender)
    )
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn ours_at_32(results: &mut Results) -> &mut Measurement {
        let mut all = results.measurements.iter_mut();
        all.find(|measured| measured.contender == BFF_REDIS && measured.connections == 32)
            .expect("it is in the sample")
    }

    #[test]
    fn a_run_that_is_like_the_committed_one_holds() {
        let comparison = compare(&sample::results(), &sample::results());

        assert!(comparison.holds());
        assert_eq!(comparison.fine.len(), 4, "{comparison}");
        assert!(comparison.not_measured.is_empty() && comparison.not_committed.is_empty());
    }

    #[test]
    fn a_machine_half_as_fast_changes_nothing() {
        let mut run = sample::results();
        for measured in &mut run.measurements {
            measured.cpu_us *= 2.0;
            measured.redis_cpu_us = measured.redis_cpu_us.map(|us| us * 2.0);
            measured.requests_per_second /= 2.0;
        }

        assert!(compare(&sample::results(), &run).holds());
    }

    #[test]
    fn processor_time_beyond_the_tolerance_is_named_with_both_ratios() {
        let mut run = sample::results();
        ours_at_32(&mut run).cpu_us = 32.0;

        let comparison = compare(&sample::results(), &run);

        assert!(!comparison.holds());
        let text = comparison.to_string();
        assert!(
            text.contains(
                "WORSE: GET small at 32 connections, Cloakroom, Redis: CPU 1.65 x nginx, was 1.30 (+27 %)"
            ),
            "{text}"
        );
        assert!(text.ends_with("1 of 4 ratios are worse.\n"), "{text}");
    }

    #[test]
    fn processor_time_that_moved_to_redis_is_found() {
        let mut run = sample::results();
        ours_at_32(&mut run).redis_cpu_us = Some(6.0);

        assert_eq!(compare(&sample::results(), &run).worse.len(), 1);
    }

    #[test]
    fn waiting_that_takes_no_processor_time_is_found() {
        let mut run = sample::results();
        ours_at_32(&mut run).requests_per_second *= 0.6;

        let comparison = compare(&sample::results(), &run);

        assert_eq!(comparison.worse.len(), 1);
        assert_eq!(comparison.worse[0].measure, "throughput");
    }

    #[test]
    fn just_within_the_tolerance_holds() {
        let mut run = sample::results();
        ours_at_32(&mut run).cpu_us = 25.0 * 1.14;
        ours_at_32(&mut run).requests_per_second *= 0.71;

        assert!(compare(&sample::results(), &run).holds());
    }

    #[test]
    fn what_only_one_of_them_has_is_named() {
        let mut run = sample::results();
        run.measurements.retain(|measured| measured.connections == 32);
        let mut committed = sample::results();
        committed
            .measurements
            .retain(|measured| measured.connections == 256);
        let both = sample::results();

        assert_eq!(
            compare(&both, &run).not_measured,
            ["GET small at 256 connections, Cloakroom, Redis"]
        );
        assert_eq!(
            compare(&committed, &both).not_committed,
            ["GET small at 32 connections, Cloakroom, Redis"]
        );
    }

    #[test]
    fn a_run_without_nginx_compares_nothing_and_fails() {
        let mut run = sample::results();
        run.measurements.retain(|measured| measured.contender != NGINX);

        let comparison = compare(&sample::results(), &run);

        assert!(!comparison.holds());
        assert_eq!(comparison.not_measured.len(), 2);
        assert!(comparison.to_string().ends_with("Nothing could be compared.\n"));
    }
}
