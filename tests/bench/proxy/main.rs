//! Our BFF beside nginx and beside two peers: processor time for each request, rates, and latency; and how it grows.
//!
//! `cargo bench --workspace --bench proxy [-- quick] [-- growth connections,body-size] [-- --write] …`: see `arguments`.
//! All contenders run on this machine in the same run, with one worker each, in front of the same upstream, signed in for real
//! at a provider that is not ours, and asked in turns. Processor time for each request hardly depends on what else the machine
//! does; rates and latencies do.
//!
//! `BFF_BINARY` names another BFF than `target/release/bff`, `OAUTH2_PROXY` an oauth2-proxy, which Debian does not have.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints its tables, and what fails ends it"
)]

mod arguments;
mod case;
mod check;
mod contender;
mod growth;
mod load;
mod machine;
mod outcome;
mod peers;
mod rounds;
mod sign_in;
mod table;
mod upstream;
mod workers;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use e2e::cores;
use e2e::report::data::Results;
use e2e::report::{render, root};

use self::arguments::{Arguments, Then};
use self::upstream::Upstream;

fn main() -> ExitCode {
    let arguments = Arguments::parse(std::env::args().skip(1));
    match obey(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("FAILED: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn obey(arguments: &Arguments) -> Result<()> {
    if arguments.then == Then::Render {
        return render(&root());
    }
    outcome::refuse_early(arguments)?;
    cores::step_aside();
    let results = e2e::story::run(run(arguments));
    outcome::conclude(arguments.then, &results)
}

async fn run(arguments: &Arguments) -> Results {
    let begun = Instant::now();
    let upstream = Upstream::start().await;
    let mut results = machine::describe(&arguments.contenders);
    peers::measure(arguments, &upstream, &mut results).await;
    growth::measure(arguments, &upstream, &mut results).await;
    println!("Took {} s.", begun.elapsed().as_secs());
    results
}
