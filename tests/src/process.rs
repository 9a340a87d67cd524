//! What a process of this machine takes, as the kernel counts it.

use std::fs;
use std::time::Duration;

/// The processor time of all threads that run in a process.
///
/// # Panics
/// When there is no such process.
pub fn cpu(pid: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    let nanoseconds = threads.flatten().filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// A process and all that came from it and still run.
///
/// # Panics
/// When the kernel does not tell which processes there are.
pub fn family(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("the kernel tells which processes there are");
    let parents: Vec<(u32, u32)> = entries
        .flatten()
        .filter_map(|entry| {
            let child = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name, in brackets, may hold anything; state and parent follow it.
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            Some((child, parent))
        })
        .collect();
    let mut members = vec![pid];
    let mut looked_at = 0;
    while let Some(&parent) = members.get(looked_at) {
        members.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(child, _)| child),
        );
        looked_at += 1;
    }
    members
}

/// The memory of a process that is resident.
///
/// # Panics
/// When there is no such process.
pub fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kilobytes.expect("a line VmRSS") * 1_024
}
