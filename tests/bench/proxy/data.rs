//! What is measured.

/// One case at one contender: medians over the rounds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measurement {
    /// Such as `get-small` or `post-1m`.
    pub(crate) case: String,
    pub(crate) connections: u32,
    pub(crate) contender: String,
    /// Processor time of the contender's processes for each request.
    pub(crate) cpu_us: f64,
    /// The same of its Redis, if it has one.
    pub(crate) redis_cpu_us: Option<f64>,
    pub(crate) requests_per_second: f64,
    /// Latency at full load.
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// Latency at a rate that is the same for all.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HalfLoad {
    pub(crate) contender: String,
    pub(crate) requests_per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// What a number of workers does with small GETs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Workers {
    pub(crate) workers: u32,
    pub(crate) requests_per_second: f64,
    pub(crate) cpu_us: f64,
    /// Processor time of load and upstream for each request.
    pub(crate) others_us: f64,
    /// How much of the work the busiest worker did.
    pub(crate) busiest_share: f64,
}

/// Commands that a contender sent to its Redis for each request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RedisCommands {
    pub(crate) contender: String,
    pub(crate) per_request: f64,
}
