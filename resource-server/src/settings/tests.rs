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
            "colour: is not a known key",
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
fn what_stands_where_it_does_not_belong_is_not_quoted() {
    let faults = Faults::default();
    let text = "client_secrt = \"hunter2\"\nstore = \"redis://u:hunter2@host\"\nroute = \"hunter2\"\n\
                nodes = \"redis://u:hunter2@host\"\nitems = [\"hunter2\"]\n";
    let mut root = Document::parse(text, &nothing).unwrap().root(&faults);
    root.section("store").finish();
    assert!(root.sections("route").is_empty() && root.sections("items").is_empty());
    assert!(root.texts_or("nodes", &[]).is_none());
    root.finish();

    let told = faults.to_string();
    assert!(!told.contains("hunter2"), "{told}");
    assert!(told.contains("client_secrt: is not a known key"), "{told}");
    assert!(told.contains("store: must be a table and not a string"), "{told}");
}

#[test]
fn a_url_with_a_password_is_not_quoted() {
    let faults = Faults::default();
    let text = "url = \"https://u:hunter2@host\"\nother = \"https://host\"\n";
    let mut root = Document::parse(text, &nothing).unwrap().root(&faults);
    for key in ["url", "other"] {
        assert!(
            root.parsed(key, |_| Err::<(), _>("must be another one"))
                .is_none()
        );
    }

    let told = faults.to_string();
    assert!(!told.contains("hunter2"), "{told}");
    assert!(told.contains("url: must be another one"), "{told}");
    assert!(told.contains("other = \"https://host\": must be"), "{told}");
}

#[test]
fn a_line_that_is_not_toml_is_named_and_not_quoted() {
    let text = "a = 1\n  password = \"hunter2\nb = 2\n";
    let told = Document::parse(text, &nothing).err().unwrap().to_string();
    assert!(
        told.contains("line 2, column") && told.contains("is not TOML"),
        "{told}"
    );
    assert!(!told.contains("hunter2"), "{told}");
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
