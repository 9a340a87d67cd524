//! The checks that standards and other people's faults ask for, one test each; its name begins with the number of the check.
//!
//! Raw sockets where a client library would hide the fault; what the upstream wrote down proves what it did and did not get.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a check reports what is wrong by failing the test"
)]

mod csrf;
mod forward_auth;
mod spa;
