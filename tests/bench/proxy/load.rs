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
use crate::cores::Place;

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
    pub(crate) threads: Threads,
    pub(crate) duration: Duration,
    /// The fewest bytes of an answer.
    pub(crate) least_bytes: u64,
}

/// Threads of `wrk`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Threads {
    pub(crate) count: u32,
    /// Otherwise where this process is.
    pub(crate) place: Option<Place>,
}

impl Threads {
    pub(crate) const ONE: Self = Self {
        count: 1,
        place: None,
    };
}

/// Asks as often as goes over so many connections, one request at a time on each, from one thread of `wrk`.
///
/// # Panics
/// When an answer is not what it should be, or a connection fails.
pub(crate) async fn full(contender: &Contender, case: &Case, connections: u32, duration: Duration) -> Told {
    full_by(contender, case, connections, duration, Threads::ONE).await
}

/// The same from other threads.
pub(crate) async fn full_by(
    contender: &Contender,
    case: &Case,
    connections: u32,
    duration: Duration,
    threads: Threads,
) -> Told {
    answers_rightly(contender, case).await;
    let run = Run {
        what: format!("{}, {}, {connections} connections", contender.name, case.name),
        port: contender.port,
        path: case.path,
        script: script(contender, case),
        connections,
        threads,
        duration,
        least_bytes: case.answer.least_bytes(),
    };
    let told = run.take().await;
    answers_rightly(contender, case).await;
    told
}

impl Run<'_> {
    /// Asks.
    ///
    /// # Panics
    /// When an answer is an error or too short, or a connection fails.
    pub(crate) async fn take(self) -> Told {
        let folder = tempfile::TempDir::new().expect("a temporary folder");
        let file = folder.path().join("requests.lua");
        std::fs::write(&file, self.script + WRK_TELLS).expect("a file");
        let arguments = [
            "--latency".to_owned(),
            "--timeout=20s".to_owned(),
            format!("--threads={}", self.threads.count),
            format!("--connections={}", self.connections),
            format!("--duration={}s", self.duration.as_secs().max(1)),
            format!("--script={}", file.display()),
            format!("http://127.0.0.1:{}{}", self.port, self.path),
        ];
        let words = match self.threads.place {
            Some(place) => place.words(&["wrk"], arguments.into()),
            None => [&["wrk".to_owned()], &arguments[..]].concat(),
        };
        let run = Command::new(&words[0])
            .args(&words[1..])
            .kill_on_drop(true)
            .output();
        let output = timeout(self.duration + Duration::from_secs(60), run)
            .await
            .expect("wrk ends")
            .expect("wrk runs: `tests/setup.sh bench` installs it");
        let [printed, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        let what = &self.what;
        let told = Told::read(&printed).unwrap_or_else(|fault| panic!("{what}: {fault} {stderr}"));
        // `wrk` counts redirects as answers.
        assert!(
            told.bytes >= told.requests * self.least_bytes as f64,
            "{what}: answers are too short: {told:?}"
        );
        told
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
