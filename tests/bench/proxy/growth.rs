//! How the BFF behaves when there is more of everything: sessions, routes, nodes, tokens that lapse, and after a crash.
//!
//! `cargo bench --workspace --bench proxy -- growth [quick] [sessions,routes,nodes,refresh-storm,cold-start]
//! [--rounds NUMBER] [--seconds NUMBER] [--levels A,B,…]`; the levels are those of `sessions`. A million of them take 4.5 GB
//! in Redis. nginx is measured in the same rounds wherever processor time is told.

mod check;
mod cold_start;
mod crowd;
mod nodes;
pub(crate) mod outcome;
mod provider;
mod refresh_storm;
mod routes;
mod sessions;
mod side;
mod site;

use std::time::{Duration, Instant};

use self::outcome::Outcome;
use crate::rounds::Rounds;

/// The first word of the command line.
pub(crate) const WORD: &str = "growth";
const USAGE: &str = "proxy growth [quick] [NAME,NAME,…] [--rounds NUMBER] [--seconds NUMBER] [--levels A,B,…]\n\
     names: sessions, routes, nodes, refresh-storm, cold-start; without one all of them\n\
     --levels: how many sessions for `sessions`";
const NAMES: [&str; 5] = ["sessions", "routes", "nodes", "refresh-storm", "cold-start"];
const LEVELS: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
const QUICK_LEVELS: [usize; 2] = [1_000, 10_000];

/// What is measured, how often and for how long.
#[derive(Debug)]
pub(crate) struct Plan {
    names: Vec<String>,
    rounds: Rounds,
    levels: Vec<usize>,
}

impl Plan {
    /// Reads the words after [`WORD`].
    ///
    /// # Panics
    /// When they say nothing that makes sense.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Self {
        let mut words = words.peekable();
        let is_quick = words.next_if_eq("quick").is_some();
        let named = words.next_if(|word| !word.starts_with("--"));
        let names = named.unwrap_or_else(|| NAMES.join(","));
        let names: Vec<_> = names.split(',').map(str::to_owned).collect();
        for name in &names {
            assert!(NAMES.contains(&name.as_str()), "there is no {name}\n{USAGE}");
        }
        let (mut rounds, mut seconds) = if is_quick { (1, 1) } else { (3, 3) };
        let mut levels = if is_quick {
            QUICK_LEVELS.to_vec()
        } else {
            LEVELS.to_vec()
        };
        while let Some(word) = words.next() {
            let value = words.next().unwrap_or_else(|| panic!("{USAGE}"));
            match word.as_str() {
                "--rounds" => rounds = value.parse().expect("a number of rounds"),
                "--seconds" => seconds = value.parse().expect("a number of seconds"),
                "--levels" => {
                    let each = value
                        .split(',')
                        .map(|level| level.parse().expect("a number of sessions"));
                    levels = each.collect();
                }
                _ => panic!("{USAGE}"),
            }
        }
        levels.sort_unstable();
        levels.dedup();
        assert!(rounds > 0 && seconds > 0 && !levels.contains(&0), "{USAGE}");
        Self {
            names,
            rounds: Rounds {
                rounds,
                duration: Duration::from_secs(seconds),
            },
            levels,
        }
    }

    fn levels(&self) -> impl Iterator<Item = usize> {
        self.levels.iter().copied()
    }
}

/// Measures what was asked for, and prints it.
pub(crate) async fn run(plan: &Plan) -> Outcome {
    let mut outcome = Outcome::default();
    for name in &plan.names {
        let begun = Instant::now();
        match name.as_str() {
            "sessions" => sessions::measure(plan, &mut outcome).await,
            "routes" => routes::measure(plan, &mut outcome).await,
            "nodes" => nodes::measure(plan, &mut outcome).await,
            "refresh-storm" => refresh_storm::measure(plan, &mut outcome).await,
            _ => cold_start::measure(plan, &mut outcome).await,
        }
        println!("`{name}` took {} s.\n", begun.elapsed().as_secs());
    }
    outcome
}
