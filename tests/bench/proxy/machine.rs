//! Where it was measured, and of what.

use std::fs;
use std::process::Command;

use e2e::report::data::Results;

use crate::contender::{bff, mod_auth_openidc, oauth2_proxy};
use crate::cores;

/// Results without figures yet: day, machine, and the versions of the programs that take part.
pub(crate) fn describe(contenders: &[String]) -> Results {
    let takes_part = |name: &str| contenders.iter().any(|contender| contender == name);
    let mut versions = vec![
        printed_by(&bff::program().display().to_string(), &["--version"]),
        first_words(&printed_by(e2e::gateway::nginx(), &["-v"])),
        first_words(&printed_by("redis-server", &["--version"])),
        first_words(&printed_by("wrk", &["-v"])),
    ];
    if takes_part(mod_auth_openidc::NAME) {
        let of = ["-W", "-f", "${Package} ${Version}"];
        for package in ["apache2", "libapache2-mod-auth-openidc"] {
            versions.push(printed_by("dpkg-query", &[&of[..], &[package]].concat()));
        }
    }
    if takes_part(oauth2_proxy::NAME)
        && let Some(program) = oauth2_proxy::program()
    {
        versions.push(first_words(&printed_by(&program, &["--version"])));
    }
    Results {
        date: printed_by("date", &["+%F"]),
        machine: machine(),
        versions,
        ..Results::default()
    }
}

fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (processor, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let model = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model.trim());
    let kilobytes = memory
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemTotal:")?
                .trim()
                .strip_suffix(" kB")?
                .parse()
                .ok()
        })
        .unwrap_or(0.0);
    format!(
        "{} cores ({model}), {:.0} GB, Linux {}",
        cores::count(),
        kilobytes * 1_024.0 / 1e9,
        read("/proc/sys/kernel/osrelease").trim()
    )
}

/// The first line, wherever it is printed: nginx tells its version as an error, and `wrk` fails as it does.
fn printed_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program} does not run: {error}"));
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// `nginx version: nginx/1.22.1` as `nginx 1.22.1`, `Redis server v=7.0.15 sha=…` as `Redis 7.0.15`.
fn first_words(line: &str) -> String {
    let line = line.rsplit("version: ").next().unwrap_or(line);
    let words: Vec<_> = line.split(['/', ' ', '=']).collect();
    let is_number = |word: &&&str| {
        let word = word.trim_start_matches('v');
        word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.')
    };
    match words.iter().find(is_number) {
        Some(number) => format!("{} {}", words[0], number.trim_start_matches('v')),
        None => line.to_owned(),
    }
}
