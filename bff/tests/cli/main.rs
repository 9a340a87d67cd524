//! The program as an operator meets it: arguments, exit codes, files, signals.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by panicking"
)]

mod sessions;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

fn bff() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bff"));
    command
        .env_remove("BFF_CONFIG")
        .env("BFF_CLIENT_SECRET", "s3cret")
        .env("SHORT", "too-short-a-token")
        .env("RUST_LOG", "info");
    command
}

fn run(command: &mut Command) -> Output {
    command.output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder with a key ring and a configuration that is valid on any machine.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("bff-keys");
    assert!(run(bff().args(["keys", "generate"]).arg(&keys)).status.success());
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\npublic_url = \"http://localhost:8080\"\nworkers = 1\n\
         [provider]\nissuer = \"http://127.0.0.1:1\"\nclient_id = \"app\"\nclient_secret_env = \"BFF_CLIENT_SECRET\"\n\
         [session]\nkey_ring_file = {keys:?}\n\
         [store.embedded]\npath = {:?}\n",
        folder.path().join("sessions.redb")
    );
    std::fs::write(folder.path().join("bff.toml"), config).unwrap();
    folder
}

fn serve(folder: &Path) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child = bff()
        .arg("--config")
        .arg(folder.join("bff.toml"))
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let log = BufReader::new(child.stderr.take().unwrap());
    (child, log)
}

fn wait_for(log: &mut impl BufRead, words: &str) -> String {
    let mut line = String::new();
    while log.read_line(&mut line).unwrap() > 0 {
        if line.contains(words) {
            return line;
        }
        line.clear();
    }
    panic!("the log ended without {words:?}");
}

#[test]
fn a_valid_configuration_is_confirmed() {
    let folder = folder();
    let output = run(bff()
        .arg("--config")
        .arg(folder.path().join("bff.toml"))
        .arg("--check-config"));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).trim(), "configuration is valid");
}

#[test]
fn every_fault_of_a_configuration_is_told_and_the_exit_code_is_78() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bff.toml");
    std::fs::write(&path, "[server]\nlisten = \"here\"\n[session]\nidle = \"1h\"\n").unwrap();
    for arguments in [vec!["--check-config"], vec![]] {
        let output = run(bff().arg("--config").arg(&path).args(arguments));
        assert_eq!(output.status.code(), Some(78));
        let told = text(&output.stderr);
        for key in [
            "server.listen",
            "server.public_url",
            "provider.issuer",
            "session.idle = ",
            "session.key_ring_file",
        ] {
            assert!(told.contains(key), "{key} is missing in {told}");
        }
    }
}

#[test]
fn a_missing_file_is_a_fault_of_the_configuration() {
    let output = run(bff().args(["--config", "/nowhere/bff.toml"]));
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("/nowhere/bff.toml"));
}

#[test]
fn a_key_ring_is_for_its_owner_only_and_never_overwritten() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");

    assert!(run(bff().args(["keys", "generate"]).arg(&path)).status.success());
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );

    assert_eq!(
        run(bff().args(["keys", "generate"]).arg(&path)).status.code(),
        Some(1)
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
}

#[test]
fn a_signal_stops_the_program_cleanly() {
    for signal in ["-TERM", "-INT"] {
        let folder = folder();
        let (mut child, mut log) = serve(folder.path());
        wait_for(&mut log, "the BFF listens");
        assert!(
            Command::new("kill")
                .arg(signal)
                .arg(child.id().to_string())
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_hangup_reloads_the_key_ring_and_a_faulty_one_changes_nothing() {
    let folder = folder();
    let keys = folder.path().join("bff-keys");
    let (mut child, mut log) = serve(folder.path());
    wait_for(&mut log, "the BFF listens");
    let hang_up = || {
        let mut kill = Command::new("kill");
        assert!(
            kill.arg("-HUP")
                .arg(child.id().to_string())
                .status()
                .unwrap()
                .success()
        );
    };

    let ring = std::fs::read_to_string(&keys).unwrap();
    let rotated = ring.replace("k1 ", "k2 ");
    std::fs::write(
        &keys,
        format!("{}{ring}", rotated.lines().last().unwrap().to_owned() + "\n"),
    )
    .unwrap();
    hang_up();
    let line = wait_for(&mut log, "the key ring was reloaded");
    assert!(line.contains("\"k2\", \"k1\""), "{line}");

    std::fs::write(&keys, "k3 no key\n").unwrap();
    hang_up();
    let line = wait_for(&mut log, "the key ring was not reloaded");
    assert!(line.contains("line 1") && !line.contains("no key"), "{line}");

    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_second_process_on_the_same_store_says_so() {
    let folder = folder();
    let (mut first, mut log) = serve(folder.path());
    wait_for(&mut log, "the BFF listens");

    let second = run(bff().arg("--config").arg(folder.path().join("bff.toml")));
    assert_eq!(second.status.code(), Some(1));
    assert!(
        text(&second.stderr).contains("another process has this file open"),
        "{}",
        text(&second.stderr)
    );

    first.kill().unwrap();
    first.wait().unwrap();
}

#[test]
fn a_taken_port_names_the_key_of_the_configuration() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = folder();
    let path = folder.path().join("bff.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    std::fs::write(&path, config.replace("127.0.0.1:0", &address)).unwrap();

    let output = run(bff().arg("--config").arg(&path));

    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains(&format!("server.listen = {address}")),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn the_log_is_json_when_asked_for() {
    let folder = folder();
    let path = folder.path().join("bff.toml");
    let mut config = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    config.write_all(b"[log]\nformat = \"json\"\n").unwrap();
    let (mut child, mut log) = serve(folder.path());
    let line = wait_for(&mut log, "the BFF listens");
    child.kill().unwrap();
    child.wait().unwrap();
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["message"], "the BFF listens");
}
