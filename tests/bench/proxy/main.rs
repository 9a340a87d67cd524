//! Our BFF beside nginx and beside two peers: processor time for each request, rates, and latency.
//!
//! `cargo bench --workspace --bench proxy [-- quick] [-- --rounds 3 --seconds 3 --cases get-small --contenders nginx,bff-redis]`.
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
mod cores;
mod data;
mod growth;
mod load;
mod rounds;
mod sign_in;
mod table;
mod upstream;
mod workers;

use std::time::{Duration, Instant};

use self::arguments::Arguments;
use self::case::SMALL_GET;
use self::contender::{Contender, bff, mod_auth_openidc, nginx, oauth2_proxy};
use self::data::Measurement;
use self::upstream::Upstream;

fn main() {
    // cargo adds `--bench`.
    let mut words = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .peekable();
    let is_growth = words.next_if_eq(growth::WORD).is_some();
    if is_growth {
        let plan = growth::Plan::parse(words);
        cores::step_aside();
        e2e::story::run(async {
            growth::run(&plan).await;
        });
        return;
    }
    let arguments = Arguments::parse(words);
    cores::step_aside();
    e2e::story::run(run(arguments));
}

async fn run(arguments: Arguments) {
    let begun = Instant::now();
    let upstream = Upstream::start().await;
    let contenders = start(&upstream, &arguments.contenders).await;
    for contender in &contenders {
        check::does_its_work(contender, &case::ALL).await;
        rounds::measure(&upstream, contender, (SMALL_GET, 32), Duration::from_secs(1)).await;
    }
    println!("Started and checked after {} s.\n", begun.elapsed().as_secs());

    let found = arguments
        .rounds
        .full_load(&upstream, &contenders, &arguments.points)
        .await;
    table::full_load(&found);
    half_load(&arguments, &upstream, &contenders, &found).await;
    if arguments.is_full {
        let duration = arguments.rounds.duration;
        table::redis_commands(&workers::redis_commands(&contenders, duration).await);
        drop(contenders);
        table::workers(&workers::compare(&upstream, arguments.rounds).await);
    }
    println!("Took {} s.", begun.elapsed().as_secs());
}

async fn start(upstream: &Upstream, names: &[String]) -> Vec<Contender> {
    let mut contenders = Vec::new();
    for name in names {
        contenders.push(match name.as_str() {
            nginx::NAME => nginx::start(upstream).await,
            bff::REDIS => bff::start(upstream, bff::Setup::named(bff::REDIS)).await,
            bff::EMBEDDED => bff::start(upstream, bff::Setup::named(bff::EMBEDDED)).await,
            mod_auth_openidc::NAME => mod_auth_openidc::start(upstream).await,
            oauth2_proxy::NAME => match oauth2_proxy::program() {
                Some(program) => oauth2_proxy::start(upstream, &program).await,
                None => {
                    println!(
                        "NOT MEASURED: {name}: no program is named in {}.\n",
                        oauth2_proxy::PROGRAM
                    );
                    continue;
                }
            },
            _ => panic!("there is no contender {name}"),
        });
    }
    contenders
}

/// The peers are left out: half of what our BFF does is more than they can.
async fn half_load(
    arguments: &Arguments,
    upstream: &Upstream,
    contenders: &[Contender],
    found: &[Measurement],
) {
    let measured = [nginx::NAME, bff::REDIS, bff::EMBEDDED];
    let asked: Vec<_> = contenders
        .iter()
        .filter(|contender| measured.contains(&contender.name))
        .collect();
    let Some(ours) = asked.iter().find(|contender| contender.name == bff::REDIS) else {
        return;
    };
    let known = found.iter().find(|one| {
        (one.contender.as_str(), one.case.as_str(), one.connections) == (bff::REDIS, SMALL_GET.name, 32)
    });
    let most = match known {
        Some(known) => known.requests_per_second,
        None => {
            let duration = arguments.rounds.duration;
            rounds::measure(upstream, ours, (SMALL_GET, 32), duration)
                .await
                .requests_per_second
        }
    };
    let rounds = arguments.rounds;
    let half = tokio::task::block_in_place(|| rounds.steady_load(&asked, &SMALL_GET, most / 2.0));
    table::half_load(&half, most / 2.0);
}
