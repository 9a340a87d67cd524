//! Running the program: health endpoints and log.

pub mod endpoint;
pub mod log;
