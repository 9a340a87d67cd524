//! What signed-in browsers that ask for nothing take.

use std::time::Duration;

use e2e::process::resident_bytes;
use e2e::report::data::{Fact, IDLE_MEMORY};
use tokio::time::sleep;

use super::Found;
use crate::case::SMALL_GET;
use crate::check;
use crate::contender::{self, bff};
use crate::cores::open_files;
use crate::load::crowd::Crowd;
use crate::rounds::Rounds;
use crate::upstream::Upstream;

const CONNECTIONS: u32 = 10_000;
/// The files that BFF and bench have open besides.
const FURTHER_FILES: u64 = 256;
/// Until what was needed for the requests is given back: within six seconds the BFF notices that nothing more is asked, and then
/// two connections rest in each millisecond.
const REST: Duration = Duration::from_secs(15);

/// Every connection has made one request with a session, and stays. It is one session for all, so that what is counted are
/// connections: what a session takes is measured by the bench `scale`.
pub(crate) async fn measure(upstream: &Upstream, _: Rounds) -> Found {
    let files = open_files();
    if files < u64::from(CONNECTIONS) + FURTHER_FILES {
        println!(
            "NOT MEASURED: memory of {CONNECTIONS} connections: {files} files may be open here (`ulimit -Hn`).\n"
        );
        return Found::default();
    }
    let contender = contender::start(bff::REDIS, upstream).await;
    check::does_its_work(&contender, &[SMALL_GET]).await;
    let before = resident_bytes(contender.pid()) as f64;
    let mut crowd = tokio::task::block_in_place(|| Crowd::gather(&contender, &SMALL_GET, CONNECTIONS));
    sleep(REST).await;
    let after = resident_bytes(contender.pid()) as f64;
    // They were there all the time, and still are signed in.
    let open = contender.connections();
    assert!(open >= CONNECTIONS, "{open} connections are left");
    tokio::task::block_in_place(|| crowd.ask_everybody());
    let each = Fact {
        name: "memory of each of these connections, beyond the idle process".to_owned(),
        value: (after - before) / f64::from(CONNECTIONS),
        unit: "bytes".to_owned(),
    };
    let idle = Fact {
        name: "memory of the idle process".to_owned(),
        value: before / 1e6,
        unit: IDLE_MEMORY.unit.to_owned(),
    };
    Found {
        facts: vec![IDLE_MEMORY.is(after / 1e6), idle, each],
        ..Found::default()
    }
}
