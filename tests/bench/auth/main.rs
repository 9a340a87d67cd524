//! Our auth server beside npm `oidc-provider`: refreshes and client credentials a second on one core, memory, and what a flood
//! of sign-ins does to those who are signed in.
//!
//! `cargo bench --workspace --bench auth [-- SECONDS [ROUNDS]]`. Both run in this run and in turns, each on a core of its own,
//! asked by the same load from the other cores, with the same keys (ES256) and the same kinds of tokens: an access token that
//! is a JWT, an ID token, and a new refresh token each time. How to read the tables: `docs/benchmarks.md`.
//!
//! `AUTH_SERVER_BINARY` names another auth server than `target/release/auth-server`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints its tables, and what fails ends it"
)]

mod contender;
mod flood;
mod grants;
mod load;
mod sign_in;

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use e2e::cores;
use e2e::measure::median;
use e2e::process;

use self::contender::{Contender, Durability};
use self::grants::{Grant, Round};

/// Grants that are used at the same time.
const AT_ONCE: usize = 64;

fn main() {
    // cargo adds `--bench`.
    let mut numbers = std::env::args().filter_map(|argument| argument.parse().ok());
    let seconds = Duration::from_secs(numbers.next().unwrap_or(4));
    let rounds = numbers.next().unwrap_or(5);
    cores::step_aside();
    e2e::story::run(measure(seconds, rounds));
}

async fn measure(length: Duration, rounds: u64) {
    let mut contenders = vec![
        Contender::ours(Durability::Full).await,
        Contender::ours(Durability::Normal).await,
        Contender::foreign().await,
    ];
    let idle: Vec<u64> = contenders
        .iter()
        .map(|contender| process::resident_bytes(contender.pid))
        .collect();
    for contender in &mut contenders {
        contender.sign_in(AT_ONCE).await;
    }
    rates(&contenders, length, rounds).await;
    println!(
        "\nOf our processor time {:.1} µs are one ES256 signature: client credentials take one, a refresh two.",
        signature_us()
    );

    println!("\n## Memory, in MB\n\n| | idle | after all that |\n|---|---:|---:|");
    for (contender, idle) in contenders.iter().zip(idle) {
        let now = process::resident_bytes(contender.pid);
        println!(
            "| {} | {} | {} |",
            contender.name,
            megabytes(idle),
            megabytes(now)
        );
    }
    drop(contenders);
    flood::measure(length, rounds).await;
}

async fn rates(contenders: &[Contender], length: Duration, rounds: u64) {
    println!(
        "## Grants on one core, {AT_ONCE} at once; medians of {rounds} rounds of {} s\n",
        length.as_secs()
    );
    println!(
        "| grant | | a second | x npm oidc-provider | CPU µs each | p99 ms |\n|---|---|---:|---:|---:|---:|"
    );
    for grant in [Grant::Refresh, Grant::ClientCredentials] {
        let mut seen: Vec<Vec<Round>> = contenders.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            for (contender, rounds) in contenders.iter().zip(&mut seen) {
                rounds.push(grants::round(contender, grant, length).await);
            }
        }
        let rate = |rounds: &[Round]| median(rounds.iter().map(|round| round.per_second));
        let yardstick = rate(seen.last().expect("somebody to compare with"));
        for (contender, rounds) in contenders.iter().zip(&seen) {
            println!(
                "| {} | {} | {:.0} | {:.1} | {:.0} | {:.1} |",
                grant.name(),
                contender.name,
                rate(rounds),
                rate(rounds) / yardstick,
                median(rounds.iter().map(|round| round.cpu_us)),
                median(rounds.iter().map(|round| round.p99_ms)),
            );
        }
    }
}

/// What nobody who signs such a token with this library can do without: the median of many batches.
fn signature_us() -> f64 {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let (random, message) = (SystemRandom::new(), [b'x'; 600]);
    median((0..100).map(|_| {
        let began = Instant::now();
        for _ in 0..100 {
            black_box(key.sign(&random, black_box(&message)).expect("a signature"));
        }
        began.elapsed().as_secs_f64() * 1e6 / 100.0
    }))
}

fn megabytes(bytes: u64) -> u64 {
    bytes / 1_000_000
}
