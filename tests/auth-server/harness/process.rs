//! The program, in processes that are gone when the tests are.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::{Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::clock::StoryClock;
use super::{PASSWORD, SECRET};

// By its path: whoever links the harness of the other stories links both servers.
#[path = "../../src/program.rs"]
#[allow(unreachable_pub, reason = "it is a module of the harness's library, too")]
mod program;

/// No start and no stop takes as long; where one does, its story fails instead of waiting for ever.
const LONGEST: Duration = Duration::from_secs(120);

/// A folder's configuration file.
const CONFIGURATION: &str = "auth-server.toml";

/// Leads the process group of all that the tests start, and waits for the end of a pipe, which comes when the tests end, in
/// whichever way; then it tidies up. What it reads are the processes' ids: libfaketime leaves files of one that is killed.
const KEEPER: &str = r#"
trap '' INT TERM HUP
while read -r pid; do
    rubbish="$rubbish /dev/shm/faketime_shm_$pid /dev/shm/sem.faketime_sem_$pid"
done
rm -rf "$folder" $rubbish
kill -KILL 0
"#;

struct Keeper {
    folder: PathBuf,
    group: i32,
    pipe: Mutex<ChildStdin>,
    _shell: Child,
}

impl Keeper {
    fn of_this_program() -> &'static Self {
        static KEEPER_OF_ALL: OnceLock<Keeper> = OnceLock::new();

        KEEPER_OF_ALL.get_or_init(|| {
            let folder = tempfile::Builder::new().prefix("auth-server-").tempdir();
            let folder = folder.unwrap().keep();
            let mut shell = Command::new("sh")
                .args(["-c", KEEPER])
                .env("folder", &folder)
                .stdin(Stdio::piped())
                .process_group(0)
                .spawn()
                .unwrap();
            Self {
                folder,
                group: shell.id().try_into().unwrap(),
                pipe: Mutex::new(shell.stdin.take().unwrap()),
                _shell: shell,
            }
        })
    }

    fn keep(&self, pid: u32) {
        writeln!(self.pipe.lock().unwrap(), "{pid}").unwrap();
    }
}

/// A folder that is deleted with the tests, if not sooner.
pub(crate) fn fresh_folder() -> TempDir {
    TempDir::new_in(&Keeper::of_this_program().folder).unwrap()
}

/// The program, as it is built.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

    PROGRAM.get_or_init(|| program::built_for("cli", "auth-server"))
}

fn command(folder: &Path, clock: &StoryClock) -> Command {
    let mut command = Command::new(program());
    command
        .current_dir(folder)
        .env("SECRET", SECRET)
        .envs(clock.environment())
        .process_group(Keeper::of_this_program().group);
    command
}

/// Writes the configuration of a folder.
pub(super) fn configure(folder: &Path, toml: &str) {
    std::fs::write(folder.join(CONFIGURATION), toml).unwrap();
}

/// Runs a command of the program beside its servers.
pub(super) async fn run(folder: &Path, clock: &StoryClock, arguments: &[&str], input: &str) -> Output {
    let mut command = command(folder, clock);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = tokio::process::Command::from(command).spawn().unwrap();
    // A program that does not read its input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes()).await;
    child.wait_with_output().await.unwrap()
}

/// A server. What it logs and complains of has none of the secrets in it.
pub(super) struct Process {
    child: Child,
    /// Where browsers and clients find it.
    pub(super) address: String,
    pub(super) management_address: String,
    /// Reads on, so that a server which logs much is not held up.
    log: Option<JoinHandle<String>>,
    errors: PathBuf,
}

impl Process {
    /// Starts the program with the configuration of a folder.
    ///
    /// # Errors
    /// What it says when it does not serve.
    pub(super) async fn start(folder: &Path, clock: &StoryClock) -> Result<Self, String> {
        let errors = folder.join(format!("errors-{}", unique()));
        let mut child = command(folder, clock)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create_new(&errors).unwrap())
            .spawn()
            .unwrap();
        Keeper::of_this_program().keep(child.id());
        let output = child.stdout.take().unwrap();
        let (tell, told) = oneshot::channel();
        let log = std::thread::spawn(move || read(output, tell));
        let told = timeout(LONGEST, told).await;
        if told.is_err() {
            child.kill().unwrap();
        }
        if let Ok(Ok((address, management_address))) = told {
            return Ok(Self {
                child,
                address,
                management_address,
                log: Some(log),
                errors,
            });
        }
        child.wait().unwrap();
        Err(log.join().unwrap() + &std::fs::read_to_string(errors).unwrap())
    }

    /// Ends it as a supervisor does.
    pub(super) async fn stop(mut self) {
        let pid = self.child.id().to_string();
        let signal = async |name: &str| {
            let signalled = tokio::process::Command::new("kill")
                .args([name, pid.as_str()])
                .status();
            assert!(signalled.await.unwrap().success());
        };
        signal("-TERM").await;
        // Browsers and clients of the story go on meanwhile.
        let ended = tokio::task::spawn_blocking(move || self.child.wait().map(|status| (status, self)));
        let Ok(ended) = timeout(LONGEST, ended).await else {
            signal("-KILL").await;
            panic!("it does not stop");
        };
        let (status, stopped) = ended.unwrap().unwrap();
        assert_eq!(status.code(), Some(0), "it stops cleanly");
        drop(stopped);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended is not there to be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log.take().and_then(|log| log.join().ok());
        let said = log.unwrap_or_default() + &std::fs::read_to_string(&self.errors).unwrap_or_default();
        if std::thread::panicking() {
            show(&said);
            return;
        }
        for secret in [PASSWORD, SECRET] {
            assert!(!said.contains(secret), "{secret:?} is in the log: {said}");
        }
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[expect(clippy::print_stderr, reason = "whoever looks for a fault wants to know")]
fn show(said: &str) {
    eprintln!("what a server said:\n{said}");
}

/// Reads what a server logs to its end, and tells where it listens as soon as it does.
fn read(output: ChildStdout, tell: oneshot::Sender<(String, String)>) -> String {
    let (mut log, mut management) = (String::new(), String::new());
    let mut tell = Some(tell);
    let mut lines = BufReader::new(output);
    loop {
        let begun = log.len();
        if lines.read_line(&mut log).unwrap() == 0 {
            return log;
        }
        if tell.is_none() {
            continue;
        }
        let event: Value = serde_json::from_str(&log[begun..]).unwrap();
        let address = || event["fields"]["address"].as_str().unwrap().to_owned();
        match event["fields"]["message"].as_str() {
            Some("serving health checks") => management = address(),
            Some("serving") => {
                // A story that was given up does not listen.
                let _ = tell
                    .take()
                    .unwrap()
                    .send((address(), std::mem::take(&mut management)));
            }
            _ => {}
        }
    }
}

fn unique() -> usize {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);

    NEXT.fetch_add(1, Ordering::Relaxed)
}
