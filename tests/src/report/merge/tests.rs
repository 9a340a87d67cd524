use super::super::data::{BFF_REDIS, IDLE_MEMORY, MOD_AUTH_OPENIDC};
use super::super::sample;
use super::*;

#[track_caller]
fn assert_refused(committed: &Results, run: &Results, because: &str) {
    let error = merge(Some(committed), run).expect_err("a refusal").to_string();
    assert!(error.contains(because), "{error}");
}

#[test]
fn the_first_run_is_taken_as_it_is() {
    assert_eq!(
        merge(None, &sample::results()).expect("a sound run"),
        sample::results()
    );
}

#[test]
fn a_quick_run_replaces_what_it_measured_and_nothing_else() {
    let committed = sample::results();
    let mut run = sample::results();
    run.date = "2026-01-02".to_owned();
    run.versions = vec!["nginx 1.99".to_owned()];
    run.measurements.retain(|measured| measured.connections == 32);
    for measured in &mut run.measurements {
        measured.p99_us += 1.0;
    }
    run.half_load.clear();
    run.facts.clear();
    run.series[0].points = vec![(100_000.0, 99.0), (50.0, 98.0)];

    let merged = merge(Some(&committed), &run).expect("a sound run");

    let p99 = |results: &Results, level| results.find("get-small", level, BFF_REDIS).map(|m| m.p99_us);
    assert_eq!(p99(&merged, 32), p99(&committed, 32).map(|us| us + 1.0));
    assert_eq!(p99(&merged, 256), p99(&committed, 256));
    assert_eq!(merged.half_load, committed.half_load);
    assert_eq!(merged.facts, committed.facts);
    assert_eq!(
        merged.series[0].points,
        [
            (50.0, 98.0),
            (1_000.0, 26.0),
            (100_000.0, 99.0),
            (1_000_000.0, 27.0)
        ]
    );
    assert_eq!(merged.date, "2026-01-01, 2026-01-02");
    assert_eq!(merged.versions, ["nginx 1.22", "nginx 1.99"]);
}

#[test]
fn a_full_run_leaves_nothing_of_the_old_one() {
    let mut run = sample::results();
    run.date = "2026-01-02".to_owned();
    run.machine = "another".to_owned();

    assert_eq!(merge(Some(&sample::results()), &run).expect("a sound run"), run);
}

#[test]
fn figures_of_two_machines_do_not_mix() {
    let mut run = sample::results();
    run.machine = "another".to_owned();
    run.facts.clear();

    assert_refused(&sample::results(), &run, "another machine");
}

#[test]
fn one_side_of_a_comparison_is_not_written() {
    let mut run = sample::results();
    run.measurements
        .retain(|measured| measured.contender != MOD_AUTH_OPENIDC);

    assert_refused(
        &sample::results(),
        &run,
        "GET small at 32 connections: mod-auth-openidc has a committed figure",
    );
}

#[test]
fn what_cannot_have_been_measured_is_not_written() {
    let refuse = |change: fn(&mut Results), because: &str| {
        let mut run = sample::results();
        change(&mut run);
        assert_refused(&Results::default(), &run, because);
    };

    refuse(
        |run| run.measurements.retain(|measured| measured.contender != NGINX),
        "nginx was not measured beside it",
    );
    refuse(|run| run.measurements[0].cpu_us = 0.0, "impossible figures");
    refuse(|run| run.measurements[0].cpu_us = f64::NAN, "impossible figures");
    refuse(|run| run.measurements[0].p50_us = 1e9, "impossible figures");
    refuse(
        |run| run.measurements[0].case = "get-2k".to_owned(),
        "an unknown case",
    );
    refuse(
        |run| run.half_load[0].contender = "apache".to_owned(),
        "an unknown contender: apache",
    );
    refuse(
        |run| run.half_load.push(run.half_load[0].clone()),
        "is there twice",
    );
    refuse(
        |run| run.series[0].chart = "pie".to_owned(),
        "pie: an unknown chart",
    );
    refuse(|run| run.series[0].points.clear(), "impossible points");
    refuse(|run| run.facts[0].unit = "kB".to_owned(), "in kB, not in MB");
    refuse(
        |run| run.facts.push(IDLE_MEMORY.is(1.0)),
        "memory of 10,000 idle signed-in connections is there twice",
    );
}
