//! How it grows: one module for each series or group of figures, each with contenders of its own.

mod body_size;
mod connections;
mod idle_memory;
mod transfers;

use e2e::report::data::{Fact, Results, Series};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

use crate::arguments::Arguments;
use crate::case::SMALL_GET;
use crate::contender::{self, Contender, bff, nginx};
use crate::rounds::Rounds;
use crate::upstream::Upstream;
use crate::{check, table};

/// What one module found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) series: Vec<Series>,
    pub(crate) facts: Vec<Fact>,
}

/// The yardstick and the BFF that targets are for.
async fn start_both(upstream: &Upstream) -> [Contender; 2] {
    let both = [
        contender::start(nginx::NAME, upstream).await,
        contender::start(bff::REDIS, upstream).await,
    ];
    for contender in &both {
        check::does_its_work(contender, &[SMALL_GET]).await;
    }
    both
}

/// Lines without points yet, in the order of the contenders.
fn lines(chart: &str, contenders: &[Contender]) -> Vec<Series> {
    let line = |contender: &Contender| Series {
        chart: chart.to_owned(),
        contender: contender.name.to_owned(),
        points: Vec::new(),
    };
    contenders.iter().map(line).collect()
}

type Measure = for<'a> fn(&'a Upstream, Rounds) -> LocalBoxFuture<'a, Found>;

/// By the names that the command line has for them.
#[rustfmt::skip]
const ALL: &[(&str, Measure)] = &[
    ("connections", |upstream, rounds| connections::measure(upstream, rounds).boxed_local()),
    ("body-size", |upstream, rounds| body_size::measure(upstream, rounds).boxed_local()),
    ("idle-memory", |upstream, rounds| idle_memory::measure(upstream, rounds).boxed_local()),
    ("transfers", |upstream, rounds| transfers::measure(upstream, rounds).boxed_local()),
];

pub(crate) fn names() -> Vec<String> {
    ALL.iter().map(|(name, _)| (*name).to_owned()).collect()
}

/// Measures what the arguments name.
///
/// # Panics
/// When they name what there is not; the command line's reader says so first.
pub(crate) async fn measure(arguments: &Arguments, upstream: &Upstream, results: &mut Results) {
    for name in &arguments.growth {
        let (_, measure) = ALL
            .iter()
            .find(|(known, _)| known == name)
            .expect("the name is known");
        let found = measure(upstream, arguments.rounds).await;
        if !found.series.is_empty() {
            table::series(&found.series);
        }
        results.series.extend(found.series);
        results.facts.extend(found.facts);
    }
    if !results.facts.is_empty() {
        table::facts(&results.facts);
    }
}
