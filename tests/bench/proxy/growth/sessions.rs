//! Does a request cost more with more sessions?

use std::io::Write as _;

use super::browsers::{Browsers, all_are_200};
use super::side::{Asked, PATH, Reading, Side, in_turns};
use super::site::{Bff, Site};
use super::{Found, check, percent};
use crate::arguments::Arguments;
use crate::contender::{Contender, bff, nginx};
use crate::upstream::Upstream;

const GUIDE: &str = "\
Each request picks one of the sessions that are used, at random; those are spread over all that there are. A node keeps in\n\
memory what fits into 64 MiB, ten thousand sessions or so, and has to read others from Redis: \"in memory\" says how many\n\
requests found theirs without that. So compare lines in which as many are used: what differs there is what the sessions\n\
cost that nobody uses. And compare lines of one store: what differs there is what reading costs. The chart has the lines in\n\
which the most are used. Uses that are written down, once a minute for each session, are left out. nginx is measured in the\n\
same rounds and knows no sessions: as far as its figures drift, ours may as well.";
/// How many of the sessions are used: such as a node has in memory, and more than that.
const USED: [usize; 2] = [1_000, 50_000];
pub(super) const CONNECTIONS: u32 = 64;

pub(super) async fn measure(upstream: &Upstream, arguments: &Arguments) -> Found {
    let mut outcome = Found::default();
    println!("## Sessions\n\n{GUIDE}\n");
    println!(
        "| sessions | used | contender | CPU µs/request | … of nginx | + Redis µs | in memory | requests/s | p50 µs | p99 µs |"
    );
    println!("|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|");
    let site = Site::start(upstream).await;
    let nginx = nginx::start(upstream).await;
    let mut cookies = Vec::new();
    for &level in &arguments.sessions {
        cookies.append(&mut site.begin(level - cookies.len()).await);
        let mut last = None;
        for most_used in USED {
            let used: Vec<_> = cookies
                .iter()
                .step_by(level.div_ceil(most_used))
                .cloned()
                .collect();
            if last.as_ref().is_none_or(|last: &Level| last.used < used.len()) {
                let one = Level::of(&site, &nginx, &used, arguments).await;
                one.print(level);
                last = Some(one);
            }
        }
        let last = last.expect("a level has sessions");
        outcome.point("sessions", nginx::NAME, level, last.nginx.total_cpu_us());
        outcome.point("sessions", bff::REDIS, level, last.ours.total_cpu_us());
        let what = format!(
            "requests whose session was in memory, {} used of {level}",
            last.used
        );
        outcome.fact(&what, last.in_memory * 100.0, "%");
    }
    println!();
    site.provider.was_left_alone();
    outcome
}

/// So many sessions of a store are used.
struct Level {
    used: usize,
    nginx: Reading,
    ours: Reading,
    in_memory: f64,
}

impl Level {
    async fn of(site: &Site<'_>, nginx: &Contender, used: &[String], arguments: &Arguments) -> Self {
        let bff = Bff::start(site, &bff::Setup::named(bff::REDIS)).await;
        check::does_its_work(&bff, &used[0]);
        look_at_all(&bff, used);
        let file = cookie_file(used);
        let asked = Asked {
            cookies: file.path(),
            connections: CONNECTIONS,
            duration: arguments.rounds.duration,
        };
        let sides = [Side::of_nginx(nginx), Side::of_bffs(site, [&bff])];
        let before = Lookups::of(&bff).await;
        let found = in_turns(arguments.rounds, site.upstream, &sides, asked).await;
        Self {
            used: used.len(),
            nginx: found[0],
            ours: found[1],
            in_memory: Lookups::of(&bff).await.share_in_memory_since(&before),
        }
    }

    fn print(&self, sessions: usize) {
        let (nginx, ours, used) = (&self.nginx, &self.ours, self.used);
        println!(
            "| {sessions} | {used} | {} | {:.1} | 1.00 | – | – | {:.0} | {:.0} | {:.0} |",
            nginx::NAME,
            nginx.cpu_us,
            nginx.requests_per_second,
            nginx.p50_us,
            nginx.p99_us,
        );
        println!(
            "| {sessions} | {used} | {} | {:.1} | {:.2} | {:.1} | {} | {:.0} | {:.0} | {:.0} |",
            bff::REDIS,
            ours.cpu_us,
            ours.cpu_us / nginx.cpu_us,
            ours.redis_cpu_us,
            percent(self.in_memory),
            ours.requests_per_second,
            ours.p50_us,
            ours.p99_us,
        );
    }
}

/// Every session once: whichever of them is picked afterwards, it is one that lives, and memory holds what it can.
fn look_at_all(bff: &Bff, cookies: &[String]) {
    let browsers = Browsers {
        port: bff.port,
        path: PATH,
        cookies,
        connections: 64,
    };
    let replies = tokio::task::block_in_place(|| browsers.each_once());
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
