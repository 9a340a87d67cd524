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
}
