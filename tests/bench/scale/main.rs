//! What a million sessions cost: bytes at rest, logins, lookups and refreshes at the store, memory of the BFF.
//!
//! `cargo bench --workspace --bench scale [-- SESSIONS]`. The library does the work, on a real Redis and on the embedded
//! store; there is no HTTP and no provider here, see the bench `cluster` for those. How to read the tables:
//! `docs/benchmarks.md`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints its tables, and what fails ends it"
)]

mod churn;
mod levels;
mod lookups;
mod memory;
mod meter;
mod table;

use std::time::Instant;

use bff::session::key_ring::{KeyName, KeyRing};
use e2e::redis::Redis;

use e2e::sessions::Place;

const DEFAULT_SESSIONS: usize = 1_000_000;
const FEWEST_SESSIONS: usize = 1_000;

fn main() {
    // cargo adds `--bench`.
    let arguments: Vec<_> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    if let [word, place, max_bytes] = arguments.as_slice()
        && word == memory::CHILD
    {
        let max_bytes = max_bytes.parse().expect("a number of bytes");
        e2e::story::run(memory::measure_here(Place::parse(place), max_bytes));
        return;
    }
    let sessions = match arguments.as_slice() {
        [] => DEFAULT_SESSIONS,
        [sessions] => sessions.parse().expect("a number of sessions"),
        _ => panic!("scale [SESSIONS]"),
    };
    assert!(
        sessions >= FEWEST_SESSIONS,
        "fewer sessions than that tell nothing"
    );
    e2e::story::run(measure(sessions));
}

async fn measure(sessions: usize) {
    let begun = Instant::now();
    let name = KeyName::parse("k1").expect("a name");
    let ring = KeyRing::generate(&name).to_string();

    // Where the build is: a temporary folder may be in memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder for the stores");
    let file = folder.path().join("sessions.redb");
    println!("## Embedded store\n");
    levels::measure(&Place::File(file.clone()), &ring, sessions, None).await;
    std::fs::remove_file(file).expect("the store is closed");

    println!("## Embedded store: does the file grow when sessions come and go?\n");
    churn::measure(folder.path(), &ring, sessions / 10).await;

    let redis = redis().await;
    println!("## Redis\n");
    levels::measure(&Place::Redis(redis.url()), &ring, sessions, Some(&redis)).await;
    println!("Took {} s.", begun.elapsed().as_secs());
}

/// A Redis that loses a second at most, as one would run it for sessions. Its log of writes is not rewritten meanwhile, so
/// that every level is measured alike.
async fn redis() -> Redis {
    let redis = Redis::start().await;
    for (name, value) in [("appendfsync", "everysec"), ("auto-aof-rewrite-percentage", "0")] {
        redis.command(&["CONFIG", "SET", name, value]).await;
    }
    redis
}
