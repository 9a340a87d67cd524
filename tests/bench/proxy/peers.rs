//! Our BFF beside nginx and beside peers.

use std::time::{Duration, Instant};

use e2e::report::data::{HalfLoad, Results};

use crate::arguments::Arguments;
use crate::case::{self, SMALL_GET};
use crate::contender::{self, Contender, bff, nginx, oauth2_proxy};
use crate::rounds;
use crate::upstream::Upstream;
use crate::{check, table, workers};

/// How many connections small GETs at full load have when the rate for half of it is found.
const CONNECTIONS: u32 = 32;
/// The peers are left out at half load: half of what our BFF does is more than they can.
const AT_HALF_LOAD: [&str; 3] = [nginx::NAME, bff::REDIS, bff::EMBEDDED];

/// Measures all that the arguments ask for; nothing, if they name no contender.
pub(crate) async fn measure(arguments: &Arguments, upstream: &Upstream, results: &mut Results) {
    if arguments.contenders.is_empty() {
        return;
    }
    if arguments.with_workers && oauth2_proxy::program().is_none() {
        let (name, variable) = (oauth2_proxy::NAME, oauth2_proxy::PROGRAM);
        println!("NOT MEASURED: {name}: no program is named in {variable}.\n");
    }
    let begun = Instant::now();
    let mut contenders = Vec::new();
    for name in &arguments.contenders {
        let contender = contender::start(name, upstream).await;
        check::does_its_work(&contender, &case::ALL).await;
        let warm_up = Duration::from_secs(1);
        rounds::measure(upstream, &contender, (SMALL_GET, CONNECTIONS), warm_up).await;
        contenders.push(contender);
    }
    println!("Started and checked after {} s.\n", begun.elapsed().as_secs());

    let rounds = arguments.rounds;
    results.measurements = rounds.full_load(upstream, &contenders, &arguments.points).await;
    table::full_load(results);
    results.half_load = half_load(arguments, upstream, &contenders, results).await;
    if arguments.with_workers {
        let commands = workers::redis_commands(&contenders, rounds.duration).await;
        results.facts.extend(commands);
        drop(contenders);
        results.facts.extend(workers::compare(rounds).await);
    }
}

/// Whether latencies at half load are measured, and of whom.
pub(crate) fn at_half_load(contenders: &[String]) -> impl Iterator<Item = &String> {
    let has_ours = contenders.iter().any(|name| name == bff::REDIS);
    let is_asked = move |name: &&String| has_ours && AT_HALF_LOAD.contains(&name.as_str());
    contenders.iter().filter(is_asked)
}

async fn half_load(
    arguments: &Arguments,
    upstream: &Upstream,
    contenders: &[Contender],
    results: &Results,
) -> Vec<HalfLoad> {
    let names: Vec<_> = at_half_load(&arguments.contenders).collect();
    let asked: Vec<_> = contenders
        .iter()
        .filter(|contender| names.iter().any(|name| *name == contender.name))
        .collect();
    let Some(ours) = asked.iter().find(|contender| contender.name == bff::REDIS) else {
        return Vec::new();
    };
    let rounds = arguments.rounds;
    let most = match results.find(SMALL_GET.name, CONNECTIONS, bff::REDIS) {
        Some(known) => known.requests_per_second,
        None => {
            let point = (SMALL_GET, CONNECTIONS);
            let one = rounds::measure(upstream, ours, point, rounds.duration).await;
            one.requests_per_second
        }
    };
    let half = tokio::task::block_in_place(|| rounds.steady_load(&asked, &SMALL_GET, most / 2.0));
    table::half_load(&half, most / 2.0);
    half
}
