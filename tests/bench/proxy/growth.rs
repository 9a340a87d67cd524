//! How it grows: one module for each series or group of figures, each with contenders of its own.

use e2e::report::data::{Fact, Results, Series};
use futures_util::future::LocalBoxFuture;

use crate::arguments::Arguments;
use crate::rounds::Rounds;
use crate::table;
use crate::upstream::Upstream;

/// What one module found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) series: Vec<Series>,
    pub(crate) facts: Vec<Fact>,
}

type Measure = for<'a> fn(&'a Upstream, Rounds) -> LocalBoxFuture<'a, Found>;

/// By the names that the command line has for them.
#[rustfmt::skip]
const ALL: &[(&str, Measure)] = &[
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
