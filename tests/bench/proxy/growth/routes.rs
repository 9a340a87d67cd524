//! Does a request cost more with more routes?

use std::fmt::Write as _;

use super::sessions::{CONNECTIONS, cookie_file};
use super::side::{Asked, Side, in_turns};
use super::site::{Bff, Site};
use super::{Found, check};
use crate::arguments::Arguments;
use crate::contender::{bff, nginx};
use crate::upstream::{PREFIX, Upstream};

const GUIDE: &str = "\
One session, in memory. The route that requests match has the shortest prefix, which is tried last, and all others begin\n\
like it. Whatever a figure has beyond that of one route is the search. nginx has one location throughout.";
const LEVELS: [usize; 4] = [1, 10, 100, 1_000];

pub(super) async fn measure(upstream: &Upstream, arguments: &Arguments) -> Found {
    let mut outcome = Found::default();
    println!("## Routes\n\n{GUIDE}\n");
    println!("| routes | contender | CPU µs/request | … of nginx | requests/s | p50 µs | p99 µs |");
    println!("|---:|---|---:|---:|---:|---:|---:|");
    let site = Site::start(upstream).await;
    let nginx = nginx::start(upstream).await;
    let cookies = site.begin(1).await;
    let mut bffs = Vec::new();
    for routes in LEVELS {
        let setup = bff::Setup {
            lines: further_routes(upstream, routes - 1),
            ..bff::Setup::named(bff::REDIS)
        };
        let bff = Bff::start(&site, &setup).await;
        check::does_its_work(&bff, &cookies[0]);
        bffs.push(bff);
    }
    let file = cookie_file(&cookies);
    let asked = Asked {
        cookies: file.path(),
        connections: CONNECTIONS,
        duration: arguments.rounds.duration,
    };
    let mut sides = vec![Side::of_nginx(&nginx)];
    sides.extend(bffs.iter().map(|bff| Side::of_bffs(&site, [bff])));
    let found = in_turns(arguments.rounds, upstream, &sides, asked).await;
    for (routes, (side, one)) in [1].iter().chain(&LEVELS).zip(sides.iter().zip(&found)) {
        println!(
            "| {routes} | {} | {:.1} | {:.2} | {:.0} | {:.0} | {:.0} |",
            side.name,
            one.cpu_us,
            one.cpu_us / found[0].cpu_us,
            one.requests_per_second,
            one.p50_us,
            one.p99_us,
        );
        if side.name == bff::REDIS {
            outcome.point("routes", side.name, *routes, one.total_cpu_us());
            outcome.point("routes", nginx::NAME, *routes, found[0].total_cpu_us());
        }
    }
    println!();
    site.provider.was_left_alone();
    outcome
}

/// Longer prefixes than [`PREFIX`], so that all of them are tried before it.
fn further_routes(upstream: &Upstream, number: usize) -> String {
    let mut lines = String::new();
    for route in 0..number {
        let _ = write!(
            lines,
            "[[route]]\nprefix = \"{PREFIX}/r{route:03}\"\nupstream = \"http://{}\"\naccess = \"session\"\n",
            upstream.authority()
        );
    }
    lines
}
