//! What becomes of the figures: printed only, put into the committed ones, or set against them.

use anyhow::{Result, ensure};
use e2e::report::data::{HalfLoad, Measurement, Results};
use e2e::report::merge::merge;
use e2e::report::{committed, compare, root, write};

use crate::arguments::{Arguments, Then};
use crate::{machine, peers};

/// Says before anything is measured that the figures could not be used afterwards, as far as that can be known.
pub(crate) fn refuse_early(arguments: &Arguments) -> Result<()> {
    let committed = committed(&root())?;
    match arguments.then {
        Then::Compare => ensure!(
            committed.is_some(),
            "there are no committed figures to compare with: `-- --write` makes them"
        ),
        Then::Write => drop(merge(committed.as_ref(), &planned(arguments))?),
        Then::Print | Then::Render => {}
    }
    Ok(())
}

pub(crate) fn conclude(then: Then, results: &Results) -> Result<()> {
    match then {
        Then::Write => {
            write(results, &root())?;
            println!("Written to docs/benchmarks and to the pages that show them.");
        }
        Then::Compare => {
            let comparison = compare(results, &root())?;
            println!("## Compared with the committed figures\n\n{comparison}");
            ensure!(comparison.holds(), "these figures do not hold");
        }
        Then::Print | Then::Render => {}
    }
    Ok(())
}

/// What the run will have measured of whom; every figure is 1. Points of charts are not known beforehand.
fn planned(arguments: &Arguments) -> Results {
    let mut planned = machine::describe(&arguments.contenders);
    for (case, connections) in &arguments.points {
        let measured = arguments.contenders.iter().map(|contender| Measurement {
            case: case.name.to_owned(),
            connections: *connections,
            contender: contender.clone(),
            cpu_us: 1.0,
            redis_cpu_us: None,
            requests_per_second: 1.0,
            p50_us: 1.0,
            p99_us: 1.0,
        });
        planned.measurements.extend(measured);
    }
    let half_load = peers::at_half_load(&arguments.contenders).map(|contender| HalfLoad {
        contender: contender.clone(),
        requests_per_second: 1.0,
        p50_us: 1.0,
        p99_us: 1.0,
    });
    planned.half_load.extend(half_load);
    planned
}
