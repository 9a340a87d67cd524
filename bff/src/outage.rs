//! When the log is told that something does not work: once for each cause, and once when it works again.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// More causes than this of one outage are not told.
const CAUSES: usize = 16;

/// Whether something works. While it does, asking costs next to nothing.
#[derive(Debug)]
pub struct Outage {
    /// How long nothing may fail before that is called the end.
    steady: Duration,
    /// As in `under_way`, so that nobody waits for each other while all is well.
    is_out: AtomicBool,
    under_way: Mutex<Option<UnderWay>>,
}

#[derive(Debug)]
struct UnderWay {
    since: Instant,
    last_failure: Instant,
    works_since: Option<Instant>,
    causes: HashSet<String>,
}

impl Outage {
    /// What works until the first failure. Where some calls fail and others do not, `steady` keeps them from being told
    /// as one outage each.
    #[must_use]
    pub fn new(steady: Duration) -> Self {
        Self {
            steady,
            is_out: AtomicBool::new(false),
            under_way: Mutex::default(),
        }
    }

    /// It failed. Whether the log is to be told: this is the first time, or has another cause than before.
    #[must_use]
    pub fn failed(&self, now: Instant, cause: &str) -> bool {
        let mut under_way = self.held();
        let outage = under_way.get_or_insert_with(|| UnderWay {
            since: now,
            last_failure: now,
            works_since: None,
            causes: HashSet::new(),
        });
        outage.last_failure = now;
        outage.works_since = None;
        self.is_out.store(true, Ordering::Relaxed);
        outage.causes.len() < CAUSES && outage.causes.insert(cause.to_owned())
    }

    /// It worked. How long it did not, if the log is to be told that this is over.
    #[must_use]
    pub fn worked(&self, now: Instant) -> Option<Duration> {
        if !self.is_out.load(Ordering::Relaxed) {
            return None;
        }
        let mut under_way = self.held();
        let outage = under_way.as_mut()?;
        let works_since = *outage.works_since.get_or_insert(now);
        if now.saturating_duration_since(outage.last_failure) < self.steady {
            return None;
        }
        let lasted = works_since.saturating_duration_since(outage.since);
        *under_way = None;
        self.is_out.store(false, Ordering::Relaxed);
        Some(lasted)
    }

    fn held(&self) -> MutexGuard<'_, Option<UnderWay>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_outage_is_told_once_for_each_cause_and_its_end_once() {
        let outage = Outage::new(Duration::ZERO);
        let began = Instant::now();
        assert_eq!(outage.worked(began), None);
        assert!(outage.failed(began, "refused"));
        assert!(!outage.failed(began + SECOND, "refused"));
        assert!(outage.failed(began + SECOND, "silent"));
        assert!(!outage.failed(began + SECOND, "refused"));

        assert_eq!(outage.worked(began + 7 * SECOND), Some(7 * SECOND));
        assert_eq!(outage.worked(began + 8 * SECOND), None);
        assert!(
            outage.failed(began + 9 * SECOND, "refused"),
            "the next outage is another one"
        );
    }

    #[test]
    fn where_only_some_calls_fail_it_is_one_outage() {
        let outage = Outage::new(5 * SECOND);
        let began = Instant::now();
        assert!(outage.failed(began, ""));
        for second in 1..100 {
            let now = began + second * SECOND;
            assert_eq!(outage.worked(now), None);
            assert!(!outage.failed(now, ""));
        }
        assert_eq!(outage.worked(began + 100 * SECOND), None);
        assert_eq!(outage.worked(began + 103 * SECOND), None);
        assert_eq!(outage.worked(began + 104 * SECOND), Some(100 * SECOND));
    }

    #[test]
    fn causes_that_never_repeat_do_not_fill_the_log() {
        let outage = Outage::new(Duration::ZERO);
        let now = Instant::now();
        let told = (0..1_000).filter(|number| outage.failed(now, &number.to_string()));
        assert_eq!(told.count(), CAUSES);
    }
}
