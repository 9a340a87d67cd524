//! Load at a rate: requests fall due at even intervals, whether or not earlier ones are answered.
//!
//! `wrk` waits for each answer before it asks again, so a proxy that halts is asked less while it does ("coordinated
//! omission"). Here a request that could not be sent when it was due counts from then. `h2load --rps` would be the tool for
//! it, but it sends what fell due in bursts, every 10 ms, on all connections at once: what one sees is the burst.

use std::thread;
use std::time::{Duration, Instant};

use crate::case::Case;
use crate::contender::Contender;
use crate::load::wire::Connection;

/// Enough that one is free when a request falls due, unless the proxy halts.
const CONNECTIONS: u32 = 64;
/// The first answers are left out: connections are made and caches filled.
const WARM_UP: Duration = Duration::from_millis(500);

/// What a steady load found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steady {
    pub(crate) requests_per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// Sends this many requests a second.
///
/// # Panics
/// When an answer is not what it should be, or a connection fails.
pub(crate) fn run(contender: &Contender, case: &Case, per_second: f64, duration: Duration) -> Steady {
    let begin = Instant::now() + Duration::from_millis(50);
    let end = begin + WARM_UP + duration;
    let interval = Duration::from_secs_f64(1.0 / per_second);
    let mut latencies: Vec<Duration> = thread::scope(|scope| {
        let connections: Vec<_> = (0..CONNECTIONS)
            .map(|number| {
                let first = begin + interval * number;
                scope.spawn(move || {
                    let connection = Connection::open(contender, case);
                    one_connection(connection, first, interval * CONNECTIONS, end)
                })
            })
            .collect();
        let each = connections
            .into_iter()
            .map(|connection| connection.join().expect("every answer is right"));
        each.collect::<Vec<_>>().concat()
    });
    let took = begin.elapsed().saturating_sub(WARM_UP);
    latencies.sort_unstable();
    let at =
        |share: f64| latencies[((latencies.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e6;
    Steady {
        requests_per_second: latencies.len() as f64 / took.as_secs_f64(),
        p50_us: at(0.5),
        p99_us: at(0.99),
    }
}

fn one_connection(
    mut connection: Connection,
    first: Instant,
    interval: Duration,
    end: Instant,
) -> Vec<Duration> {
    let mut latencies = Vec::new();
    let mut due = first;
    while due < end {
        // A connection that is free sleeps until the request is due, and how late it wakes up is not the proxy's fault.
        let early = due.checked_duration_since(Instant::now());
        let counts_from = early.map_or(due, |early| {
            thread::sleep(early);
            Instant::now()
        });
        connection.ask();
        if due >= first + WARM_UP {
            latencies.push(counts_from.elapsed());
        }
        due += interval;
    }
    latencies
}
