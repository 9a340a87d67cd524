//! How it grows: one module for each series or group of figures, each with contenders of its own.
//!
//! `sessions`, `routes`, `nodes`, `refresh_storm` and `cold_start` share a `site`: BFFs on a Redis with sessions that were made
//! through the library, and a `provider` in this process that only renews tokens, and counts.

mod body_size;
mod browsers;
mod check;
mod cold_start;
mod connections;
mod idle_memory;
mod nodes;
mod provider;
mod refresh_storm;
mod routes;
mod sessions;
mod side;
mod site;
mod transfers;

use std::time::Instant;

use e2e::report::data::{Fact, Results, Series};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

use crate::arguments::Arguments;
use crate::case::SMALL_GET;
use crate::contender::{self, Contender, bff, nginx};
use crate::table;
use crate::upstream::Upstream;

/// What one module found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) series: Vec<Series>,
    pub(crate) facts: Vec<Fact>,
}

impl Found {
    /// Adds a point to a line.
    fn point(&mut self, chart: &str, contender: &str, x: usize, y: f64) {
        let point = (x as f64, y);
        let of_line = |line: &&mut Series| line.chart == chart && line.contender == contender;
        match self.series.iter_mut().find(of_line) {
            Some(line) => line.points.push(point),
            None => self.series.push(Series {
                chart: chart.to_owned(),
                contender: contender.to_owned(),
                points: vec![point],
            }),
        }
    }

    fn fact(&mut self, name: &str, value: f64, unit: &str) {
        self.facts.push(Fact {
            name: name.to_owned(),
            value,
            unit: unit.to_owned(),
        });
    }
}

/// The yardstick and the BFF that targets are for.
async fn start_both(upstream: &Upstream) -> [Contender; 2] {
    let both = [
        contender::start(nginx::NAME, upstream).await,
        contender::start(bff::REDIS, upstream).await,
    ];
    for contender in &both {
        crate::check::does_its_work(contender, &[SMALL_GET]).await;
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

type Measure = for<'a> fn(&'a Upstream, &'a Arguments) -> LocalBoxFuture<'a, Found>;

/// By the names that the command line has for them.
#[rustfmt::skip]
const ALL: &[(&str, Measure)] = &[
    ("sessions", |upstream, arguments| sessions::measure(upstream, arguments).boxed_local()),
    ("routes", |upstream, arguments| routes::measure(upstream, arguments).boxed_local()),
    ("nodes", |upstream, arguments| nodes::measure(upstream, arguments).boxed_local()),
    ("refresh-storm", |upstream, arguments| refresh_storm::measure(upstream, arguments).boxed_local()),
    ("cold-start", |upstream, arguments| cold_start::measure(upstream, arguments).boxed_local()),
    ("connections", |upstream, arguments| connections::measure(upstream, arguments.rounds).boxed_local()),
    ("body-size", |upstream, arguments| body_size::measure(upstream, arguments.rounds).boxed_local()),
    ("idle-memory", |upstream, arguments| idle_memory::measure(upstream, arguments.rounds).boxed_local()),
    ("transfers", |upstream, arguments| transfers::measure(upstream, arguments.rounds).boxed_local()),
];

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

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
        let begun = Instant::now();
        let found = measure(upstream, arguments).await;
        println!("`{name}` took {} s.\n", begun.elapsed().as_secs());
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
