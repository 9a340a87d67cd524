//! Running the program: health endpoints, metrics and log.

pub mod endpoint;
pub mod log;
pub mod metrics;
