//! Clocks, processor time and memory.

use std::time::{Duration, Instant};

use e2e::process::cpu;
use e2e::redis::Redis;

/// The processor time of this process.
pub(crate) fn own_cpu() -> Duration {
    // The kernel adds up what a thread took when it stops running.
    std::thread::yield_now();
    cpu(std::process::id())
}

async fn redis_cpu(redis: Option<&Redis>) -> Duration {
    let Some(redis) = redis else {
        return Duration::ZERO;
    };
    let user: f64 = redis.info("cpu", "used_cpu_user").await;
    let system: f64 = redis.info("cpu", "used_cpu_sys").await;
    Duration::from_secs_f64(user + system)
}

/// What a number of equal steps took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) steps: usize,
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    pub(crate) redis_cpu: Duration,
}

impl Cost {
    pub(crate) async fn of<T>(
        redis: Option<&Redis>,
        steps: usize,
        work: impl Future<Output = T>,
    ) -> (Self, T) {
        let redis_before = redis_cpu(redis).await;
        let (begun, before) = (Instant::now(), own_cpu());
        let done = work.await;
        let cost = Self {
            steps,
            wall: begun.elapsed(),
            cpu: own_cpu().saturating_sub(before),
            redis_cpu: redis_cpu(redis).await.saturating_sub(redis_before),
        };
        (cost, done)
    }

    /// The sum of two.
    pub(crate) fn and(self, other: Option<Self>) -> Self {
        match other {
            None => self,
            Some(other) => Self {
                steps: self.steps + other.steps,
                wall: self.wall + other.wall,
                cpu: self.cpu + other.cpu,
                redis_cpu: self.redis_cpu + other.redis_cpu,
            },
        }
    }

    pub(crate) fn a_second(&self) -> String {
        super::table::grouped((self.steps as f64 / self.wall.as_secs_f64()).round() as u128)
    }

    pub(crate) fn cpu_each(&self) -> f64 {
        microseconds(self.cpu) / self.steps as f64
    }

    pub(crate) fn redis_cpu_each(&self) -> f64 {
        microseconds(self.redis_cpu) / self.steps as f64
    }
}

/// How long single steps took, one after the other.
#[derive(Debug)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn new(mut each: Vec<Duration>) -> Self {
        each.sort();
        Self(each)
    }

    pub(crate) fn p50_and_p99(&self) -> String {
        format!("{:.0} / {:.0}", self.at(0.5), self.at(0.99))
    }

    /// In microseconds.
    pub(crate) fn at(&self, share: f64) -> f64 {
        microseconds(self.0[((self.0.len() - 1) as f64 * share).round() as usize])
    }
}

pub(crate) fn microseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
