//! The program as a person starts and stops it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn demo(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    command
        .arg("--data")
        .arg(data)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null());
    command
}

/// A demo on free ports; it is killed when a test fails half-way.
struct Started {
    child: Child,
    announced: String,
}

impl Started {
    /// Starts it and waits until it says that it runs.
    fn new(data: &Path) -> Self {
        let free_ports = ["--port", "0", "--auth-port", "0", "--api-port", "0"];
        let mut child = demo(data)
            .args(free_ports)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut announced = String::new();
        let mut out = BufReader::new(child.stdout.as_mut().unwrap());
        while !announced.contains("Ctrl-C stops") {
            assert_ne!(
                out.read_line(&mut announced).unwrap(),
                0,
                "it ended after: {announced}"
            );
        }
        Self { child, announced }
    }

    /// The word after a label of the announcement.
    fn announced(&self, label: &str) -> &str {
        let line = self
            .announced
            .lines()
            .find(|line| line.trim_start().starts_with(label));
        line.and_then(|line| line.split_whitespace().nth(1)).unwrap()
    }

    fn get(&self, path: &str) -> String {
        let authority = self.announced("Open").strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(authority).unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nX-CSRF: 1\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[cfg(unix)]
    fn stop_by(mut self, signal: &str) -> (Option<i32>, String) {
        let killed = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(killed.unwrap().success());
        let mut rest = String::new();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut rest)
            .unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Both fail for one that has ended already, as it should have.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn outcome(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[cfg(unix)]
#[test]
fn it_serves_stops_on_a_signal_and_starts_again_with_what_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("demo-data");

    let first = Started::new(&data);
    assert!(first.get("/").contains("<title>Cloakroom demo</title>"));
    assert!(first.get("/bff/user").starts_with("HTTP/1.1 401"));
    assert!(first.get("/api/notes").starts_with("HTTP/1.1 401"));
    assert!(first.get("/demo/events?session=nobody").ends_with("\r\n\r\n[]"));
    let password = first.announced("Password").to_owned();
    let (code, said) = first.stop_by("-TERM");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Stopped."), "{said}");

    let again = Started::new(&data);
    assert_eq!(again.announced("Password"), password);
    let (code, said) = again.stop_by("-INT");
    assert_eq!(code, Some(0), "{said}");
}

#[cfg(unix)]
#[test]
fn everything_in_the_data_folder_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("demo-data");
    let started = Started::new(&data);

    let mut names = Vec::new();
    for entry in fs::read_dir(&data).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", entry.path());
        names.push(entry.file_name());
    }
    assert!(names.iter().any(|name| name == "password"), "{names:?}");
    drop(started);
}

#[cfg(unix)]
#[test]
fn without_its_password_file_the_demo_makes_a_new_user_and_starts() {
    let folder = tempfile::tempdir().unwrap();
    let first = Started::new(folder.path());
    let password = first.announced("Password").to_owned();
    first.stop_by("-TERM");
    fs::remove_file(folder.path().join("password")).unwrap();

    let again = Started::new(folder.path());
    assert_ne!(again.announced("Password"), password);
}

#[test]
fn a_taken_port_is_told_with_the_flag_that_changes_it_and_nothing_is_begun() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("demo-data");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();

    let (code, said) = outcome(demo(&data).args(["--port", "0", "--api-port", "0", "--auth-port", &port]));
    assert_eq!(code, Some(1));
    assert!(
        said.starts_with(&format!("error: port {port} is in use")),
        "{said}"
    );
    assert!(said.contains("--auth-port"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(!data.exists());
}

#[test]
fn a_folder_of_someone_else_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.odt"), "…").unwrap();
    let free_ports = ["--port", "0", "--auth-port", "0", "--api-port", "0"];
    let (code, said) = outcome(demo(folder.path()).args(free_ports));
    assert_eq!(code, Some(1));
    assert!(said.contains("--data"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
