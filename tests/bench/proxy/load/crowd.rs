//! Many connections of which a few are busy at a time, as those of browsers are.
//!
//! `wrk` asks on all of its connections at once. So with 10,000 of them it shows what 10,000 requests in flight cost, which needs
//! as many connections to the upstream too; and it makes all of them in one burst.

use std::thread;
use std::time::{Duration, Instant};

use crate::case::Case;
use crate::contender::Contender;
use crate::load::wire::Connection;

/// How many requests are in flight, if there are as many connections.
const AT_ONCE: u32 = 32;

/// Connections that were asked once each, dealt out to those who ask.
#[derive(Debug)]
pub(crate) struct Crowd {
    shares: Vec<Vec<Connection>>,
}

impl Crowd {
    /// # Panics
    /// When a connection is not accepted, or its answer is wrong.
    pub(crate) fn gather(contender: &Contender, case: &Case, connections: u32) -> Self {
        let at_once = connections.min(AT_ONCE);
        let mut shares: Vec<(u32, Vec<Connection>)> = (0..at_once)
            .map(|nth| {
                (
                    connections / at_once + u32::from(nth < connections % at_once),
                    Vec::new(),
                )
            })
            .collect();
        thread::scope(|scope| {
            for (count, share) in &mut shares {
                scope.spawn(|| {
                    for _ in 0..*count {
                        let mut connection = Connection::open(contender, case);
                        connection.ask();
                        share.push(connection);
                    }
                });
            }
        });
        Self {
            shares: shares.into_iter().map(|(_, share)| share).collect(),
        }
    }

    /// Each asks on its connections, one after the other and again, for so long. The number of answers.
    ///
    /// # Panics
    /// When a connection ended, or an answer is wrong.
    pub(crate) fn ask_in_turn(&mut self, duration: Duration) -> u64 {
        let end = Instant::now() + duration;
        self.each_share(|share| {
            let mut asked = 0;
            while Instant::now() < end {
                let nth = asked % share.len();
                share[nth].ask();
                asked += 1;
            }
            asked as u64
        })
    }

    /// Asks on every connection once more.
    ///
    /// # Panics
    /// When a connection ended, or an answer is wrong.
    pub(crate) fn ask_everybody(&mut self) {
        self.each_share(|share| {
            share.iter_mut().for_each(Connection::ask);
            share.len() as u64
        });
    }

    fn each_share(&mut self, ask: impl Fn(&mut [Connection]) -> u64 + Sync) -> u64 {
        thread::scope(|scope| {
            let askers: Vec<_> = self
                .shares
                .iter_mut()
                .map(|share| scope.spawn(|| ask(share)))
                .collect();
            let asked = askers
                .into_iter()
                .map(|asker| asker.join().expect("every answer is right"));
            asked.sum()
        })
    }
}
