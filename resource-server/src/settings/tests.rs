use std::time::Duration;

use super::{Document, Faults};

const HOUR: Duration = Duration::from_secs(3600);

fn nothing(_: &str) -> Option<String> {
    None
}

#[test]
fn every_fault_is_reported_with_key_path_value_and_rule() {
    let faults = Faults::default();
    let text = "port = 70000\ncolour = \"red\"\n[session]\nidle = \"soon\"\n[[route]]\nupstream = 7\n";
    let mut root = Document::parse(text, &nothing).unwrap().root(&faults);

    root.number_or("port", 80, 1..=65_535);
    let mut session = root.section("session");
    session.duration_or("idle", HOUR, Duration::ZERO..=HOUR);
    session.finish();
    for mut route in root.sections("route") {
        route.text("upstream");
        route.text("prefix");
        route.finish();
    }
    root.finish();

    let told: Vec<String> = faults.list().iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "port = 70000: must be a whole number from 1 to 65535",
            "session.idle = \"soon\": must be a span of time such as \"90s\" or \"8h\"",
            "route[0].upstream = 7: must be a text",
            "route[0].prefix: is missing",
            "colour = \"red\": is not a known key",
        ]
    );
}

#[test]
fn a_secret_in_the_file_is_refused_and_not_quoted() {
    let faults = Faults::default();
    let mut root = Document::parse("password = \"hunter2\"", &nothing)
        .unwrap()
        .root(&faults);

    assert!(root.secret("password").is_none());
    assert!(!faults.to_string().contains("hunter2"));
    assert!(faults.to_string().contains("password_file"));
}

#[test]
fn a_secret_comes_from_the_environment() {
    let faults = Faults::default();
    let environment = |name: &str| (name == "PW").then(|| "s3cret\n".to_owned());
    let mut root = Document::parse("password_env = \"PW\"", &environment)
        .unwrap()
        .root(&faults);

    assert!(root.secret("password").is_some());
    root.finish();
    assert!(faults.is_empty());
}

#[test]
fn a_variable_that_is_not_set_is_a_fault() {
    let faults = Faults::default();
    let mut root = Document::parse("password_env = \"PW\"", &nothing)
        .unwrap()
        .root(&faults);

    assert!(root.secret("password").is_none());
    assert_eq!(
        faults.list()[0].to_string(),
        "password_env = PW: is not set in the environment"
    );
}

#[test]
fn what_is_not_toml_is_one_fault() {
    let Err(faults) = Document::parse("a = = b", &nothing) else {
        panic!("accepted");
    };
    assert_eq!(faults.list().len(), 1);
}
