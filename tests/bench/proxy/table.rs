//! What was found, as tables.

use crate::data::{HalfLoad, Measurement, RedisCommands, Workers};

pub(crate) fn full_load(found: &[Measurement]) {
    println!("## Full load\n");
    println!(
        "| case | connections | contender | CPU µs/request | … of nginx | + Redis µs | requests/s | p50 µs | p99 µs |"
    );
    println!("|---|---:|---|---:|---:|---:|---:|---:|---:|");
    for one in found {
        let yardstick = found.iter().find(|other| {
            other.contender == crate::contender::nginx::NAME
                && other.case == one.case
                && other.connections == one.connections
        });
        let ratio = yardstick.map_or_else(String::new, |nginx| format!("{:.2}", one.cpu_us / nginx.cpu_us));
        let redis = one
            .redis_cpu_us
            .map_or_else(|| "–".to_owned(), |microseconds| format!("{microseconds:.1}"));
        println!(
            "| {} | {} | {} | {:.1} | {ratio} | {redis} | {:.0} | {:.0} | {:.0} |",
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

pub(crate) fn workers(found: &[Workers]) {
    println!("## Workers: small GETs at bff-redis\n");
    println!(
        "One worker has core 0 to itself. Two workers are on two cores, which load and upstream need as well: with p µs\n\
         for each request in the proxy and r µs in the others, two cores can do 2,000,000 / (p + r) requests a second at most.\n"
    );
    println!(
        "| workers | requests/s | CPU µs/request | others µs/request | busiest worker's share | of what two cores can do |"
    );
    println!("|---:|---:|---:|---:|---:|---:|");
    for one in found {
        let possible = 2e6 / (one.cpu_us + one.others_us);
        println!(
            "| {} | {:.0} | {:.1} | {:.1} | {:.0} % | {:.0} % |",
            one.workers,
            one.requests_per_second,
            one.cpu_us,
            one.others_us,
            one.busiest_share * 100.0,
            one.requests_per_second / possible * 100.0
        );
    }
    println!();
}

pub(crate) fn redis_commands(found: &[RedisCommands]) {
    println!("## Redis commands for each warm request\n");
    println!("| contender | commands |\n|---|---:|");
    for one in found {
        println!("| {} | {:.4} |", one.contender, one.per_request);
    }
    println!();
}
