//! What the command line says.

use std::time::Duration;

use crate::case::{self, Case};
use crate::contender::{bff, mod_auth_openidc, nginx, oauth2_proxy};
use crate::rounds::{Point, Rounds};

const USAGE: &str = "proxy [quick] [--rounds NUMBER] [--seconds NUMBER] [--cases A,B,…] [--contenders A,B,…]\n\
     --cases may name `none`: then only half load, workers and Redis commands are measured";
const FEW: u32 = 32;
const MANY: u32 = 512;

#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) rounds: Rounds,
    pub(crate) points: Vec<Point>,
    pub(crate) contenders: Vec<String>,
    /// Whether workers and Redis commands are measured as well.
    pub(crate) is_full: bool,
}

impl Arguments {
    /// # Panics
    /// When they say nothing that makes sense.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Self {
        let mut words = words.peekable();
        let is_full = words.next_if_eq("quick").is_none();
        let (mut rounds, mut seconds) = if is_full { (3, 3) } else { (3, 1) };
        let (mut cases, mut contenders) = (None, None);
        while let Some(word) = words.next() {
            let value = words.next().unwrap_or_else(|| panic!("{USAGE}"));
            let names = || Some(value.split(',').map(str::to_owned).collect::<Vec<_>>());
            match word.as_str() {
                "--rounds" => rounds = value.parse().expect("a number of rounds"),
                "--seconds" => seconds = value.parse().expect("a number of seconds"),
                "--cases" => cases = names(),
                "--contenders" => contenders = names(),
                _ => panic!("{USAGE}"),
            }
        }
        assert!(rounds > 0 && seconds > 0, "{USAGE}");
        Self {
            rounds: Rounds {
                rounds,
                duration: Duration::from_secs(seconds),
            },
            points: points(cases.as_deref(), is_full),
            contenders: contenders.unwrap_or_else(|| default_contenders(is_full)),
            is_full,
        }
    }
}

fn points(names: Option<&[String]>, is_full: bool) -> Vec<Point> {
    let is_meant = |case: &&Case| match names {
        Some(names) => names.iter().any(|name| name == case.name),
        None => is_full || case.in_quick,
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

fn default_contenders(is_full: bool) -> Vec<String> {
    let mut names = vec![nginx::NAME, bff::REDIS, bff::EMBEDDED];
    if is_full {
        names.push(mod_auth_openidc::NAME);
        names.push(oauth2_proxy::NAME);
    }
    names.into_iter().map(str::to_owned).collect()
}
