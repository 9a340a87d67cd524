//! Which core runs what in a bench, and starting programs there.
//!
//! With two cores or more the contender has core 0 to itself, and everything else (load, upstream, Redis, provider and
//! this process) shares the others: so the contender is what a run waits for.

use std::time::Duration;

use crate::leash::{Leashed, start_on_free_port};

/// Where a contender runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On core 0, alone.
    OwnCore,
    /// On the first two cores.
    TwoCores,
    /// On all cores, beside everything else.
    AllCores,
    /// Beside the load.
    Aside,
}

/// How many cores there are.
pub fn count() -> usize {
    std::fs::read_dir("/sys/devices/system/cpu").map_or(1, |entries| {
        let name = |entry: std::fs::DirEntry| entry.file_name().into_string().unwrap_or_default();
        let is_core = |name: &String| {
            name.strip_prefix("cpu")
                .is_some_and(|number| number.parse::<u32>().is_ok())
        };
        entries.flatten().map(name).filter(is_core).count()
    })
}

impl Place {
    fn list(self) -> Option<String> {
        let last = count().checked_sub(1).filter(|last| *last > 0)?;
        Some(match self {
            Self::OwnCore => "0".to_owned(),
            Self::TwoCores => "0-1".to_owned(),
            Self::AllCores => format!("0-{last}"),
            Self::Aside => format!("1-{last}"),
        })
    }

    /// The command that runs another one there.
    pub fn words(self, command: &[&str], arguments: Vec<String>) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        if let Some(list) = self.list() {
            words.extend(["taskset".to_owned(), "-c".to_owned(), list]);
        }
        words.extend(command.iter().map(|&word| word.to_owned()));
        words.extend(arguments);
        words
    }
}

/// Moves a process that runs, with all its threads.
///
/// # Panics
/// When `taskset` fails.
pub fn confine(pid: u32, place: Place) {
    if let Some(list) = place.list() {
        move_to(pid, &list);
    }
}

/// Moves this process, and with it whatever it starts from now on, away from the contender's core.
#[expect(clippy::print_stdout, reason = "whoever reads the figures has to know")]
pub fn step_aside() {
    let Some(list) = Place::Aside.list() else {
        println!("One core only: contenders, load and upstream share it, and rates say little.\n");
        return;
    };
    move_to(std::process::id(), &list);
}

/// Lets this process run everywhere, for work that nothing is measured beside.
pub fn spread() {
    if let Some(list) = Place::AllCores.list() {
        move_to(std::process::id(), &list);
    }
}

fn move_to(pid: u32, list: &str) {
    let pid = pid.to_string();
    let output = std::process::Command::new("taskset")
        .args(["-a", "-c", "-p", list, &pid])
        .output()
        .expect("taskset runs (util-linux)");
    assert!(output.status.success(), "taskset: {output:?}");
}

/// Starts a server at a place, on a port that is free, with the arguments that `configure` gives for it. The last value is
/// whatever else was made for that port.
pub async fn start_server<T>(
    place: Place,
    command: &[&str],
    is_ready: impl Fn(&str) -> bool + Copy,
    configure: impl AsyncFn(u16) -> (Vec<String>, T),
) -> (u16, Leashed, T) {
    start_on_free_port(is_ready, async |port| {
        let (arguments, made) = configure(port).await;
        (place.words(command, arguments), made)
    })
    .await
}

/// How many files a process may have open, and thus connections; raised as far as it goes, for whatever is started from now on.
pub fn open_files() -> u64 {
    rlimit::increase_nofile_limit(u64::MAX).unwrap_or(0)
}

/// The processor time of the children that ended: of the load, if it alone ran meanwhile.
///
/// # Panics
/// When the kernel does not tell.
pub fn cpu_of_ended_children() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("the kernel tells");
    let fields = stat
        .rsplit_once(") ")
        .expect("the name is in brackets")
        .1
        .split(' ');
    // `cutime` and `cstime`, in hundredths of a second (proc(5)).
    let ticks: u64 = fields
        .skip(13)
        .take(2)
        .map(|field| field.parse::<u64>().expect("a number"))
        .sum();
    Duration::from_millis(ticks * 10)
}
