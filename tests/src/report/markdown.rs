//! The pages' text: nothing in it is written by hand.

use std::fmt::Write as _;

use super::data::{
    BFF_REDIS, CASES, CHARTS, CONTENDERS, MOD_AUTH_OPENIDC, Measurement, NGINX, Results, SMALL_GET, title,
};
use super::targets::{Bound, Target, Verdict, targets};

/// The section of `docs/benchmarks.md`.
#[must_use]
pub fn section(results: &Results) -> String {
    let mut page = String::new();
    head(&mut page, results);
    if !results.measurements.is_empty() {
        page += "### What is asked of it\n\n";
        judged(&mut page, results);
        page += "### Processor time, throughput, latency under full load\n\n";
        if results.common_level(SMALL_GET).is_some() {
            page += "![CPU of a small GET by contender](benchmarks/cpu.svg)\n\n";
        }
        main_table(&mut page, results);
        page += "![CPU by kind and size of body, relative to nginx](benchmarks/bodies.svg)\n\n";
    }
    if !results.half_load.is_empty() {
        page += "### Latency at half load\n\n";
        half_load(&mut page, results);
    }
    if !results.facts.is_empty() {
        page += "### Single figures\n\n";
        facts(&mut page, results);
    }
    if !results.series.is_empty() {
        page += "### How it grows\n\n";
        for axes in &CHARTS {
            if results.series.iter().any(|line| line.chart == axes.id) {
                let (title, id) = (axes.title, axes.id);
                page += &format!("![{title} ({} by {})](benchmarks/{id}.svg)\n\n", axes.y, axes.x);
            }
        }
    }
    page.trim_end().to_owned() + "\n"
}

/// The chart in the README and what it says, in a sentence. Nothing, as long as it was not measured.
#[must_use]
pub fn summary(results: &Results) -> String {
    let small = |contender| {
        let level = results.common_level(SMALL_GET)?;
        results.find(SMALL_GET, level, contender)
    };
    let Some((ours, nginx)) = small(BFF_REDIS).zip(small(NGINX)) else {
        return String::new();
    };
    let (us, ratio) = (ours.total_cpu_us(), ours.total_cpu_us() / nginx.total_cpu_us());
    let peer = small(MOD_AUTH_OPENIDC).map_or_else(String::new, |peer| {
        let factor = peer.total_cpu_us() / us;
        format!("; mod_auth_openidc takes {factor:.1} times ours")
    });
    format!(
        "![Processor time of a signed-in request by contender](docs/benchmarks/cpu.svg)\n\n\
         A signed-in request that is proxied takes {us:.0} µs of processor time (Redis included), {ratio:.2} times that of\n\
         nginx's `proxy_pass` without any sign-in{peer}. How it was measured: [Benchmarks](docs/benchmarks.md).\n"
    )
}

fn head(page: &mut String, results: &Results) {
    let Results {
        date,
        machine,
        versions,
        ..
    } = results;
    let versions = versions.join(", ");
    let _ = write!(
        page,
        "| | |\n|---|---|\n| when | {date} |\n| machine | {machine} |\n| versions | {versions} |\n\n"
    );
}

fn judged(page: &mut String, results: &Results) {
    *page += "| | measured | must | | aim | |\n|---|---|---|---|---|---|\n";
    for target in targets(results) {
        let figure = target.figure.as_ref().map_or_else(String::new, |figure| {
            let note = match figure.note.as_str() {
                "" => String::new(),
                note => format!(" ({note})"),
            };
            format!("**{}**{note}", value(figure.value, target.unit))
        });
        let (aim, aim_met) = match target.aim {
            Some(aim) => (bound(aim, &target), verdict(target.verdict(aim))),
            None => ("–".to_owned(), ""),
        };
        let must = bound(target.must, &target);
        let must_met = verdict(target.verdict(target.must));
        let _ = writeln!(
            page,
            "| {} | {figure} | {must} | {must_met} | {aim} | {aim_met} |",
            target.what
        );
    }
    *page += "\n";
}

fn bound(bound: Bound, target: &Target) -> String {
    match bound {
        Bound::AtMost(limit) => format!("≤ {}", limit_of(limit, target.unit)),
        Bound::AtLeast(limit) => format!("≥ {}", limit_of(limit, target.unit)),
    }
}

fn limit_of(limit: f64, unit: &str) -> String {
    format!("{limit} {unit}")
}

fn value(value: f64, unit: &str) -> String {
    match unit {
        "MB" | "µs" => format!("{value:.0} {unit}"),
        _ => format!("{value:.2} {unit}"),
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => "met",
        Verdict::Missed => "**missed**",
        Verdict::NotMeasured => "not measured",
    }
}

fn main_table(page: &mut String, results: &Results) {
    *page += "| case | connections | | CPU µs a request | x nginx | requests a second | x mod_auth_openidc | p50 / p99 µs |\n\
              |---|---:|---|---:|---:|---:|---:|---:|\n";
    for measured in &results.measurements {
        let Measurement {
            case,
            connections,
            contender,
            ..
        } = measured;
        let to_nginx = results.cpu_to_nginx(case, *connections, contender);
        let peer = results.find(case, *connections, MOD_AUTH_OPENIDC);
        let to_peer = peer.map(|peer| measured.requests_per_second / peer.requests_per_second);
        let _ = writeln!(
            page,
            "| {} | {connections} | {} | {} | {} | {} | {} | {:.0} / {:.0} |",
            title(&CASES, case),
            title(&CONTENDERS, contender),
            cpu(measured),
            ratio(to_nginx),
            grouped(measured.requests_per_second),
            ratio(to_peer),
            measured.p50_us,
            measured.p99_us,
        );
    }
    *page += "\n";
}

fn cpu(measured: &Measurement) -> String {
    match measured.redis_cpu_us {
        Some(redis) => format!("{:.1} + {redis:.1}", measured.cpu_us),
        None => format!("{:.1}", measured.cpu_us),
    }
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"))
}

fn half_load(page: &mut String, results: &Results) {
    *page += "| | requests a second | p50 µs | p99 µs |\n|---|---:|---:|---:|\n";
    for load in &results.half_load {
        let _ = writeln!(
            page,
            "| {} | {} | {:.0} | {:.0} |",
            title(&CONTENDERS, &load.contender),
            grouped(load.requests_per_second),
            load.p50_us,
            load.p99_us
        );
    }
    *page += "\n";
}

fn facts(page: &mut String, results: &Results) {
    *page += "| | |\n|---|---:|\n";
    for fact in &results.facts {
        let digits = match fact.value.abs() {
            ..1.0 => 4,
            ..100.0 => 1,
            _ => 0,
        };
        let _ = writeln!(page, "| {} | {:.digits$} {} |", fact.name, fact.value, fact.unit);
    }
    *page += "\n";
}

/// `1234567.8` as `1,234,568`.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[track_caller]
    fn assert_line(text: &str, line: &str) {
        assert!(text.lines().any(|found| found == line), "{line}\nin\n{text}");
    }

    #[test]
    fn the_main_table_sets_everybody_beside_nginx_and_mod_auth_openidc() {
        let page = section(&sample::results());

        assert_line(
            &page,
            "| GET small | 32 | Cloakroom, Redis | 25.0 + 1.0 | 1.30 | 28,000 | 14.00 | 700 / 2100 |",
        );
        assert_line(
            &page,
            "| GET small | 256 | Cloakroom, Redis | 30.0 + 2.0 | 1.60 | 27,000 | – | 700 / 2100 |",
        );
    }

    #[test]
    fn every_target_has_a_computed_verdict() {
        let page = section(&sample::results());

        assert_line(
            &page,
            "| CPU of a small GET, signed in, warm, on Redis | **1.60 x nginx** (256 connections) | ≤ 1.5 x nginx | \
             **missed** | ≤ 1 x nginx | **missed** |",
        );
        assert_line(
            &page,
            "| memory of 10,000 idle signed-in connections | **58 MB** | ≤ 100 MB | met | ≤ 60 MB | met |",
        );
        assert_line(
            &page,
            "| memory growth while 2 GB go up |  | ≤ 16 MB | not measured | – |  |",
        );
    }

    #[test]
    fn the_other_tables_follow() {
        let page = section(&sample::results());

        assert_line(&page, "| Cloakroom, Redis | 10,000 | 160 | 900 |");
        assert_line(&page, "| memory of 10,000 idle signed-in connections | 58.0 MB |");
        assert!(page.contains("(benchmarks/sessions.svg)") && !page.contains("(benchmarks/nodes.svg)"));
    }

    #[test]
    fn the_readme_says_what_its_chart_shows() {
        let summary = summary(&sample::results());

        assert!(summary.contains("takes 26 µs of processor time (Redis included), 1.30 times"));
        assert!(summary.contains("mod_auth_openidc takes 16.0 times ours"));
    }
}
