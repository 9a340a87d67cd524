//! What it takes to find a session that is not in memory, and what that is made of.

use std::time::{Duration, Instant};

use e2e::redis::Redis;

use crate::meter::{Cost, Latencies};
use e2e::sessions::{Node, Ticket};

/// How many sessions are asked for, if there are as many.
pub(crate) const SAMPLE: usize = 20_000;
/// The kinds take turns, so that what else the machine does meets all of them.
const TURNS: usize = 5;
const TURN: usize = 2_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// What a request does that finds nothing in memory.
    Lookup,
    /// Only the store's part of it.
    Load,
    /// Only decrypting and parsing. That does not depend on how many sessions there are: the machine's own yardstick.
    Open,
    /// The least that Redis can be asked, on the same connection.
    Ping,
}

impl Kind {
    const fn line(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::Load => "… reading the record",
            Self::Open => "… opening it",
            Self::Ping => "yardstick, a PING",
        }
    }

    async fn ask(self, node: &Node, tickets: &[Ticket]) -> Vec<Duration> {
        let (id, key) = &tickets[0];
        let session = node.registry.find(id, key, false).await.unwrap().unwrap();
        let stored = node.store.load(key).await.unwrap().unwrap();
        let mut each = Vec::with_capacity(TURN);
        for (id, key) in tickets.iter().cycle().take(TURN) {
            let begun = Instant::now();
            match self {
                Self::Lookup => drop(node.registry.find(id, key, false).await.unwrap().unwrap()),
                Self::Load => drop(node.store.load(key).await.unwrap().unwrap()),
                Self::Open => drop(node.registry.reopen(&session, &stored).unwrap()),
                Self::Ping => node.store.check().await.unwrap(),
            }
            each.push(begun.elapsed());
        }
        each
    }
}

/// One after the other: how long each of them took, and what all took. Every turn asks for sessions that no turn before it
/// has asked for, as far as there are enough, so that no cache makes a difference which is smaller than they are.
pub(crate) async fn measure(
    node: &Node,
    sample: &[Ticket],
    redis: Option<&Redis>,
) -> Vec<(&'static str, Latencies, Cost)> {
    let kinds = [Kind::Lookup, Kind::Load, Kind::Open, Kind::Ping];
    let kinds = kinds
        .into_iter()
        .filter(|kind| *kind != Kind::Ping || redis.is_some());
    let mut measured: Vec<_> = kinds.map(|kind| (kind, Vec::new(), None)).collect();
    let mut fresh = sample.chunks(TURN).cycle();
    for _ in 0..TURNS {
        for (kind, each, total) in &mut measured {
            let turn = match kind {
                Kind::Lookup | Kind::Load => fresh.next().expect("a sample"),
                Kind::Open | Kind::Ping => &sample[..1],
            };
            let (cost, mut took) = Cost::of(redis, TURN, kind.ask(node, turn)).await;
            each.append(&mut took);
            *total = Some(cost.and(*total));
        }
    }
    let lines = measured.into_iter().filter_map(|(kind, each, total)| {
        let cost: Option<Cost> = total;
        Some((kind.line(), Latencies::new(each), cost?))
    });
    lines.collect()
}
