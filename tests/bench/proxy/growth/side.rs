//! Who is asked in a round, and what a round finds.

use std::path::Path;
use std::time::Duration;

use e2e::measure::{Told, median};
use e2e::process::{cpu, family};
use futures_util::future::join_all;
use tokio::time::sleep;

use super::site::Site;
use crate::contender::{Contender, Store, headers_of_browser, nginx};
use crate::cores::cpu_of_ended_children;
use crate::load::{Run, Threads};
use crate::rounds::Rounds;
use crate::upstream::{SMALL, Upstream};

/// What is asked for where nothing else is said.
pub(crate) const PATH: &str = "/api/small";

/// One that is measured: some processes, and the Redis that belongs to them.
#[derive(Debug)]
pub(crate) struct Side<'s> {
    pub(crate) name: &'static str,
    /// Connections are spread evenly over them.
    pub(crate) ports: Vec<u16>,
    pids: Vec<u32>,
    store: Option<&'s Store>,
}

/// How it is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// A file with a header `Cookie` in each line; every request picks one.
    pub(crate) cookies: &'a Path,
    pub(crate) connections: u32,
    pub(crate) duration: Duration,
}

/// What a run tells; or the medians of some.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reading {
    pub(crate) cpu_us: f64,
    pub(crate) redis_cpu_us: f64,
    /// Processor time of load and upstream for each request.
    pub(crate) others_us: f64,
    pub(crate) redis_commands_per_second: f64,
    pub(crate) requests_per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

impl<'s> Side<'s> {
    pub(crate) fn of_nginx(nginx: &Contender) -> Self {
        Self {
            name: nginx::NAME,
            ports: vec![nginx.port],
            pids: family(nginx.pid()),
            store: None,
        }
    }

    pub(crate) fn of_bffs<'b>(
        site: &'s Site<'_>,
        bffs: impl IntoIterator<Item = &'b super::site::Bff>,
    ) -> Self {
        let (ports, pids) = bffs.into_iter().map(|bff| (bff.port, bff.pid())).unzip();
        Self {
            name: crate::contender::bff::REDIS,
            ports,
            pids,
            store: Some(&site.store),
        }
    }

    pub(crate) fn cpu(&self) -> Duration {
        self.pids.iter().copied().map(cpu).sum()
    }

    pub(crate) fn redis_cpu(&self) -> Duration {
        self.store.map_or(Duration::ZERO, Store::cpu)
    }

    pub(crate) async fn redis_commands(&self) -> u64 {
        match self.store {
            Some(store) => store.commands().await,
            None => 0,
        }
    }

    /// One run. Processor time and Redis commands are those of its middle, as are the requests that the upstream counts
    /// meanwhile.
    pub(crate) async fn run(&self, upstream: &Upstream, asked: Asked<'_>) -> Reading {
        let others_before = cpu_of_ended_children() + of_family(upstream);
        let nodes = u32::try_from(self.ports.len()).expect("a few");
        let loads = join_all(self.ports.iter().map(|port| {
            let run = Run {
                what: format!("{} at port {port}", self.name),
                port: *port,
                path: PATH,
                script: script(*port, asked.cookies),
                connections: (asked.connections / nodes).max(1),
                threads: Threads::ONE,
                duration: asked.duration,
                least_bytes: u64::try_from(SMALL.len()).expect("it is small"),
            };
            run.take()
        }));
        let middle = async {
            sleep(asked.duration / 4).await;
            let before = self.sample(upstream).await;
            sleep(asked.duration * 5 / 8).await;
            (before, self.sample(upstream).await)
        };
        let (loads, (before, after)) = tokio::join!(loads, middle);
        let others = (cpu_of_ended_children() + of_family(upstream)).saturating_sub(others_before);
        after.since(&before, &loads, others)
    }

    async fn sample(&self, upstream: &Upstream) -> Sample {
        Sample {
            at: std::time::Instant::now(),
            requests: upstream.requests().await,
            cpu: self.cpu(),
            redis_cpu: self.redis_cpu(),
            redis_commands: self.redis_commands().await,
        }
    }
}

fn of_family(upstream: &Upstream) -> Duration {
    family(upstream.pid()).into_iter().map(cpu).sum()
}

/// Counters at one instant.
#[derive(Debug)]
struct Sample {
    at: std::time::Instant,
    requests: u64,
    cpu: Duration,
    redis_cpu: Duration,
    redis_commands: u64,
}

impl Sample {
    fn since(&self, before: &Self, loads: &[Told], others: Duration) -> Reading {
        let requests = self.requests.saturating_sub(before.requests) as f64;
        assert!(requests > 0.0, "nothing came through in the middle of a run");
        let each = |spent: Duration, requests: f64| spent.as_secs_f64() * 1e6 / requests;
        let all: f64 = loads.iter().map(|load| load.requests).sum();
        let worst = |of: fn(&Told) -> f64| loads.iter().map(of).fold(0.0, f64::max);
        // The second question counts itself.
        let commands = (self.redis_commands.saturating_sub(before.redis_commands)).saturating_sub(1) as f64;
        Reading {
            cpu_us: each(self.cpu.saturating_sub(before.cpu), requests),
            redis_cpu_us: each(self.redis_cpu.saturating_sub(before.redis_cpu), requests),
            others_us: each(others, all),
            redis_commands_per_second: commands / (self.at - before.at).as_secs_f64(),
            requests_per_second: loads.iter().map(Told::per_second).sum(),
            p50_us: worst(|load| load.p50_us),
            p99_us: worst(|load| load.p99_us),
        }
    }
}

impl Reading {
    /// Work moved to Redis is still work.
    pub(crate) fn total_cpu_us(&self) -> f64 {
        self.cpu_us + self.redis_cpu_us
    }
}

/// Asks all of them in turns, in an order that moves on, and gives the medians.
pub(crate) async fn in_turns(
    rounds: Rounds,
    upstream: &Upstream,
    sides: &[Side<'_>],
    asked: Asked<'_>,
) -> Vec<Reading> {
    let mut all = vec![Vec::new(); sides.len()];
    for round in 0..rounds.rounds {
        for turn in 0..sides.len() {
            let who = (turn + round) % sides.len();
            all[who].push(sides[who].run(upstream, asked).await);
        }
    }
    all.iter().map(|readings| median_of(readings)).collect()
}

fn median_of(readings: &[Reading]) -> Reading {
    let of = |field: fn(&Reading) -> f64| median(readings.iter().map(field));
    Reading {
        cpu_us: of(|one| one.cpu_us),
        redis_cpu_us: of(|one| one.redis_cpu_us),
        others_us: of(|one| one.others_us),
        redis_commands_per_second: of(|one| one.redis_commands_per_second),
        requests_per_second: of(|one| one.requests_per_second),
        p50_us: of(|one| one.p50_us),
        p99_us: of(|one| one.p99_us),
    }
}

/// Lua that picks a cookie for each request. All requests are written beforehand: the load shall not wait for Lua.
fn script(port: u16, cookies: &Path) -> String {
    let headers: String = headers_of_browser(port, false)
        .into_iter()
        .map(|(name, value)| format!("wrk.headers[{name:?}] = {value:?}\n"))
        .collect();
    format!(
        r#"{headers}
local requests = {{}}
function init()
  math.randomseed(os.time())
  for cookie in io.lines({cookies:?}) do
    wrk.headers["Cookie"] = cookie
    requests[#requests + 1] = wrk.format("GET", {PATH:?})
  end
end
function request()
  return requests[math.random(#requests)]
end
"#,
        cookies = cookies.display().to_string(),
    )
}
