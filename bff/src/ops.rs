//! Running the program: health endpoints, metrics, log, and what operators do to sessions.

pub mod admin;
pub mod endpoint;
pub mod log;
pub mod metrics;
