//! Puts a run into the committed figures without losing or mixing up any.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use super::data::{
    CASES, CHARTS, CONTENDERS, KNOWN_FACTS, Measurement, NGINX, Named, Results, Series, title,
};

/// Replaces what the run measured and keeps the rest. Refuses a run that says something impossible, or that would set
/// figures of two runs against each other.
pub fn merge(committed: Option<&Results>, run: &Results) -> Result<Results> {
    let empty = Results::default();
    let committed = committed.unwrap_or(&empty);
    let mut faults = faults(run);
    faults.extend(half_a_comparison(committed, run));

    let mut merged = rounded(run.clone());
    let mut keeps = keep(&mut merged.measurements, &committed.measurements, key);
    keeps |= keep(&mut merged.half_load, &committed.half_load, |load| {
        place(&CONTENDERS, &load.contender)
    });
    keeps |= keep(&mut merged.facts, &committed.facts, |fact| fact.name.clone());
    keeps |= keep_series(&mut merged.series, &committed.series);
    if keeps {
        merged.date = union([&committed.date, &run.date].map(|dates| dates.split(", "))).join(", ");
        merged.versions =
            union([&committed.versions, &run.versions].map(|words| words.iter().map(String::as_str)));
        if committed.machine != run.machine {
            faults.push(format!(
                "the committed figures are of another machine ({}): measure all of them on this one",
                committed.machine
            ));
        }
    }
    if !faults.is_empty() {
        bail!("these results are not written:\n{}", faults.join("\n"));
    }
    Ok(merged)
}

/// Four decimals: more would be noise, and a file with so many digits is read back as it was written.
fn rounded(mut run: Results) -> Results {
    let round = |figure: &mut f64| *figure = (*figure * 10_000.0).round() / 10_000.0;
    for measured in &mut run.measurements {
        round(&mut measured.cpu_us);
        measured.redis_cpu_us.iter_mut().for_each(round);
        round(&mut measured.requests_per_second);
        round(&mut measured.p50_us);
        round(&mut measured.p99_us);
    }
    for load in &mut run.half_load {
        round(&mut load.requests_per_second);
        round(&mut load.p50_us);
        round(&mut load.p99_us);
    }
    for (x, y) in run.series.iter_mut().flat_map(|line| &mut line.points) {
        round(x);
        round(y);
    }
    run.facts.iter_mut().for_each(|fact| round(&mut fact.value));
    run
}

/// Adds the old ones whose key is not among the new ones; says whether there were any.
fn keep<T: Clone, K: Ord>(new: &mut Vec<T>, old: &[T], key: impl Fn(&T) -> K) -> bool {
    let measured: BTreeSet<K> = new.iter().map(&key).collect();
    let kept = old.iter().filter(|old| !measured.contains(&key(old)));
    let before = new.len();
    new.extend(kept.cloned());
    let keeps = new.len() > before;
    new.sort_by_key(key);
    keeps
}

fn keep_series(new: &mut Vec<Series>, old: &[Series]) -> bool {
    let key = |line: &Series| {
        (
            CHARTS.iter().position(|axes| axes.id == line.chart),
            place(&CONTENDERS, &line.contender),
        )
    };
    let mut keeps = false;
    for line in new.iter_mut() {
        let same = old.iter().find(|old| key(old) == key(line));
        let points = same.map_or(&[][..], |old| &old.points);
        let measured: Vec<f64> = line.points.iter().map(|(x, _)| *x).collect();
        let before = line.points.len();
        line.points
            .extend(points.iter().filter(|(x, _)| !measured.contains(x)));
        keeps |= line.points.len() > before;
        line.points.sort_by(|one, other| one.0.total_cmp(&other.0));
    }
    keep(new, old, key) || keeps
}

fn key(measured: &Measurement) -> (usize, u32, usize) {
    (
        place(&CASES, &measured.case),
        measured.connections,
        place(&CONTENDERS, &measured.contender),
    )
}

fn place(of: &[Named], id: &str) -> usize {
    of.iter().position(|named| named.id == id).unwrap_or(of.len())
}

fn union<'a, I: Iterator<Item = &'a str>>(both: [I; 2]) -> Vec<String> {
    let all: BTreeSet<&str> = both.into_iter().flatten().collect();
    all.into_iter().map(str::to_owned).collect()
}

/// What a run cannot have measured.
fn faults(run: &Results) -> Vec<String> {
    let mut faults = Vec::new();
    let mut unless = |holds: bool, fault: String| {
        if !holds {
            faults.push(fault);
        }
    };
    for measured in &run.measurements {
        let name = name(measured);
        unless(
            is_known(&CASES, &measured.case),
            format!("{name}: an unknown case"),
        );
        let figures = [
            measured.cpu_us,
            measured.requests_per_second,
            measured.p50_us,
            measured.p99_us,
        ];
        let sound = figures.iter().all(|figure| is_positive(*figure))
            && measured.p50_us <= measured.p99_us
            && measured.redis_cpu_us.is_none_or(|us| us.is_finite() && us >= 0.0);
        unless(sound, format!("{name}: impossible figures: {measured:?}"));
        let nginx = run.find(&measured.case, measured.connections, NGINX);
        unless(
            nginx.is_some(),
            format!("{name}: nginx was not measured beside it"),
        );
    }
    for load in &run.half_load {
        let figures = [load.requests_per_second, load.p50_us, load.p99_us];
        let sound = figures.iter().all(|figure| is_positive(*figure)) && load.p50_us <= load.p99_us;
        unless(sound, format!("half load: impossible figures: {load:?}"));
    }
    for line in &run.series {
        let (chart, contender) = (&line.chart, &line.contender);
        unless(
            CHARTS.iter().any(|axes| axes.id == *chart),
            format!("{chart}: an unknown chart"),
        );
        let sound = line
            .points
            .iter()
            .all(|(x, y)| x.is_finite() && *x >= 0.0 && is_positive(*y));
        unless(
            sound && !line.points.is_empty(),
            format!("{chart}, {contender}: impossible points: {line:?}"),
        );
    }
    for fact in &run.facts {
        unless(fact.value.is_finite(), format!("{}: {}", fact.name, fact.value));
        for known in KNOWN_FACTS.iter().filter(|known| known.name == fact.name) {
            unless(
                fact.unit == known.unit,
                format!("{}: in {}, not in {}", fact.name, fact.unit, known.unit),
            );
        }
    }
    faults.extend(strangers_and_twins(run));
    faults
}

fn is_known(of: &[Named], id: &str) -> bool {
    of.iter().any(|named| named.id == id)
}

fn is_positive(figure: f64) -> bool {
    figure.is_finite() && figure > 0.0
}

fn strangers_and_twins(run: &Results) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for (group, contender) in entries(run) {
        if !is_known(&CONTENDERS, &contender) {
            faults.push(format!("{group}: an unknown contender: {contender}"));
        }
        if !seen.insert((group.clone(), contender.clone())) {
            faults.push(format!("{group}: {contender} is there twice"));
        }
    }
    let mut names = BTreeSet::new();
    for fact in &run.facts {
        if !names.insert(&fact.name) {
            faults.push(format!("{} is there twice", fact.name));
        }
    }
    faults
}

/// Everything that is set against something else: what it is compared within, and whose it is.
fn entries(results: &Results) -> Vec<(String, String)> {
    let measurements = results.measurements.iter().map(|measured| {
        let group = format!(
            "{} at {} connections",
            title(&CASES, &measured.case),
            measured.connections
        );
        (group, measured.contender.clone())
    });
    let half_load = results
        .half_load
        .iter()
        .map(|load| ("half load".to_owned(), load.contender.clone()));
    let points = results.series.iter().flat_map(|line| {
        let point = |(x, _): &(f64, f64)| (format!("chart {} at {x}", line.chart), line.contender.clone());
        line.points.iter().map(point)
    });
    measurements.chain(half_load).chain(points).collect()
}

/// Ratios hold within one run. So whoever measures one side anew measures the others too.
fn half_a_comparison(committed: &Results, run: &Results) -> Vec<String> {
    let mut measured: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (group, contender) in entries(run) {
        measured.entry(group).or_default().insert(contender);
    }
    let missing = entries(committed).into_iter().filter(|(group, contender)| {
        measured
            .get(group)
            .is_some_and(|contenders| !contenders.contains(contender))
    });
    missing
        .map(|(group, contender)| {
            format!(
                "{group}: {contender} has a committed figure and was not measured beside the others: ratios hold \
                 within one run, so measure all contenders of a case"
            )
        })
        .collect()
}

fn name(measured: &Measurement) -> String {
    format!(
        "{} at {} connections, {}",
        measured.case, measured.connections, measured.contender
    )
}

#[cfg(test)]
#[path = "merge/tests.rs"]
mod tests;
