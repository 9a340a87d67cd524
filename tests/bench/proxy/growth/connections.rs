//! Whether a request costs more when more browsers are connected.

use std::time::Duration;

use e2e::measure::median;
use e2e::report::data::Series;

use super::{Found, lines, start_both};
use crate::case::SMALL_GET;
use crate::check;
use crate::contender::Contender;
use crate::cores::open_files;
use crate::load::crowd::Crowd;
use crate::rounds::Rounds;
use crate::upstream::Upstream;

const LEVELS: [u32; 7] = [1, 8, 32, 128, 512, 2_048, 10_000];
/// What proxy and bench have open besides.
const FURTHER_FILES: u64 = 256;

pub(crate) async fn measure(upstream: &Upstream, rounds: Rounds) -> Found {
    let contenders = start_both(upstream).await;
    let mut lines = lines("connections", &contenders);
    for level in LEVELS {
        let files = open_files();
        if files < u64::from(level) + FURTHER_FILES {
            println!("NOT MEASURED: {level} connections: {files} files may be open here (`ulimit -Hn`).\n");
            continue;
        }
        level_of(level, &contenders, rounds, &mut lines).await;
    }
    Found {
        series: lines,
        ..Found::default()
    }
}

async fn level_of(level: u32, contenders: &[Contender], rounds: Rounds, lines: &mut [Series]) {
    let mut all = vec![Vec::new(); contenders.len()];
    for round in 0..rounds.rounds {
        for turn in 0..contenders.len() {
            let who = (turn + round) % contenders.len();
            all[who].push(tokio::task::block_in_place(|| {
                once(&contenders[who], level, rounds.duration)
            }));
            check::answers_rightly(&contenders[who], &SMALL_GET).await;
        }
    }
    for (line, found) in lines.iter_mut().zip(all) {
        line.points.push((f64::from(level), median(found.into_iter())));
    }
}

/// The connections are there before, and stay until it is over.
fn once(contender: &Contender, connections: u32, duration: Duration) -> f64 {
    let mut crowd = Crowd::gather(contender, &SMALL_GET, connections);
    let cpu = || contender.cpu() + contender.redis_cpu().unwrap_or_default();
    let before = cpu();
    let requests = crowd.ask_in_turn(duration);
    cpu().saturating_sub(before).as_secs_f64() * 1e6 / requests as f64
}
