//! What verifying an access token costs: a new one beside the bare signature check, npm `jose` and plain `jsonwebtoken`; one that
//! was seen before; and whether readers stall while the keys are renewed.
//!
//! `cargo bench -p resource-server --bench verify [-- TURNS]`. The contenders take short turns, so that
//! what else the machine does meets all of them alike. How to read the tables: `docs/benchmarks.md`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints its tables, and what fails ends it"
)]

mod fresh;
mod jose;
mod repeated;
mod rounds;
mod stalls;
mod token;

use token::{Issuer, Kind};

/// Of each contender. Readers are watched for as many milliseconds in each case.
const TURNS: usize = 3_000;

fn main() {
    // cargo adds `--bench`.
    let turns = std::env::args().find_map(|argument| argument.parse().ok());
    let turns = turns.unwrap_or(TURNS);
    println!("## A new token\n");
    for kind in Kind::ALL {
        fresh::measure(&Issuer::generate(kind), turns);
    }
    println!("## A token that was seen before\n");
    repeated::measure(&Issuer::generate(Kind::Es256), turns);
    println!("## Readers while keys are renewed\n");
    stalls::measure(&Issuer::generate(Kind::Es256), turns);
}
