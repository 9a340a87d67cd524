//! What was found, as tables.

use e2e::report::data::{CHARTS, Fact, HalfLoad, Results, Series};

pub(crate) fn full_load(results: &Results) {
    println!("## Full load\n");
    println!(
        "| case | connections | contender | CPU µs/request | + Redis µs | both, of nginx | requests/s | p50 µs | p99 µs |"
    );
    println!("|---|---:|---|---:|---:|---:|---:|---:|---:|");
    for one in &results.measurements {
        let ratio = results.cpu_to_nginx(&one.case, one.connections, &one.contender);
        let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let redis = one
            .redis_cpu_us
            .map_or_else(|| "–".to_owned(), |microseconds| format!("{microseconds:.1}"));
        println!(
            "| {} | {} | {} | {:.1} | {redis} | {ratio} | {:.0} | {:.0} | {:.0} |",
            one.case,
            one.connections,
            one.contender,
            one.cpu_us,
            one.requests_per_second,
            one.p50_us,
            one.p99_us
        );
    }
    println!();
}

/// What counts as the rate that was asked for.
const REACHED: f64 = 0.97;

pub(crate) fn half_load(found: &[HalfLoad], asked_for: f64) {
    println!("## Half load: small GETs, {asked_for:.0} a second\n");
    println!("| contender | requests/s | p50 µs | p99 µs | p50, p99 more than nginx, µs |");
    println!("|---|---:|---:|---:|---:|");
    let nginx = found
        .iter()
        .find(|one| one.contender == crate::contender::nginx::NAME);
    for one in found {
        let more = nginx.map_or_else(String::new, |nginx| {
            format!(
                "{:+.0}, {:+.0}",
                one.p50_us - nginx.p50_us,
                one.p99_us - nginx.p99_us
            )
        });
        println!(
            "| {} | {:.0} | {:.0} | {:.0} | {more} |",
            one.contender, one.requests_per_second, one.p50_us, one.p99_us
        );
    }
    println!();
    for one in found {
        if one.requests_per_second < asked_for * REACHED {
            println!(
                "NOT REACHED: {} answered {:.0} a second: the latencies are of a machine that is too busy.\n",
                one.contender, one.requests_per_second
            );
        }
    }
}

/// Lines of a chart, one column for each contender.
pub(crate) fn series(lines: &[Series]) {
    let Some(axes) = CHARTS.iter().find(|axes| axes.id == lines[0].chart) else {
        panic!("there is no chart {}", lines[0].chart);
    };
    println!("## {}\n", axes.title);
    let names: String = lines
        .iter()
        .map(|line| format!(" {} |", line.contender))
        .collect();
    println!("| {} |{names}", axes.x);
    println!("|---:|{}", "---:|".repeat(lines.len()));
    for (at, (x, _)) in lines[0].points.iter().enumerate() {
        let figures: String = lines
            .iter()
            .map(|line| format!(" {:.1} |", line.points[at].1))
            .collect();
        println!("| {x} |{figures}");
    }
    println!("\n({})\n", axes.y);
}

pub(crate) fn facts(facts: &[Fact]) {
    println!("## Single figures\n");
    println!("| | |\n|---|---:|");
    for fact in facts {
        println!("| {} | {:.4} {} |", fact.name, fact.value, fact.unit);
    }
    println!();
}
