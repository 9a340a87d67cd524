//! Whether bodies pass through or pile up: 2 GB down, and 2 GB up.

use e2e::report::data::{DOWNLOAD_GROWTH, Fact, KnownFact, UPLOAD_GROWTH};

use super::Found;
use crate::case::{Answer, Case, HUGE_GET, HUGE_POST, SMALL_GET};
use crate::check;
use crate::contender::{self, Contender, bff};
use crate::load::wire::Connection;
use crate::rounds::Rounds;
use crate::upstream::Upstream;

/// Signed in and with small requests behind it, so that what grows are bodies.
pub(crate) async fn measure(upstream: &Upstream, _: Rounds) -> Found {
    let contender = contender::start(bff::REDIS, upstream).await;
    check::does_its_work(&contender, &[SMALL_GET]).await;
    let facts = tokio::task::block_in_place(|| {
        vec![
            growth(&contender, &DOWNLOAD_GROWTH, &HUGE_GET),
            growth(&contender, &UPLOAD_GROWTH, &HUGE_POST),
        ]
    });
    Found {
        facts,
        ..Found::default()
    }
}

/// By the kernel's peak, which misses nothing between two looks.
fn growth(contender: &Contender, known: &KnownFact, case: &Case) -> Fact {
    let mut connection = Connection::open(contender, case);
    contender.process().forget_peak();
    let (before, _) = contender.process().memory();
    match case.answer {
        Answer::Bytes(bytes) => connection.ask_and_discard(bytes),
        _ => connection.ask(),
    }
    let (_, peak) = contender.process().memory();
    known.is(peak.saturating_sub(before) as f64 / 1e6)
}
