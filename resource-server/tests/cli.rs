//! The program as an operator meets it.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of a test may fail like the test itself"
)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const VALID: &str = "[server]\nlisten = \"127.0.0.1:0\"\nworkers = 1\n\
                     [token]\nissuer = \"http://127.0.0.1:9\"\naudience = \"https://notes.example\"\n";

fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resource-server"));
    command
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(config: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("resource-server.toml"), config).unwrap();
    program(folder.path(), arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_valid_configuration_is_called_so() {
    let output = run(VALID, &["--check-config"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "configuration is valid\n");
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn all_faults_of_a_configuration_are_told_with_and_without_the_check() {
    let faulty = "[server]\nlisten = \"here\"\nworker = 1\n[token]\nissuer = \"http://127.0.0.1:9\"\n";
    for arguments in [&["--check-config"][..], &[]] {
        let output = run(faulty, arguments);
        assert_eq!(output.status.code(), Some(78), "{arguments:?}");
        assert_eq!(text(&output.stdout), "");
        assert_eq!(
            text(&output.stderr),
            "resource-server: resource-server.toml: 3 faults in the configuration:\n  \
             server.listen = \"here\": must be an IP address and a port, such as \"127.0.0.1:9100\"\n  \
             server.worker: is not a known key\n  \
             token.audience: is missing\n"
        );
    }
}

#[test]
fn a_configuration_that_is_not_there_is_a_fault() {
    let output = run(VALID, &["--config", "elsewhere.toml", "--check-config"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(
        text(&output.stderr).contains("elsewhere.toml"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn what_cannot_be_used_at_the_start_is_a_failure_with_its_cause() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&VALID.replace("127.0.0.1:0", &address), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains(&format!("cannot listen on {address}")),
        "{}",
        text(&output.stderr)
    );

    let output = run(
        &format!("{VALID}[notes]\npath = \"no-such-folder/notes.redb\"\n"),
        &[],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot open the notes file no-such-folder/notes.redb"));
}

/// A program that says on which address it is up; ended with the test, whatever comes.
struct Up {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    line: String,
}

impl Up {
    fn start(folder: &Path) -> Self {
        let mut child = program(folder, &["--config", "service.toml"]).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("the notes service is up") {
            line.clear();
            assert!(
                stderr.read_line(&mut line).unwrap() > 0,
                "the program ended before it was up"
            );
        }
        assert!(
            !line.contains('\u{1b}'),
            "colours where there is no terminal: {line:?}"
        );
        Self { child, stderr, line }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn the_service_ends_well_when_it_is_asked_to() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let config = format!("{VALID}[notes]\npath = \"notes.redb\"\n[log]\nformat = \"json\"\n");
        std::fs::write(folder.path().join("service.toml"), config).unwrap();
        let mut up = Up::start(folder.path());

        let told: serde_json::Value = serde_json::from_str(&up.line).unwrap();
        let address = told["fields"]["address"].as_str().unwrap();
        std::net::TcpStream::connect(address).unwrap();
        assert!(folder.path().join("notes.redb").exists());

        up.signal(signal);
        assert_eq!(up.child.wait().unwrap().code(), Some(0), "after SIG{signal}");
        let mut rest = String::new();
        up.stderr.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("stopping"), "{rest}");
        let mut stdout = String::new();
        up.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut stdout)
            .unwrap();
        assert_eq!(stdout, "", "the log goes to stderr");
    }
}
