//! What the bench `proxy` hands over, and the words that it uses for it.

use serde::{Deserialize, Serialize};

/// The yardstick: `proxy_pass` without authentication.
pub const NGINX: &str = "nginx";
/// The BFF that shares its sessions with other nodes; the one that targets are for.
pub const BFF_REDIS: &str = "bff-redis";
/// The BFF alone.
pub const BFF_EMBEDDED: &str = "bff-embedded";
/// The strongest peer, on Redis too.
pub const MOD_AUTH_OPENIDC: &str = "mod-auth-openidc";

/// A word of the results, and what readers see instead.
#[derive(Debug)]
pub struct Named {
    /// As it stands in the results.
    pub id: &'static str,
    /// As it stands on pages and charts.
    pub title: &'static str,
}

const fn named(id: &'static str, title: &'static str) -> Named {
    Named { id, title }
}

/// Who is measured, in the order of tables and charts.
pub const CONTENDERS: [Named; 5] = [
    named(NGINX, "nginx, no sign-in"),
    named(BFF_REDIS, "Cloakroom, Redis"),
    named(BFF_EMBEDDED, "Cloakroom, embedded"),
    named(MOD_AUTH_OPENIDC, "mod_auth_openidc"),
    named("oauth2-proxy", "oauth2-proxy"),
];

/// The case of the main chart.
pub const SMALL_GET: &str = "get-small";

/// What is measured, in the order of the table.
pub const CASES: [Named; 8] = [
    named("get-empty", "GET empty"),
    named(SMALL_GET, "GET small"),
    named("get-1k", "GET 1 kB"),
    named("get-64k", "GET 64 kB"),
    named("get-1m", "GET 1 MB"),
    named("post-1k", "POST 1 kB"),
    named("post-64k", "POST 64 kB"),
    named("post-1m", "POST 1 MB"),
];

/// What the two numbers of a chart's points are.
#[derive(Debug)]
pub struct Axes {
    /// [`Series::chart`], and the name of the file.
    pub id: &'static str,
    /// Above the chart.
    pub title: &'static str,
    /// The first number of a point.
    pub x: &'static str,
    /// The second one.
    pub y: &'static str,
}

const CPU: &str = "CPU µs a request";

/// The line charts, in the order of the page.
pub const CHARTS: [Axes; 6] = [
    Axes {
        id: "sessions",
        title: "Does a request cost more with more sessions?",
        x: "sessions in the store",
        y: CPU,
    },
    Axes {
        id: "connections",
        title: "Does a request cost more with more connections?",
        x: "connections of browsers",
        y: CPU,
    },
    Axes {
        id: "body-size",
        title: "What a body costs",
        x: "bytes of the answer",
        y: CPU,
    },
    Axes {
        id: "routes",
        title: "Does a request cost more with more routes?",
        x: "configured routes",
        y: CPU,
    },
    Axes {
        id: "nodes",
        title: "What more nodes bring",
        x: "nodes on one Redis",
        y: "requests a second",
    },
    Axes {
        id: "refresh-storm",
        title: "When the tokens of many sessions lapse at once",
        x: "sessions whose token lapsed",
        y: "ms until the last one is served",
    },
];

/// One contender under one kind of load, as many requests at once as there are connections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// One of [`CASES`].
    pub case: String,
    /// How many connections the load has.
    pub connections: u32,
    /// One of [`CONTENDERS`].
    pub contender: String,
    /// Processor time that the contender's own processes take for a request.
    pub cpu_us: f64,
    /// What Redis takes for it, if the contender has one.
    pub redis_cpu_us: Option<f64>,
    /// With all the load that it can take.
    pub requests_per_second: f64,
    /// Latency under that load.
    pub p50_us: f64,
    /// Latency under that load.
    pub p99_us: f64,
}

impl Measurement {
    /// Processor time of everything that serves the request: work moved to Redis is still work.
    #[must_use]
    pub fn total_cpu_us(&self) -> f64 {
        self.cpu_us + self.redis_cpu_us.unwrap_or(0.0)
    }
}

/// Latencies of small GETs at one rate for all, half of what our BFF can take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HalfLoad {
    /// One of [`CONTENDERS`].
    pub contender: String,
    /// How many were answered; less than was asked for, if the machine was too busy.
    pub requests_per_second: f64,
    /// Median latency.
    pub p50_us: f64,
    /// Latency that one request in a hundred exceeds.
    pub p99_us: f64,
}

/// A line of a chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// One of [`CHARTS`].
    pub chart: String,
    /// One of [`CONTENDERS`].
    pub contender: String,
    /// What [`Axes`] say that they are.
    pub points: Vec<(f64, f64)>,
}

/// A single figure of the BFF.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// A phrase; those of [`KnownFact`] are judged.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// What it counts, such as `MB`.
    pub unit: String,
}

/// A fact that the pages know by its name.
#[derive(Debug)]
pub struct KnownFact {
    /// [`Fact::name`].
    pub name: &'static str,
    /// [`Fact::unit`].
    pub unit: &'static str,
}

impl KnownFact {
    /// The figure under its name.
    #[must_use]
    pub fn is(&self, value: f64) -> Fact {
        Fact {
            name: self.name.to_owned(),
            value,
            unit: self.unit.to_owned(),
        }
    }
}

/// Resident memory of the BFF with 10,000 connections of signed-in browsers that ask for nothing.
pub const IDLE_MEMORY: KnownFact = KnownFact {
    name: "memory of 10,000 idle signed-in connections",
    unit: "MB",
};
/// How much more resident memory the BFF has while 2 GB go to a browser.
pub const DOWNLOAD_GROWTH: KnownFact = KnownFact {
    name: "memory growth while 2 GB go down",
    unit: "MB",
};
/// How much more resident memory the BFF has while 2 GB come from a browser.
pub const UPLOAD_GROWTH: KnownFact = KnownFact {
    name: "memory growth while 2 GB go up",
    unit: "MB",
};
/// Requests a second of two workers on two cores divided by those of one on one; load and upstream are on the same cores.
pub const TWO_WORKERS: KnownFact = KnownFact {
    name: "throughput of two workers on two cores, relative to one on one",
    unit: "x",
};
/// The same of an nginx.
pub const TWO_WORKERS_OF_NGINX: KnownFact = KnownFact {
    name: "throughput of two workers of nginx on two cores, relative to one on one",
    unit: "x",
};
/// What the BFF on Redis asks of it for a request of a session that it knows.
pub const REDIS_COMMANDS: KnownFact = KnownFact {
    name: "Redis commands for a warm request",
    unit: "commands",
};
/// All that are judged, and those that are told beside them.
pub const KNOWN_FACTS: [&KnownFact; 6] = [
    &IDLE_MEMORY,
    &DOWNLOAD_GROWTH,
    &UPLOAD_GROWTH,
    &TWO_WORKERS,
    &TWO_WORKERS_OF_NGINX,
    &REDIS_COMMANDS,
];

/// All of a run, or of the runs that are committed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// The day, as `2026-11-25`; of merged runs all days.
    pub date: String,
    /// Processor, cores, memory, kernel.
    pub machine: String,
    /// Of the programs that took part.
    pub versions: Vec<String>,
    /// The main table.
    pub measurements: Vec<Measurement>,
    /// Latencies when there is room.
    pub half_load: Vec<HalfLoad>,
    /// Lines of charts.
    pub series: Vec<Series>,
    /// Single figures.
    pub facts: Vec<Fact>,
}

impl Results {
    /// One measurement, if it was made.
    #[must_use]
    pub fn find(&self, case: &str, connections: u32, contender: &str) -> Option<&Measurement> {
        self.measurements.iter().find(|measured| {
            measured.case == case && measured.connections == connections && measured.contender == contender
        })
    }

    /// How many connections a case was measured with, the fewest first.
    #[must_use]
    pub fn levels(&self, case: &str) -> Vec<u32> {
        let of_case = self.measurements.iter().filter(|measured| measured.case == case);
        let mut levels: Vec<_> = of_case.map(|measured| measured.connections).collect();
        levels.sort_unstable();
        levels.dedup();
        levels
    }

    /// The level that most contenders were measured at, and of those the one with the fewest connections.
    #[must_use]
    pub fn common_level(&self, case: &str) -> Option<u32> {
        let count = |level: u32| {
            let here = |contender: &&Named| self.find(case, level, contender.id).is_some();
            CONTENDERS.iter().filter(here).count()
        };
        let levels = self.levels(case);
        levels.into_iter().rev().max_by_key(|level| count(*level))
    }

    /// How much processor time a contender takes for a request, relative to nginx.
    #[must_use]
    pub fn cpu_to_nginx(&self, case: &str, connections: u32, contender: &str) -> Option<f64> {
        let nginx = self.find(case, connections, NGINX)?;
        let measured = self.find(case, connections, contender)?;
        Some(measured.total_cpu_us() / nginx.total_cpu_us())
    }
}

/// What readers see instead of a word.
#[must_use]
pub fn title<'a>(of: &'static [Named], id: &'a str) -> &'a str {
    of.iter()
        .find(|named| named.id == id)
        .map_or(id, |named| named.title)
}
