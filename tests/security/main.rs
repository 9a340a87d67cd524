//! What must not pass, and what must: one test for each line of the checklists that standards and other people's faults ask
//! for. Its number begins the name; the upstream's own record says what it did and did not receive.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a story reports what is wrong by failing the test"
)]

mod websockets;
