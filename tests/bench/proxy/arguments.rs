//! What the command line says.

use std::time::Duration;

use crate::case::{self, Case};
use crate::contender::{bff, mod_auth_openidc, nginx, oauth2_proxy};
use crate::growth;
use crate::rounds::{Point, Rounds};

const USAGE: &str = "proxy [quick | growth [quick] [A,B,…]] [OPTION…], or proxy --render\n\
     without a word   everything\n\
     quick            fewer cases, our BFF and nginx only, no growth: two minutes\n\
     growth           only how it grows, all of it or what is named\n\
     growth quick     the same once, a second each, with no more than 10,000 sessions\n\
     --rounds NUMBER  the medians of so many (3)\n\
     --seconds NUMBER each takes so long (3; quick: 1)\n\
     --cases A,B,…    only these; `none`: only half load, workers and Redis commands\n\
     --contenders A,B,…\n\
     --levels A,B,…   how many sessions the growth of `sessions` has; a million take 4.5 GB in Redis\n\
     --write          puts the figures into docs/benchmarks and the pages\n\
     --compare        sets them against those; fails when they are worse\n\
     --render         measures nothing: draws pages and charts of the committed figures anew";
const FEW: u32 = 32;
const MANY: u32 = 512;
const SESSIONS: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];

#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) rounds: Rounds,
    pub(crate) points: Vec<Point>,
    pub(crate) contenders: Vec<String>,
    /// Whether workers and Redis commands are measured as well.
    pub(crate) with_workers: bool,
    /// Names of [`growth::ALL`].
    pub(crate) growth: Vec<String>,
    /// How many sessions there are where that is what grows.
    pub(crate) sessions: Vec<usize>,
    pub(crate) then: Then,
}

/// What the figures are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Print,
    Write,
    Compare,
    Render,
}

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Everything,
    Quick,
    Growth,
}

impl Arguments {
    /// # Panics
    /// When they say nothing that makes sense.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Self {
        // cargo adds `--bench`.
        let mut words = words.filter(|word| word != "--bench").peekable();
        let mut growth = growth::names();
        let scope = match words.next_if(|word| !word.starts_with("--")).as_deref() {
            None => Scope::Everything,
            Some("quick") => Scope::Quick,
            Some("growth") => Scope::Growth,
            Some(_) => panic!("{USAGE}"),
        };
        let is_quick_growth = scope == Scope::Growth && words.next_if_eq("quick").is_some();
        if scope == Scope::Growth
            && let Some(word) = words.next_if(|word| !word.starts_with("--"))
        {
            let known = std::mem::take(&mut growth);
            growth = word.split(',').map(str::to_owned).collect();
            let is_known = |name| known.contains(name);
            assert!(
                growth.iter().all(is_known),
                "of growth there is {}",
                known.join(", ")
            );
        }
        let (mut rounds, mut seconds) = match scope {
            _ if is_quick_growth => (1, 1),
            Scope::Quick => (3, 1),
            Scope::Growth | Scope::Everything => (3, 3),
        };
        let mut sessions = if is_quick_growth {
            &SESSIONS[..2]
        } else {
            &SESSIONS[..]
        }
        .to_vec();
        let (mut cases, mut contenders) = (None, None);
        let mut then = Then::Print;
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_else(|| panic!("{USAGE}"));
            let names = |value: String| Some(value.split(',').map(str::to_owned).collect::<Vec<_>>());
            match word.as_str() {
                "--write" => then = Then::Write,
                "--compare" => then = Then::Compare,
                "--render" => then = Then::Render,
                "--rounds" => rounds = value().parse().expect("a number of rounds"),
                "--seconds" => seconds = value().parse().expect("a number of seconds"),
                "--levels" => sessions = levels(&value()),
                "--cases" => cases = names(value()),
                "--contenders" => contenders = names(value()),
                _ => panic!("{USAGE}"),
            }
        }
        assert!(rounds > 0 && seconds > 0, "{USAGE}");
        let is_narrowed = cases.is_some() || contenders.is_some();
        Self {
            rounds: Rounds {
                rounds,
                duration: Duration::from_secs(seconds),
            },
            points: points(cases.as_deref(), scope),
            contenders: contenders.unwrap_or_else(|| default_contenders(scope)),
            with_workers: scope == Scope::Everything,
            growth: match scope {
                Scope::Everything if !is_narrowed => growth,
                Scope::Growth => growth,
                _ => Vec::new(),
            },
            sessions,
            then,
        }
    }
}

/// The fewest first, since those of one level are some of the next.
fn levels(text: &str) -> Vec<usize> {
    let each = text
        .split(',')
        .map(|level| level.parse().expect("numbers of sessions"));
    let mut levels: Vec<usize> = each.collect();
    levels.sort_unstable();
    levels.dedup();
    assert!(!levels.contains(&0), "{USAGE}");
    levels
}

fn points(names: Option<&[String]>, scope: Scope) -> Vec<Point> {
    if scope == Scope::Growth {
        return Vec::new();
    }
    let is_meant = |case: &&Case| match names {
        Some(names) => names.iter().any(|name| name == case.name),
        None => scope == Scope::Everything || case.in_quick,
    };
    for name in names.unwrap_or_default() {
        let is_known = name == "none" || case::ALL.iter().any(|case| case.name == name);
        assert!(is_known, "there is no case {name}");
    }
    let meant = case::ALL.iter().filter(is_meant);
    meant
        .flat_map(|case| {
            let many = case.with_many.then_some((*case, MANY));
            [(*case, FEW)].into_iter().chain(many)
        })
        .collect()
}

fn default_contenders(scope: Scope) -> Vec<String> {
    let mut names = match scope {
        Scope::Growth => Vec::new(),
        Scope::Quick => vec![nginx::NAME, bff::REDIS, bff::EMBEDDED],
        Scope::Everything => vec![nginx::NAME, bff::REDIS, bff::EMBEDDED, mod_auth_openidc::NAME],
    };
    if scope == Scope::Everything && oauth2_proxy::program().is_some() {
        names.push(oauth2_proxy::NAME);
    }
    names.into_iter().map(str::to_owned).collect()
}
