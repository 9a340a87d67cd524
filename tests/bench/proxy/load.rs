//! Load: as much as goes ([`full`]), at a rate ([`steady`]), or over very many connections ([`crowd`]).

pub(crate) mod crowd;
pub(crate) mod steady;
pub(crate) mod wire;

use std::fmt::Write as _;
use std::time::Duration;

use e2e::measure::{Told, WRK_TELLS};
use tokio::process::Command;
use tokio::time::timeout;

use crate::case::Case;
use crate::check::answers_rightly;
use crate::contender::Contender;

/// Asks as often as goes over so many connections, one request at a time on each, from one thread of `wrk`.
///
/// # Panics
/// When an answer is not what it should be, or a connection fails.
pub(crate) async fn full(contender: &Contender, case: &Case, connections: u32, duration: Duration) -> Told {
    answers_rightly(contender, case).await;
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let file = folder.path().join("requests.lua");
    std::fs::write(&file, script(contender, case)).expect("a file");
    let run = Command::new("wrk")
        .args(["--threads", "1", "--latency", "--timeout", "20s"])
        .args(["--connections", &connections.to_string()])
        .args(["--duration", &format!("{}s", duration.as_secs().max(1))])
        .arg("--script")
        .arg(&file)
        .arg(format!("http://127.0.0.1:{}{}", contender.port, case.path))
        .kill_on_drop(true)
        .output();
    let output = timeout(duration + Duration::from_secs(60), run)
        .await
        .expect("wrk ends")
        .expect("wrk runs: `tests/setup.sh bench` installs it");
    let [printed, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let (who, what) = (contender.name, case.name);
    let told = Told::read(&printed)
        .unwrap_or_else(|fault| panic!("{who}, {what}, {connections} connections: {fault} {stderr}"));
    // `wrk` counts redirects as answers.
    assert!(
        told.bytes >= told.requests * case.answer.least_bytes() as f64,
        "{who}, {what}: answers are too short: {told:?}"
    );
    answers_rightly(contender, case).await;
    told
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
    script.push_str(WRK_TELLS);
    script
}
