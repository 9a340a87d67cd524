//! The program as an operator meets it: arguments, exit codes, files, signals.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by panicking"
)]

mod log;
mod public;
mod sessions;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a program may take for what it does in a moment, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

fn bff() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bff"));
    command
        .env_remove("BFF_CONFIG")
        .env("BFF_CLIENT_SECRET", "s3cret")
        .env("SHORT", "too-short-a-token");
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

/// A program that serves. It is gone when the test ends, however that comes about.
struct Program {
    child: Child,
    log: Receiver<String>,
}

impl Program {
    fn serve(folder: &Path) -> Self {
        let mut child = bff()
            .arg("--config")
            .arg(folder.join("bff.toml"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (told, log) = mpsc::channel();
        // Ends with the program.
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| told.send(line)));
        Self { child, log }
    }

    /// The next line of the log with these words.
    fn wait_for(&self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(left) {
                Ok(line) if line.contains(words) => return line,
                Ok(_) => {}
                Err(error) => panic!("no {words:?} in the log: {error}"),
            }
        }
    }

    fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        let sent = kill.arg(signal).arg(self.child.id().to_string()).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the end of the log, which is that of the program.
    fn exit_code(mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(left) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().unwrap().code(),
                Err(RecvTimeoutError::Timeout) => panic!("the program goes on"),
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail for a program that has ended, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
            "session.idle: ",
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
        let program = Program::serve(folder.path());
        program.wait_for("the BFF listens");
        program.signal(signal);
        assert_eq!(program.exit_code(), Some(0));
    }
}

#[test]
fn a_hangup_reloads_the_key_ring_and_a_faulty_one_changes_nothing() {
    let folder = folder();
    let keys = folder.path().join("bff-keys");
    let program = Program::serve(folder.path());
    program.wait_for("the BFF listens");

    let ring = std::fs::read_to_string(&keys).unwrap();
    let rotated = ring.replace("k1 ", "k2 ");
    std::fs::write(
        &keys,
        format!("{}{ring}", rotated.lines().last().unwrap().to_owned() + "\n"),
    )
    .unwrap();
    program.signal("-HUP");
    let line = program.wait_for("the key ring was reloaded");
    assert!(line.contains("\"k2\", \"k1\""), "{line}");

    std::fs::write(&keys, "k3 no key\n").unwrap();
    program.signal("-HUP");
    let line = program.wait_for("the key ring was not reloaded");
    assert!(line.contains("line 1") && !line.contains("no key"), "{line}");
}

#[test]
fn a_second_process_on_the_same_store_says_so() {
    let folder = folder();
    let first = Program::serve(folder.path());
    first.wait_for("the BFF listens");

    let second = run(bff().arg("--config").arg(folder.path().join("bff.toml")));
    assert_eq!(second.status.code(), Some(1));
    assert!(
        text(&second.stderr).contains("another process has this file open"),
        "{}",
        text(&second.stderr)
    );
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
    let line = Program::serve(folder.path()).wait_for("the BFF listens");
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["message"], "the BFF listens");
}

#[test]
fn the_log_of_a_pipe_is_plain_text() {
    let folder = folder();
    let line = Program::serve(folder.path()).wait_for("the BFF listens");
    assert!(!line.contains('\u{1b}'), "{line:?}");
    assert!(
        line.contains(" INFO bff: the BFF listens address=127.0.0.1:"),
        "{line}"
    );
}

/// A Redis that never was there, in each of the forms where that is no outage.
#[test]
fn what_contradicts_the_configuration_of_redis_names_the_key() {
    let free = "127.0.0.1:1";
    let folder = folder();
    let path = folder.path().join("bff.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let (before, _) = config.split_once("[store.embedded]").unwrap();
    for (form, master) in [("sentinel", "master = \"m\"\n"), ("cluster", "")] {
        let store = format!(
            "[store]\nkind = \"redis\"\n[store.redis]\ntopology = \"{form}\"\nnodes = [\"redis://{free}\"]\n{master}"
        );
        std::fs::write(&path, format!("{before}{store}")).unwrap();
        let output = run(bff().arg("--config").arg(&path));
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        let wanted = format!("bff: store.redis.nodes = [\"{free}\"]: no ");
        assert!(told.contains(&wanted), "{told}");
        assert_eq!(told.matches("refused").count(), 1, "{told}");
    }
}
