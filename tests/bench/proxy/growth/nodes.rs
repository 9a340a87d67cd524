//! What more nodes on one Redis bring, and what they ask of it.

use std::time::{Duration, Instant};

use super::sessions::cookie_file;
use super::side::{Asked, Reading, Side, in_turns};
use super::site::{Bff, Site};
use super::{Found, check, percent};
use crate::arguments::Arguments;
use crate::contender::{bff, nginx};
use crate::cores::{Place, count};
use crate::upstream::Upstream;

const GUIDE: &str = "\
One session, used at all nodes at once; a node has one worker. Nodes, load, upstream and Redis share the cores of this\n\
machine, so rates cannot grow with the nodes for long: with p µs for each request in the nodes and r µs in load and upstream, c cores can do\n\
c · 1,000,000 / (p + r) requests a second at most, and the last column says how near they come. Processor\n\
time for each request rises somewhat even so, because processes that share a core drive each other out of its caches and find\n\
less to do each time they wake up; nginx is on a core of its own. What nodes cost each other is in the operations of Redis:\n\
beats, by which nodes know that they hear of every change. Those depend on nodes and time and not on requests.";
const MOST: usize = 3;
/// Divided by one, two and three.
const CONNECTIONS: u32 = 96;

pub(super) async fn measure(upstream: &Upstream, arguments: &Arguments) -> Found {
    let mut outcome = Found::default();
    println!("## Nodes\n\n{GUIDE}\n");
    println!(
        "| nodes | contender | CPU µs/request | … of nginx | + Redis µs | requests/s | Redis operations/s | … idle | idle CPU ms/s a node | of what the cores can do |"
    );
    println!("|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    let site = Site::start(upstream).await;
    let nginx = nginx::start(upstream).await;
    let cookies = site.begin(1).await;
    let file = cookie_file(&cookies);
    let asked = Asked {
        cookies: file.path(),
        connections: CONNECTIONS,
        duration: arguments.rounds.duration,
    };
    let setup = bff::Setup {
        place: Place::AllCores,
        ..bff::Setup::named(bff::REDIS)
    };
    let mut bffs = Vec::new();
    for nodes in 1..=MOST {
        let bff = Bff::start(&site, &setup).await;
        check::does_its_work(&bff, &cookies[0]);
        bffs.push(bff);
        let sides = [Side::of_nginx(&nginx), Side::of_bffs(&site, &bffs)];
        let idle = Idle::of(&sides[1], arguments.rounds.duration).await;
        let found = in_turns(arguments.rounds, upstream, &sides, asked).await;
        report(nodes, &found, &idle);
        outcome.point("nodes", bff::REDIS, nodes, found[1].requests_per_second);
        let what = format!("processor time of a request, nodes on one Redis: {nodes}");
        outcome.fact(&what, found[1].total_cpu_us(), "µs");
        if nodes == MOST {
            let each = idle.commands_per_second / nodes as f64;
            outcome.fact("Redis operations of an idle node", each, "a second");
        }
    }
    println!();
    site.provider.was_left_alone();
    outcome
}

fn report(nodes: usize, found: &[Reading], idle: &Idle) {
    let [of_nginx, ours] = found else {
        panic!("nginx and the BFF are measured");
    };
    println!(
        "| – | {} | {:.1} | 1.00 | – | {:.0} | – | – | – | – |",
        nginx::NAME,
        of_nginx.cpu_us,
        of_nginx.requests_per_second
    );
    let possible = count() as f64 * 1e6 / (ours.total_cpu_us() + ours.others_us);
    println!(
        "| {nodes} | {} | {:.1} | {:.2} | {:.1} | {:.0} | {:.1} | {:.1} | {:.2} | {} |",
        bff::REDIS,
        ours.cpu_us,
        ours.cpu_us / of_nginx.cpu_us,
        ours.redis_cpu_us,
        ours.requests_per_second,
        ours.redis_commands_per_second,
        idle.commands_per_second,
        idle.cpu_ms_per_second / nodes as f64,
        percent(ours.requests_per_second / possible),
    );
}

/// What nodes do while nobody asks.
struct Idle {
    commands_per_second: f64,
    cpu_ms_per_second: f64,
}

impl Idle {
    /// Time that passes is what is measured here.
    async fn of(side: &Side<'_>, duration: Duration) -> Self {
        let (began, commands, cpu) = (Instant::now(), side.redis_commands().await, side.cpu());
        tokio::time::sleep(duration).await;
        let cpu = side.cpu().saturating_sub(cpu);
        // The second question counts itself.
        let commands = (side.redis_commands().await - commands).saturating_sub(1);
        let seconds = began.elapsed().as_secs_f64();
        Self {
            commands_per_second: commands as f64 / seconds,
            cpu_ms_per_second: cpu.as_secs_f64() * 1e3 / seconds,
        }
    }
}
