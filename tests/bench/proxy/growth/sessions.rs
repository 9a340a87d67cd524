//! Does a request cost more with more sessions?

use std::io::Write as _;

use super::crowd::{Crowd, all_are_200};
use super::side::{Asked, PATH, Side, in_turns};
use super::site::{Bff, Site};
use super::{Found, check, percent};
use crate::arguments::Arguments;
use crate::contender::{bff, nginx};
use crate::upstream::Upstream;

const GUIDE: &str = "\
Requests are spread at random over up to 50,000 of the sessions. A node keeps as many in memory as fit into 64 MiB, about\n\
ten thousand: more sessions in use than that, and requests have to read theirs from Redis. \"In memory\" says how many did\n\
not. What depends on the number of sessions alone shows from 100,000 to 1,000,000, where that share is the same.\n\
Uses, which are written down once a minute for each session, are left out. nginx, measured in the same rounds, knows no\n\
sessions: how far its figures drift is how far ours may.";
/// How many of the sessions are used.
const MOST_USED: usize = 50_000;
pub(super) const CONNECTIONS: u32 = 64;
const HEAD: &str = "| sessions | used | contender | CPU µs/request | … of nginx | + Redis µs | in memory | requests/s | p50 µs | p99 µs |";

pub(super) async fn measure(upstream: &Upstream, arguments: &Arguments) -> Found {
    let mut outcome = Found::default();
    println!("## Sessions\n\n{GUIDE}\n\n{HEAD}\n|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|");
    let site = Site::start(upstream).await;
    let nginx = nginx::start(upstream).await;
    let mut cookies = Vec::new();
    for level in arguments.sessions.iter().copied() {
        cookies.append(&mut site.begin(level - cookies.len()).await);
        let step = level.div_ceil(MOST_USED);
        let used: Vec<_> = cookies.iter().step_by(step).cloned().collect();
        let bff = Bff::start(&site, &bff::Setup::named(bff::REDIS)).await;
        check::does_its_work(&bff, &used[0]);
        look_at_all(&bff, &used);

        let file = cookie_file(&used);
        let asked = Asked {
            cookies: file.path(),
            connections: CONNECTIONS,
            duration: arguments.rounds.duration,
        };
        let sides = [Side::of_nginx(&nginx), Side::of_bffs(&site, [&bff])];
        let before = Lookups::of(&bff).await;
        let found = in_turns(arguments.rounds, upstream, &sides, asked).await;
        let in_memory = Lookups::of(&bff).await.share_in_memory_since(&before);
        for (side, one) in sides.iter().zip(&found) {
            outcome.point("sessions", side.name, level, one.total_cpu_us());
            let is_ours = side.name == bff::REDIS;
            println!(
                "| {level} | {} | {} | {:.1} | {:.2} | {} | {} | {:.0} | {:.0} | {:.0} |",
                used.len(),
                side.name,
                one.cpu_us,
                one.cpu_us / found[0].cpu_us,
                if is_ours {
                    format!("{:.1}", one.redis_cpu_us)
                } else {
                    "–".to_owned()
                },
                if is_ours {
                    percent(in_memory)
                } else {
                    "–".to_owned()
                },
                one.requests_per_second,
                one.p50_us,
                one.p99_us,
            );
        }
    }
    println!();
    site.provider.was_left_alone();
    outcome
}

/// Every session once: whichever of them is picked afterwards, it is one that lives, and memory holds what it can.
fn look_at_all(bff: &Bff, cookies: &[String]) {
    let crowd = Crowd {
        port: bff.port,
        path: PATH,
        cookies,
        connections: 64,
    };
    let replies = tokio::task::block_in_place(|| crowd.each_once());
    all_are_200("each session once", &replies);
}

/// For `wrk`: one header `Cookie` a line.
pub(super) fn cookie_file(cookies: &[String]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(cookies.join("\n").as_bytes())
        .expect("a temporary file");
    file
}

/// Where sessions were found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lookups {
    hits: f64,
    misses: f64,
}

impl Lookups {
    pub(super) async fn of(bff: &Bff) -> Self {
        Self {
            hits: bff.counter("bff_replica_lookups_total{outcome=\"hit\"").await,
            misses: bff.counter("bff_replica_lookups_total{outcome=\"miss\"").await,
        }
    }

    pub(super) fn share_in_memory_since(&self, before: &Self) -> f64 {
        let (hits, misses) = (self.hits - before.hits, self.misses - before.misses);
        assert!(hits + misses > 0.0, "the BFF counts its lookups");
        hits / (hits + misses)
    }
}
