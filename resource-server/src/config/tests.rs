use std::path::PathBuf;
use std::time::Duration;

use super::{Config, LogFormat, StatusUse};
use crate::algorithm::Algorithm;
use crate::status_list::{Fail, StatusPolicy};

const EXAMPLE: &str = include_str!("../../../resource-server.example.toml");

const LEAST: &str = "[token]\nissuer = \"http://127.0.0.1:9000\"\naudience = \"https://notes.example\"\n";

fn parse(toml: &str) -> Result<Config, Vec<String>> {
    let parsed = Config::parse(toml, &|_| None);
    parsed.map_err(|faults| faults.list().iter().map(ToString::to_string).collect())
}

fn issuers(config: &Config) -> Vec<&str> {
    let issuers = config.token.issuers.iter();
    issuers.map(|one| one.issuer.as_str()).collect()
}

#[test]
fn what_has_no_default_is_enough() {
    let config = parse(LEAST).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:9100");
    assert!(config.workers >= 1);
    assert_eq!(config.management_listen, None);
    assert_eq!(issuers(&config), ["http://127.0.0.1:9000"]);
    assert_eq!(config.token.issuers[0].audience, "https://notes.example");
    assert_eq!(config.token.issuers[0].algorithms, Algorithm::ALL);
    assert_eq!(config.token.audience, "https://notes.example");
    assert_eq!(config.token.leeway, Duration::from_secs(5));
    assert_eq!(config.token.issuers[0].status, StatusUse::Judged);
    assert_eq!(config.status_list.policy, StatusPolicy::default());
    assert_eq!(config.status_list.places, []);
    assert_eq!(config.notes_path, None);
    assert_eq!(
        (config.log.format, config.log.filter.as_str()),
        (LogFormat::Text, "info")
    );
}

#[test]
fn the_defaults_that_the_example_names_are_the_real_ones() {
    assert_eq!(parse(EXAMPLE).unwrap(), parse(LEAST).unwrap());
}

#[test]
fn the_example_names_every_key() {
    // With what is commented out put in, every key of the reader is taken, and there is no key that it does not know.
    let all: String = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.contains(" = ") && !rest.contains(". ") && !rest.ends_with('.') => rest,
            _ => line,
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let config = parse(&all).unwrap();
    assert_eq!(config.workers, 2);
    assert_eq!(config.management_listen, Some("127.0.0.1:9101".parse().unwrap()));
    assert_eq!(
        config.status_list.places,
        ["https://status.example/lists/".parse().unwrap()]
    );
    assert_eq!(config.notes_path, Some(PathBuf::from("notes.redb")));

    for key in [
        "listen",
        "workers",
        "issuer",
        "audience",
        "algorithms",
        "leeway",
        "issuer_over_http",
        "enabled",
        "max_age",
        "fail",
        "open_for",
        "require",
        "places",
        "max_lists",
        "max_list_bytes",
        "path",
        "format",
        "filter",
    ] {
        assert!(
            all.lines().any(|line| line.starts_with(&format!("{key} = "))),
            "{key}"
        );
    }
}

#[test]
fn every_key_can_be_set() {
    let config = parse(
        "[server]\nlisten = \"0.0.0.0:80\"\nworkers = 3\n\
         [management]\nlisten = \"[::1]:81\"\n\
         [token]\nissuer = \"http://op.internal/a\"\naudience = \"api\"\nleeway = \"0s\"\n\
         algorithms = [\"ES256\", \"EdDSA\"]\nissuer_over_http = true\n\
         [status_list]\nmax_age = \"1s\"\nfail = \"closed\"\nrequire = true\n\
         places = [\"http://op.internal/a/lists/\", \"https://status.example/\"]\n\
         max_lists = 2\nmax_list_bytes = 1024\n\
         [notes]\npath = \"/var/lib/notes\"\n\
         [log]\nformat = \"json\"\nfilter = \"warn,resource_server=debug\"\n",
    )
    .unwrap();
    assert_eq!(config.listen.to_string(), "0.0.0.0:80");
    assert_eq!(config.workers, 3);
    assert_eq!(config.management_listen, Some("[::1]:81".parse().unwrap()));
    assert_eq!(issuers(&config), ["http://op.internal/a"]);
    assert_eq!(
        config.token.issuers[0].issuer.url().as_str(),
        "http://op.internal/a"
    );
    assert_eq!(
        config.token.issuers[0].algorithms,
        [Algorithm::Es256, Algorithm::EdDsa]
    );
    assert_eq!(config.token.leeway, Duration::ZERO);
    assert_eq!(config.token.issuers[0].status, StatusUse::Required);
    let status_list = config.status_list;
    let policy = StatusPolicy {
        max_age: Duration::from_secs(1),
        fail: Fail::Closed,
        max_lists: 2,
        max_list_bytes: 1024,
        leeway: Duration::ZERO,
        ..StatusPolicy::default()
    };
    assert_eq!(status_list.policy, policy);
    assert_eq!(status_list.places.len(), 2);
    assert_eq!(config.notes_path, Some(PathBuf::from("/var/lib/notes")));
    assert_eq!(
        (config.log.format, config.log.filter.as_str()),
        (LogFormat::Json, "warn,resource_server=debug")
    );
}

#[test]
fn all_faults_are_told_at_once() {
    let faults = parse(
        "colour = \"red\"\n\
         [server]\nlisten = \"localhost\"\nworkers = 0\n\
         [management]\nlisten = 81\n\
         [token]\nissuer = \"op\"\naudience = \"\"\nleeway = \"1h\"\nalgorithms = [\"ES256\", \"HS256\"]\n\
         [status_list]\nenabled = 1\nmax_age = \"2m\"\nfail = \"soft\"\nopen_for = \"25h\"\nrequire = \"yes\"\n\
         places = [\"https://a.example/x\", \"http://b.example/\", \"c\"]\nmax_lists = 0\nmax_list_bytes = 1\nmore = 1\n\
         [notes]\npath = \"\"\n\
         [log]\nformat = \"xml\"\nfilter = \"a=b=c\"\n",
    );
    assert_eq!(
        faults.unwrap_err(),
        [
            "server.listen = \"localhost\": must be an IP address and a port, such as \"127.0.0.1:9100\"",
            "server.workers = 0: must be a whole number from 1 to 256",
            "management.listen = 81: must be a text",
            "status_list.enabled = 1: must be true or false",
            "status_list.require = \"yes\": must be true or false",
            "token.issuer = \"op\": must be an https address",
            "token.audience = \"\": must not be empty",
            "token.algorithms[1] = \"HS256\": must be one of ES256, ES384, EdDSA, RS256, RS384, RS512, PS256, PS384, PS512",
            "token.leeway = \"1h\": must be from 0s to 5m",
            "status_list.max_age = \"2m\": must be from 1s to 1m",
            "status_list.fail = \"soft\": must be \"open\" or \"closed\"",
            "status_list.open_for = \"25h\": must be from 0s to 1day",
            "status_list.places[0] = \"https://a.example/x\": must end with a slash",
            "status_list.places[1] = \"http://b.example/\": must be https, or http on this machine \
             (token.issuer_over_http = true allows it elsewhere)",
            "status_list.places[2] = \"c\": must be an https address",
            "status_list.max_lists = 0: must be a whole number from 1 to 10000",
            "status_list.max_list_bytes = 1: must be a whole number from 1024 to 268435456",
            "status_list.more: is not a known key",
            "notes.path = \"\": must not be empty; leave it out to keep notes in memory",
            "log.format = \"xml\": must be \"text\" or \"json\"",
            "log.filter = \"a=b=c\": must be a log filter such as \"info\" or \"warn,resource_server=debug\"",
            "colour: is not a known key",
        ]
    );
}

#[test]
fn an_empty_file_lacks_what_has_no_default() {
    assert_eq!(
        parse("").unwrap_err(),
        ["token.issuer: is missing", "token.audience: is missing"]
    );
}

const SEVERAL: &str = "[token]\naudience = \"https://notes.example\"\nalgorithms = [\"ES256\"]\n\
                       [[token.issuers]]\nissuer = \"https://a.example\"\n\
                       [[token.issuers]]\nissuer = \"https://b.example\"\naudience = \"notes\"\nalgorithms = [\"RS256\"]\n";

#[test]
fn several_issuers_have_their_own_audience_and_algorithms_or_the_common_ones() {
    let config = parse(SEVERAL).unwrap();
    assert_eq!(issuers(&config), ["https://a.example", "https://b.example"]);
    let [a, b] = &config.token.issuers[..] else {
        panic!("two issuers")
    };
    assert_eq!(
        (a.audience.as_str(), a.algorithms.as_slice()),
        ("https://notes.example", &[Algorithm::Es256][..])
    );
    assert_eq!(
        (b.audience.as_str(), b.algorithms.as_slice()),
        ("notes", &[Algorithm::Rs256][..])
    );
}

#[test]
fn the_example_of_several_issuers_is_one() {
    // The block is commented out without a space, and takes the place of `issuer`.
    let several: String = EXAMPLE
        .lines()
        .filter(|line| !line.starts_with("issuer = "))
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => rest,
            _ => line,
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let config = parse(&several).unwrap();
    assert_eq!(config.token.issuers.len(), 2, "{several}");
    assert_ne!(config.token.issuers[1].audience, config.token.audience);
    assert_ne!(config.token.issuers[1].algorithms, Algorithm::ALL);
    let status: Vec<_> = config.token.issuers.iter().map(|one| one.status).collect();
    assert_eq!(status, [StatusUse::Required, StatusUse::Ignored]);
}

#[test]
fn all_faults_of_several_issuers_are_told_at_once() {
    let faults = parse(
        "[token]\nissuer = \"https://a.example\"\n\
         [[token.issuers]]\nissuer = \"https://a.example\"\ncolour = \"red\"\n\
         [[token.issuers]]\naudience = \"\"\n\
         [[token.issuers]]\nissuer = \"http://c.example\"\nalgorithms = []\n\
         [[token.issuers]]\nissuer = \"https://a.example\"\naudience = \"x\"\nalgorithms = [\"none\"]\n",
    );
    assert_eq!(
        faults.unwrap_err(),
        [
            "token.issuer: must not be set together with token.issuers",
            "token.audience: is missing",
            "token.issuers[0].colour: is not a known key",
            "token.issuers[1].issuer: is missing",
            "token.issuers[1].audience = \"\": must not be empty",
            "token.issuers[2].issuer = \"http://c.example\": must be https, or http on this machine \
             (token.issuer_over_http = true allows it elsewhere)",
            "token.issuers[2].algorithms = []: must name an algorithm",
            "token.issuers[3].issuer = \"https://a.example\": is there twice",
            "token.issuers[3].algorithms[0] = \"none\": must be one of ES256, ES384, EdDSA, RS256, RS384, RS512, \
             PS256, PS384, PS512",
        ]
    );
    let nobody = parse("[token]\naudience = \"a\"\nissuers = []\n");
    assert_eq!(nobody.unwrap_err(), ["token.issuers: must name an issuer"]);
}

fn issuer_fault(issuer: &str) -> Option<String> {
    let toml = format!("[token]\nissuer = {issuer:?}\naudience = \"a\"\n");
    parse(&toml).err().map(|faults| faults.join("; "))
}

#[test]
fn an_issuer_is_spelled_as_tokens_spell_it() {
    for good in [
        "https://op.example",
        "https://op.example/",
        "https://op.example/realms/a",
        "https://op.example:8443/a/",
        "http://localhost:9000",
        "http://op.localhost",
        "http://127.0.0.1:9000",
        "http://127.9.9.9",
        "http://[::1]:9000",
    ] {
        assert_eq!(issuer_fault(good), None, "{good}");
    }
    for (bad, rule) in [
        ("op.example", "must be an https address"),
        ("ftp://op.example", "must be an https address"),
        ("https://op.example?x=y", "must have no user name"),
        ("https://op.example#x", "must have no user name"),
        ("https://u:p@op.example", "must have no user name"),
        ("https://OP.example", "must be spelled \"https://op.example\""),
        (
            "https://op.example:443/a",
            "must be spelled \"https://op.example/a\"",
        ),
        (
            "https://op.example/a/../b",
            "must be spelled \"https://op.example/b\"",
        ),
        ("http://op.example", "must be https, or http on this machine"),
        ("http://10.0.0.1", "must be https, or http on this machine"),
        (
            "http://localhost.example",
            "must be https, or http on this machine",
        ),
    ] {
        let fault = issuer_fault(bad).unwrap_or_else(|| panic!("{bad} was accepted"));
        assert!(fault.contains(rule), "{bad}: {fault}");
    }
}

#[test]
fn status_lists_may_be_left_alone() {
    let off = parse(&format!("{LEAST}[status_list]\nenabled = false\n"));
    assert_eq!(off.unwrap().token.issuers[0].status, StatusUse::Ignored);
    let contradiction = format!("{LEAST}[status_list]\nfail = \"closed\"\nopen_for = \"1m\"\n");
    assert_eq!(
        parse(&contradiction).unwrap_err(),
        ["status_list.open_for: has no meaning with fail = \"closed\""]
    );
}

#[test]
fn each_issuer_says_what_the_status_of_its_tokens_is() {
    let status = |common: &str, own: &str| {
        let toml = format!(
            "[token]\naudience = \"a\"\n[[token.issuers]]\nissuer = \"https://a.example\"\n\
             [[token.issuers]]\nissuer = \"https://b.example\"\n{own}\n[status_list]\n{common}\n"
        );
        parse(&toml).map(|config| {
            let issuers = config.token.issuers.iter();
            issuers.map(|one| one.status).collect::<Vec<_>>()
        })
    };
    for (common, own, expected) in [
        ("", "", [StatusUse::Judged, StatusUse::Judged]),
        (
            "",
            "status_list.enabled = false",
            [StatusUse::Judged, StatusUse::Ignored],
        ),
        (
            "",
            "status_list.require = true",
            [StatusUse::Judged, StatusUse::Required],
        ),
        ("require = true", "", [StatusUse::Required, StatusUse::Required]),
        (
            "require = true",
            "status_list.require = false",
            [StatusUse::Required, StatusUse::Judged],
        ),
        (
            "require = true",
            "status_list.enabled = false",
            [StatusUse::Required, StatusUse::Ignored],
        ),
        (
            "enabled = false",
            "status_list.enabled = true",
            [StatusUse::Ignored, StatusUse::Judged],
        ),
    ] {
        assert_eq!(status(common, own).unwrap(), expected, "{common}; {own}");
    }
    for (common, own, fault) in [
        (
            "enabled = false",
            "status_list.require = true",
            "token.issuers[1].status_list.require = true: has no meaning with enabled = false",
        ),
        (
            "enabled = false\nrequire = true",
            "",
            "status_list.require = true: has no meaning with enabled = false",
        ),
        (
            "",
            "status_list.require = \"no\"",
            "token.issuers[1].status_list.require = \"no\": must be true or false",
        ),
        (
            "",
            "status_list.max_age = \"1s\"",
            "token.issuers[1].status_list.max_age: is not a known key",
        ),
        (
            "",
            "status_list = true",
            "token.issuers[1].status_list: must be a table and not a boolean",
        ),
    ] {
        assert_eq!(status(common, own).unwrap_err(), [fault]);
    }
}
