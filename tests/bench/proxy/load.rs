//! Load: as much as goes ([`full`]), at a rate ([`steady`]), or over very many connections ([`crowd`]).

pub(crate) mod crowd;
pub(crate) mod steady;
pub(crate) mod wire;

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use crate::case::Case;
use crate::check::answers_rightly;
use crate::contender::Contender;

/// What full load found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Full {
    pub(crate) requests: f64,
    pub(crate) requests_per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// One run of `wrk`.
#[derive(Debug)]
pub(crate) struct Run<'r> {
    /// Who is asked for what, for people.
    pub(crate) what: String,
    pub(crate) port: u16,
    pub(crate) path: &'r str,
    /// Lua: what the requests are.
    pub(crate) script: String,
    pub(crate) connections: u32,
    pub(crate) duration: Duration,
    /// The fewest bytes of an answer.
    pub(crate) least_bytes: u64,
}

/// Asks as often as goes over so many connections, one request at a time on each, from one thread of `wrk`.
///
/// # Panics
/// When an answer is not what it should be, or a connection fails.
pub(crate) async fn full(contender: &Contender, case: &Case, connections: u32, duration: Duration) -> Full {
    answers_rightly(contender, case).await;
    let run = Run {
        what: format!("{}, {}, {connections} connections", contender.name, case.name),
        port: contender.port,
        path: case.path,
        script: script(contender, case),
        connections,
        duration,
        least_bytes: case.answer.least_bytes(),
    };
    let full = run.take().await;
    answers_rightly(contender, case).await;
    full
}

impl Run<'_> {
    /// Asks.
    ///
    /// # Panics
    /// When an answer is an error or too short, or a connection fails.
    pub(crate) async fn take(self) -> Full {
        let folder = tempfile::TempDir::new().expect("a temporary folder");
        let file = folder.path().join("requests.lua");
        std::fs::write(&file, self.script + REPORT).expect("a file");
        let run = Command::new("wrk")
            .args(["--threads", "1", "--latency", "--timeout", "20s"])
            .args(["--connections", &self.connections.to_string()])
            .args(["--duration", &format!("{}s", self.duration.as_secs().max(1))])
            .arg("--script")
            .arg(&file)
            .arg(format!("http://127.0.0.1:{}{}", self.port, self.path))
            .kill_on_drop(true)
            .output();
        let output = timeout(self.duration + Duration::from_secs(60), run)
            .await
            .expect("wrk ends")
            .expect("wrk runs: `tests/setup.sh bench` installs it");
        let printed = String::from_utf8_lossy(&output.stdout);
        let found = printed
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("found "))
            .unwrap_or_else(|| panic!("wrk says nothing: {output:?}"));
        let found: Value = serde_json::from_str(found).expect("the script prints JSON");
        let number = |name: &str| found[name].as_f64().unwrap_or_else(|| panic!("{name}: {found}"));

        let what = &self.what;
        for fault in ["connect", "read", "write", "timeout", "status"] {
            assert_eq!(number(fault), 0.0, "{what}: {fault} errors: {found}");
        }
        let requests = number("requests");
        assert!(requests > 0.0, "{what}: nothing was answered: {found}");
        // `wrk` counts redirects as answers.
        assert!(
            number("bytes") >= requests * self.least_bytes as f64,
            "{what}: answers are too short: {found}"
        );
        Full {
            requests,
            requests_per_second: requests / (number("microseconds") / 1e6),
            p50_us: number("p50"),
            p99_us: number("p99"),
        }
    }
}

fn script(contender: &Contender, case: &Case) -> String {
    let mut script = String::new();
    for (name, value) in contender.headers(case.body.is_some()) {
        let _ = writeln!(script, "wrk.headers[{name:?}] = {value:?}");
    }
    if let Some(bytes) = case.body {
        let _ = writeln!(
            script,
            "wrk.method = \"POST\"\nwrk.body = string.rep(\"x\", {bytes})"
        );
    }
    script
}

const REPORT: &str = r#"
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'found {"requests":%d,"microseconds":%d,"bytes":%.0f,"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d,"p50":%d,"p99":%d}\n',
    summary.requests, summary.duration, summary.bytes, errors.connect, errors.read, errors.write, errors.timeout,
    errors.status, latency:percentile(50), latency:percentile(99)))
end
"#;
