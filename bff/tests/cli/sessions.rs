//! `bff session`, against the program that serves.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bff::session::device::Device;
use bff::session::embedded::EmbeddedStore;
use bff::session::index::Indexer;
use bff::session::key_ring::KeyRing;
use bff::session::lifetime::Limits;
use bff::session::replica::Replica;
use bff::session::store::SessionStore;
use bff::session::tokens::{AccessToken, IssuedToken, TokenSet};
use bff::session::{SessionContent, SessionRegistry, Vault};
use resource_server::time::{SystemClock, UnixTime};
use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::{bff, run, text};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Whom the sessions in the store belong to, and which session of the provider they began under.
const SESSIONS: [(&str, &str); 3] = [("alice", "a-1"), ("alice", "a-2"), ("bob", "b-1")];

/// A program that serves sessions, and is gone when the test is.
struct Served {
    child: Child,
    management: SocketAddr,
    folder: TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    fn start() -> Self {
        let folder = crate::folder();
        fill(folder.path());
        std::fs::write(folder.path().join("token"), format!("{TOKEN}\n")).unwrap();
        let path = folder.path().join("bff.toml");
        let mut config = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        write!(
            config,
            "[log]\nformat = \"json\"\n{}",
            management("127.0.0.1:0", folder.path())
        )
        .unwrap();
        let mut child = bff()
            .arg("--config")
            .arg(path)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let told = log.lines().map_while(Result::ok);
        let mut events = told.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
        let listens = events.find(|event| event["message"] == "the management address listens");
        let address = listens.expect("the program listens")["address"]
            .as_str()
            .and_then(|address| address.parse().ok())
            .unwrap();
        // Whatever is logged from now on has to go somewhere.
        std::thread::spawn(move || events.for_each(drop));
        let served = Self {
            child,
            management: address,
            folder,
        };
        // No secret of the BFF but the token, and no key of it but the address, is needed.
        let config = management(&address.to_string(), served.folder.path());
        std::fs::write(served.config(), config).unwrap();
        served
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("operator.toml")
    }

    fn token(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    fn session(&self, arguments: &[&str]) -> Output {
        run(session(arguments).arg("--config").arg(self.config()))
    }

    /// The sessions that live, by the command itself.
    fn living(&self) -> Vec<Value> {
        let output = self.session(&["list", "--all", "--json"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let lines = text(&output.stdout);
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn management(listen: &str, folder: &Path) -> String {
    format!(
        "[management]\nlisten = \"{listen}\"\nadmin_token_file = {:?}\n",
        folder.join("token")
    )
}

fn session(arguments: &[&str]) -> Command {
    let mut command = bff();
    command.arg("session").args(arguments).stdin(Stdio::null());
    // Nobody is there, and the token is for nobody in between.
    for proxy in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        command.env(proxy, "http://127.0.0.1:1");
    }
    command
}

fn fill(folder: &Path) {
    let ring = std::fs::read_to_string(folder.join("bff-keys")).unwrap();
    let ring = Arc::new(KeyRing::parse(&ring).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = EmbeddedStore::open(&folder.join("sessions.redb"), Arc::new(SystemClock)).unwrap();
        let store: Arc<dyn SessionStore> = Arc::new(store);
        let registry = SessionRegistry::new(
            Arc::clone(&store),
            Vault::new(Arc::clone(&ring)),
            Indexer::new(&ring, "http://127.0.0.1:1".to_owned()),
            Limits {
                idle: Duration::from_secs(3_600),
                absolute: Duration::from_secs(3_600),
            },
            Arc::new(SystemClock),
            Replica::new(1 << 20),
        );
        for (sub, sid) in SESSIONS {
            let device =
                Device::of_agent("Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0");
            registry.start(&content(sub, sid), device).await.unwrap();
        }
        store.close().await;
    });
}

fn content(sub: &str, sid: &str) -> SessionContent {
    SessionContent {
        subject: sub.to_owned(),
        provider_sid: Some(sid.to_owned()),
        claims: Map::new(),
        tokens: TokenSet {
            access: IssuedToken {
                token: AccessToken::new("access".to_owned()),
                obtained_at: UnixTime::from_secs(0),
                refresh_from: UnixTime::NEVER,
                expires_at: UnixTime::NEVER,
                scope: None,
            },
            others: BTreeMap::new(),
            refresh_token: None,
            refresh_expires_at: None,
            id_token: None,
        },
    }
}

#[track_caller]
fn assert_done(output: &Output, told: &str) {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), told);
}

#[track_caller]
fn assert_failed(output: &Output, code: i32, words: &str) {
    assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
    let told = text(&output.stderr);
    assert!(told.contains(words), "{told}");
    assert!(!told.contains(TOKEN), "{told}");
}

#[test]
fn sessions_are_listed_and_ended_by_user_sid_key_and_all_at_once() {
    let served = Served::start();

    let output = served.session(&["list", "--user", "alice"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    let rows: Vec<_> = table.lines().collect();
    assert_eq!(rows.len(), 3, "{table}");
    assert!(
        rows[0].starts_with("KEY ") && rows[0].ends_with(" SUB"),
        "{table}"
    );
    assert!(
        rows[1..]
            .iter()
            .all(|row| row.contains("Firefox on Linux") && row.ends_with(" alice")),
        "{table}"
    );
    assert_eq!(text(&output.stderr), "2 sessions\n");

    let living = served.living();
    assert_eq!(living.len(), 3);
    assert_done(&served.session(&["end", "--sid", "a-1"]), "1 session ended\n");
    assert_done(&served.session(&["end", "--sid", "a-1"]), "0 sessions ended\n");
    let living = served.living();
    let key_of = |sub: &str| {
        let session = living.iter().find(|session| session["sub"] == sub).unwrap();
        session["key"].as_str().unwrap().to_owned()
    };
    assert_eq!(living.len(), 2);
    assert_done(
        &served.session(&["end", "--key", &key_of("alice"), "--json"]),
        "{\"ended\":1}\n",
    );
    assert_eq!(served.living().len(), 1);
    assert_done(&served.session(&["end", "--user", "alice"]), "0 sessions ended\n");
    assert_done(&served.session(&["end", "--all", "--yes"]), "1 session ended\n");
    assert_eq!(served.living(), Vec::<Value>::new());
}

#[test]
fn another_bff_is_named_by_its_address_and_a_token_without_any_configuration() {
    let served = Served::start();
    let url = format!("http://{}", served.management);
    let mut command = session(&["list", "--all", "--json", "--url", &url]);
    let output = run(command.arg("--token-file").arg(served.token()).current_dir("/"));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), 3);
}

#[test]
fn every_session_ends_only_after_yes() {
    let served = Served::start();

    // A program cannot be asked, whatever it writes.
    let mut command = session(&["end", "--all"]);
    let mut child = command
        .arg("--config")
        .arg(served.config())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have ended before it could be told anything.
    let _ = child.stdin.take().unwrap().write_all(b"yes\n");
    assert_failed(&child.wait_with_output().unwrap(), 1, "--yes");
    assert_eq!(served.living().len(), 3);

    for (typed, code, left) in [("no\n", 1, 3), ("yes\n", 0, 0)] {
        let output = at_a_terminal(&served, typed);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stdout));
        let told = text(&output.stdout);
        assert!(
            told.contains(&format!("at http://{}", served.management)),
            "{told}"
        );
        assert_eq!(served.living().len(), left, "{told}");
    }
}

/// `end --all` with a person who types this at a terminal that `script` makes.
fn at_a_terminal(served: &Served, typed: &str) -> Output {
    let command = format!(
        "{:?} session end --all --config {:?}",
        env!("CARGO_BIN_EXE_bff"),
        served.config()
    );
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script of util-linux runs");
    let mut keyboard = child.stdin.take().unwrap();
    let mut screen = child.stdout.take().unwrap();
    let mut shown = Vec::new();
    let mut byte = [0];
    // Typed once it was asked, or the terminal takes it for the input of whoever made it.
    while !shown.ends_with(b"go on: ") && screen.read(&mut byte).unwrap() == 1 {
        shown.push(byte[0]);
    }
    keyboard.write_all(typed.as_bytes()).unwrap();
    screen.read_to_end(&mut shown).unwrap();
    let mut output = child.wait_with_output().unwrap();
    output.stdout = shown;
    output
}

#[test]
fn sessions_are_named_in_exactly_one_way() {
    for arguments in [
        &["end"][..],
        &["list"],
        &["end", "--user", "a", "--all"],
        &["end", "--user", ""],
        &["end", "--key", "x"],
        &["end", "--all", "--url", "10.0.0.5:8081"],
    ] {
        let output = run(&mut session(arguments));
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
    }
}

#[test]
fn a_command_that_is_not_carried_out_says_why() {
    let served = Served::start();
    let url = format!("http://{}", served.management);
    let wrong = served.folder.path().join("wrong");
    std::fs::write(&wrong, TOKEN.to_uppercase()).unwrap();
    let ask = |url: &str, token: &Path| {
        let mut command = session(&["end", "--all", "--yes", "--url", url]);
        run(command.arg("--token-file").arg(token))
    };
    assert_failed(&ask(&url, &wrong), 1, "does not take this admin token");
    assert_eq!(served.living().len(), 3);

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_failed(
        &ask(&format!("http://{nobody}"), &served.token()),
        1,
        "does not answer",
    );
    // Something else that has no such endpoint.
    assert_failed(
        &ask(&format!("{url}/elsewhere"), &served.token()),
        1,
        "has no /admin",
    );
}

/// A server that sends us elsewhere, and the server there.
#[test]
fn the_token_follows_no_redirect() {
    let served = Served::start();
    let [here, elsewhere] = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let (url, location) = (here.local_addr().unwrap(), elsewhere.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut connection, _) = here.accept().unwrap();
        let mut request = BufReader::new(connection.try_clone().unwrap());
        let mut line = String::new();
        while request.read_line(&mut line).unwrap() > 2 {
            line.clear();
        }
        let answer = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://{location}/\r\nContent-Length: 0\r\n\r\n"
        );
        connection.write_all(answer.as_bytes()).unwrap();
    });
    let mut command = session(&["list", "--all", "--url", &format!("http://{url}")]);

    let output = run(command.arg("--token-file").arg(served.token()));

    answering.join().unwrap();
    assert_failed(&output, 1, "answered 307");
    elsewhere.set_nonblocking(true).unwrap();
    assert!(elsewhere.accept().is_err(), "somebody else was asked");
}

#[test]
fn every_fault_of_the_way_to_the_bff_is_told_and_the_exit_code_is_78() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bff.toml");
    let ask = |arguments: &[&str]| {
        let mut command = session(&["list", "--all"]);
        run(command.args(arguments).arg("--config").arg(&path))
    };
    assert_failed(&ask(&[]), 78, "bff.toml cannot be read");
    for (lines, faults) in [
        ("", &["management.listen", "management.admin_token_file"][..]),
        (
            "listen = \"here\"\nadmin_token_env = \"MISSING\"\nport = 1\n",
            &[
                "management.listen",
                "management.admin_token_env",
                "management.port",
            ],
        ),
        (
            "listen = \"127.0.0.1:1\"\nadmin_token_env = \"SHORT\"\n",
            &["management.admin_token"],
        ),
    ] {
        std::fs::write(&path, format!("[management]\n{lines}")).unwrap();
        for fault in faults {
            assert_failed(&ask(&[]), 78, fault);
        }
    }
    std::fs::write(&path, "[management]\n").unwrap();
    assert_failed(&ask(&["--token-file", "/nowhere"]), 78, "/nowhere");
    std::fs::write(folder.path().join("short"), "short").unwrap();
    let short = folder.path().join("short").display().to_string();
    assert_failed(&ask(&["--token-file", &short]), 78, "must have 32 characters");
    // Of the file, only what is not said otherwise is needed.
    let output = ask(&["--url", "http://127.0.0.1:1"]);
    assert_failed(&output, 78, "management.admin_token_file");
    assert!(
        !text(&output.stderr).contains("management.listen"),
        "{}",
        text(&output.stderr)
    );
}
