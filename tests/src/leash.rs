//! Child processes that never outlive the test.

use std::ffi::OsStr;
use std::io;
use std::net::Ipv4Addr;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinHandle;

use crate::redis::free_port;
use crate::wait::{eventually, within_patience};

/// Starts the program in the shell's process group and waits for the end of standard input, which comes when the
/// harness closes it or dies, however it dies; then the whole group is killed.
const WATCHDOG: &str = r#"
sh -c 'echo $$; exec "$@"' sh "$@" </dev/null 2>&1 &
exec >/dev/null 2>&1
cat
kill -KILL 0
"#;

/// A running program, with everything it starts, that is gone once this is dropped.
#[derive(Debug)]
pub struct Leashed {
    watchdog: Child,
    // Closing it is what ends the watchdog when this process is killed.
    _leash: ChildStdin,
    name: String,
    pid: u32,
    // Ends when nobody writes to the program's output any more.
    drained: Option<JoinHandle<()>>,
}

impl Leashed {
    /// Starts `program`, which must be on the path, and reads what it prints up to the line that says it is ready;
    /// the second value is all that.
    ///
    /// # Errors
    /// All it printed, if it ended before.
    ///
    /// # Panics
    /// When it is missing, with the name of the program and how to get it.
    pub async fn start<A: AsRef<OsStr>>(
        program: &str,
        arguments: &[A],
        is_ready: impl Fn(&str) -> bool,
    ) -> Result<(Self, String), String> {
        assert_installed(program);
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog", program])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .expect("sh starts");
        let leash = watchdog.stdin.take().expect("stdin is piped");
        let stdout = watchdog.stdout.take().expect("stdout is piped");
        let mut output = BufReader::new(stdout).lines();
        let first = output.next_line().await.expect("the watchdog's output is text");
        let pid = first
            .and_then(|line| line.parse().ok())
            .expect("the watchdog's first line is the process id");
        let mut started = Self {
            watchdog,
            _leash: leash,
            name: program.to_owned(),
            pid,
            drained: None,
        };

        let mut printed = String::new();
        while let Ok(Some(line)) = output.next_line().await {
            printed.push_str(&line);
            printed.push('\n');
            if is_ready(&line) {
                // Somebody has to go on reading, or the program stops at a full pipe.
                let drain = async move { while let Ok(Some(_)) = output.next_line().await {} };
                started.drained = Some(tokio::spawn(drain));
                return Ok((started, printed));
            }
        }
        Err(printed)
    }

    /// The program's process.
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// How much memory the program holds, its children not counted.
    ///
    /// # Panics
    /// When it is gone.
    pub fn resident_bytes(&self) -> u64 {
        crate::process::resident_bytes(self.pid)
    }

    /// Freezes the program: it keeps its connections and answers nothing.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets a frozen program go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// How much memory the program holds, and the most it held since [`forget_peak`](Self::forget_peak), in bytes.
    ///
    /// # Panics
    /// When it is gone.
    pub fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).expect("the program runs");
        let bytes_of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
            kib.expect("the kernel tells sizes in KiB") * 1024
        };
        (bytes_of("VmRSS:"), bytes_of("VmHWM:"))
    }

    /// Lets the peak of its memory be what it holds now.
    ///
    /// # Panics
    /// When it is gone.
    pub fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.pid), "5").expect("the program runs");
    }

    /// Tells the program to stop and waits until it has.
    pub async fn terminate(mut self) {
        self.signal("-TERM");
        if let Some(drained) = self.drained.take() {
            let _ = drained.await;
        }
    }

    /// Kills the program and waits until it is gone, with its children.
    pub async fn kill(mut self) {
        self.kill_group();
        let _ = self.watchdog.wait().await;
    }

    fn signal(&self, signal: &str) {
        let status = std::process::Command::new("kill")
            .args([signal, &self.pid.to_string()])
            .status();
        assert!(
            matches!(status, Ok(status) if status.success()),
            "kill {signal} {}: {status:?}",
            self.name
        );
    }

    fn kill_group(&self) {
        if let Some(group) = self.watchdog.id() {
            // A group that is gone already is what we want.
            let _ = std::process::Command::new("kill")
                .args(["-KILL", "--", &format!("-{group}")])
                .stderr(Stdio::null())
                .status();
        }
    }
}

impl Drop for Leashed {
    fn drop(&mut self) {
        self.kill_group();
    }
}

/// Starts a server on a port that is free, with the words of the command that `configure` gives for it, and waits until it
/// accepts connections. The last value is whatever else was made for that port.
///
/// # Panics
/// When it does not start.
pub async fn start_on_free_port<T>(
    is_ready: impl Fn(&str) -> bool + Copy,
    configure: impl AsyncFn(u16) -> (Vec<String>, T),
) -> (u16, Leashed, T) {
    loop {
        let port = free_port();
        let (words, made) = configure(port).await;
        let (program, arguments) = words.split_first().expect("a program");
        match within_patience(program, Leashed::start(program, arguments, is_ready)).await {
            Ok((process, _)) => {
                eventually("it accepts connections", || async {
                    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()
                })
                .await;
                return (port, process, made);
            }
            // Another process took the port between our look and the server's.
            Err(printed) if printed.to_lowercase().contains("address already in use") => {}
            Err(printed) => panic!("{words:?} did not start:\n{printed}"),
        }
    }
}

/// Fails the test if a program is not installed.
///
/// # Panics
/// With the program's name and how to get it.
pub fn assert_installed(program: &str) {
    let found = std::process::Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match found {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            panic!("`{program}` is not installed: `make test` installs what the tests need (tests/setup.sh)")
        }
        Err(error) => panic!("`{program}` does not run: {error}"),
    }
}
