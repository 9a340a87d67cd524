//! What status lists cost a resource server, and how soon a logged-out token is refused.
//!
//! `cargo bench --workspace --bench revocation [-- LOGOUTS]`. A list of 2^20 grants, of which 1,000,000 are in use. How to
//! read the tables: `docs/benchmarks.md`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench prints its tables, and what fails ends it"
)]

mod checks;
mod lists;
mod logouts;
mod looks;

const LOGOUTS: usize = 100;

fn main() {
    // cargo adds `--bench`.
    let logouts = std::env::args().find_map(|argument| argument.parse().ok());
    e2e::story::run(async {
        checks::measure().await;
        looks::measure().await;
        logouts::measure(logouts.unwrap_or(LOGOUTS)).await;
    });
}
