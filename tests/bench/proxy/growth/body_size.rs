//! What the body of an answer costs.

use super::{Found, lines, start_both};
use crate::case::BY_SIZE;
use crate::rounds::Rounds;
use crate::upstream::Upstream;

const CONNECTIONS: u32 = 32;

pub(crate) async fn measure(upstream: &Upstream, rounds: Rounds) -> Found {
    let contenders = start_both(upstream).await;
    let mut lines = lines("body-size", &contenders);
    let points = BY_SIZE.map(|case| (case, CONNECTIONS));
    let found = rounds.full_load(upstream, &contenders, &points).await;
    for (case, of_case) in BY_SIZE.iter().zip(found.chunks(contenders.len())) {
        let bytes = case.answer.least_bytes() as f64;
        for (line, one) in lines.iter_mut().zip(of_case) {
            line.points.push((bytes, one.total_cpu_us()));
        }
    }
    Found {
        series: lines,
        ..Found::default()
    }
}
