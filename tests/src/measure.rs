//! What benches make of what they saw: `wrk`'s own account of a run, and medians.

use serde::Deserialize;

/// A script's end by which `wrk` tells what it found as JSON, in a line that [`Told::read`] knows.
pub const WRK_TELLS: &str = r#"
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'found {"requests":%d,"microseconds":%d,"bytes":%.0f,"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration, summary.bytes, errors.connect, errors.read, errors.write, errors.timeout,
    errors.status, latency:percentile(50), latency:percentile(99)))
end
"#;

/// A run of `wrk`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Told {
    /// Answers, whatever they were.
    pub requests: f64,
    /// How long it took.
    pub microseconds: f64,
    /// Of all answers, with their heads.
    pub bytes: f64,
    /// Half of the answers came sooner.
    pub p50_us: f64,
    /// One in a hundred came later.
    pub p99_us: f64,
    connect: f64,
    read: f64,
    write: f64,
    timeout: f64,
    status: f64,
}

impl Told {
    /// Finds it in what `wrk` printed.
    ///
    /// # Errors
    /// If it is not there, if anything failed, or if nothing was answered: a run with errors is no measurement.
    pub fn read(printed: &str) -> Result<Self, String> {
        let found = printed.lines().rev().find_map(|line| line.strip_prefix("found "));
        let found = found.ok_or_else(|| format!("wrk says nothing: {printed}"))?;
        let told: Self = serde_json::from_str(found).map_err(|error| format!("{error}: {found}"))?;
        let faults = [
            ("connect", told.connect),
            ("read", told.read),
            ("write", told.write),
            ("timeout", told.timeout),
            ("status", told.status),
        ];
        for (fault, count) in faults {
            if count != 0.0 {
                return Err(format!("{fault} errors: {found}"));
            }
        }
        if told.requests <= 0.0 || told.microseconds <= 0.0 {
            return Err(format!("nothing was answered: {found}"));
        }
        Ok(told)
    }

    /// Answers a second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.requests / (self.microseconds / 1e6)
    }
}

/// The middle one; of an even number the mean of the two in the middle.
///
/// # Panics
/// When there is none.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    assert!(!sorted.is_empty(), "nothing was measured");
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    }
}

/// How likely two series are to differ as much as these by chance alone, if they came from one distribution: the two-sided p of
/// Mann and Whitney, by the normal approximation with its correction for ties. Meant for dozens of values and more.
///
/// # Panics
/// When a series is empty.
#[must_use]
pub fn mann_whitney(one: &[f64], other: &[f64]) -> f64 {
    assert!(!one.is_empty() && !other.is_empty(), "nothing was measured");
    let mut all: Vec<(f64, bool)> = one.iter().map(|value| (*value, true)).collect();
    all.extend(other.iter().map(|value| (*value, false)));
    all.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let count = |number: usize| u32::try_from(number).map_or(f64::NAN, f64::from);
    let (mut rank, mut ranks_of_one, mut ties) = (0.0, 0.0, 0.0);
    for equal in all.chunk_by(|(one, _), (other, _)| one.total_cmp(other).is_eq()) {
        let number = count(equal.len());
        let of_one = count(equal.iter().filter(|(_, is_one)| *is_one).count());
        ranks_of_one += of_one * (rank + f64::midpoint(1.0, number));
        rank += number;
        ties += number.powi(3) - number;
    }
    let (m, n) = (count(one.len()), count(other.len()));
    let total = m + n;
    let u = ranks_of_one - m * (m + 1.0) / 2.0;
    let variance = m * n / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    // Half a step towards the middle: U is a whole number, the normal distribution is not.
    let distance = ((u - m * n / 2.0).abs() - 0.5).max(0.0);
    upper_tail(distance / variance.sqrt()) * 2.0
}

/// How likely a standard normal value is to be beyond `z >= 0` (Abramowitz and Stegun 26.2.17; the error is below 1e-7).
fn upper_tail(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let series = [
        1.330_274_429,
        -1.821_255_978,
        1.781_477_937,
        -0.356_563_782,
        0.319_381_53,
    ];
    let polynomial = series.iter().fold(0.0, |sum, factor| (sum + factor) * t);
    (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() * polynomial
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(changed: (&str, &str)) -> String {
        let found = "found {\"requests\":30000,\"microseconds\":2000000,\"bytes\":9000000,\"connect\":0,\"read\":0,\
                     \"write\":0,\"timeout\":0,\"status\":0,\"p50_us\":900,\"p99_us\":4000}";
        format!("Running 2s test\n  1 threads and 32 connections\n{found}\n").replace(changed.0, changed.1)
    }

    #[test]
    fn what_wrk_tells_is_found_among_what_it_prints() {
        let told = Told::read(&printed(("", ""))).expect("a sound run");

        assert_eq!(
            (told.requests, told.p50_us, told.p99_us),
            (30_000.0, 900.0, 4_000.0)
        );
        assert_eq!(told.per_second(), 15_000.0);
    }

    #[test]
    fn a_run_with_any_error_is_no_measurement() {
        for fault in ["connect", "read", "write", "timeout", "status"] {
            let one = (format!("\"{fault}\":0"), format!("\"{fault}\":1"));
            let refused = Told::read(&printed((&one.0, &one.1))).expect_err("a refusal");
            assert!(refused.starts_with(&format!("{fault} errors")), "{refused}");
        }
    }

    #[test]
    fn silence_and_idleness_are_no_measurement() {
        let idle = printed(("30000", "0"));
        let short = printed(("\"p99_us\"", "\"other\""));

        for text in [idle.as_str(), short.as_str(), "unable to connect", ""] {
            Told::read(text).expect_err("a refusal");
        }
    }

    #[test]
    fn the_script_tells_all_that_is_read() {
        let line = WRK_TELLS
            .lines()
            .find_map(|line| line.trim().strip_prefix('\'')?.strip_suffix("\\n',"))
            .expect("a format");

        let of_one = line.replace("%.0f", "1").replace("%d", "0");
        let of_one = of_one.replace(
            "\"requests\":0,\"microseconds\":0",
            "\"requests\":1,\"microseconds\":1",
        );
        Told::read(&of_one).expect("a sound run");
    }

    #[test]
    fn a_median_is_the_middle_whatever_the_order() {
        assert_eq!(median([9.0, 1.0, 3.0].into_iter()), 3.0);
        assert_eq!(median([4.0, 1.0, 2.0, 100.0].into_iter()), 3.0);
        assert_eq!(median([7.0].into_iter()), 7.0);
    }

    #[test]
    fn what_is_alike_differs_by_chance_and_what_is_apart_does_not() {
        let series = |offset: f64| (0..200).map(|n| f64::from(n % 20) + offset).collect::<Vec<_>>();
        let close =
            |found: f64, expected: f64| assert!((found - expected).abs() < 1e-3, "{found} {expected}");
        close(mann_whitney(&series(0.0), &series(0.0)), 1.0);
        assert!(mann_whitney(&series(0.0), &series(10.0)) < 1e-6);
        assert!(mann_whitney(&series(10.0), &series(0.0)) < 1e-6);
        close(mann_whitney(&[1.0; 5], &[1.0; 7]), 1.0);
        // Reckoned apart, with an exact tail: U is 2 of 30, with two pairs of ties.
        close(
            mann_whitney(&[1.0, 2.0, 3.0, 4.0, 5.0], &[4.0, 5.0, 6.0, 7.0, 8.0, 9.0]),
            0.0219,
        );
        close(upper_tail(1.96), 0.025);
    }
}
