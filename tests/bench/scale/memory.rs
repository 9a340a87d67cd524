//! What sessions take in the memory of a BFF: measured in a process that does nothing else.

use std::io::stdin;
use std::process::Stdio;
use std::time::Instant;

use e2e::process::resident_bytes;
use futures_util::stream::{self, StreamExt as _};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::meter::{Latencies, microseconds, own_cpu};
use crate::table::{Table, grouped};
use e2e::sessions::{Node, Place, Ticket};

/// The first argument of such a process; place and size of the memory follow, key ring and tickets come on its input.
pub(crate) const CHILD: &str = "memory";
/// How many sessions are opened where the memory is compared.
pub(crate) const MOST_OPENED: usize = 200_000;
/// After how many of them the memory is read.
const STEPS: [usize; 6] = [0, 1_000, 10_000, 50_000, 100_000, 200_000];
/// How many are looked up again while all of them are in memory.
const HELD: usize = 1_000;
const HITS: usize = 200_000;
const AT_ONCE: usize = 32;
const MEBIBYTE: u64 = 1_048_576;
const SIZES: [u64; 3] = [0, 64, 256];

/// What such a process found.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    pub(crate) hit_p50: f64,
    pub(crate) hit_cpu: f64,
    /// Bytes that were resident after each of [`STEPS`].
    resident: Vec<u64>,
}

/// Opens these sessions in a process of its own, whose memory may hold `max_bytes` of them.
pub(crate) async fn of_child(place: &Place, ring: &str, max_bytes: u64, tickets: &[Ticket]) -> Readings {
    let program = std::env::current_exe().expect("this program");
    let mut child = Command::new(program)
        .args([CHILD, &place.to_text(), &max_bytes.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("this program starts");
    let mut input = child.stdin.take().expect("a pipe");
    let mut text = format!("{}\n\n", ring.trim());
    for (id, key) in tickets {
        text.push_str(&format!("{} {key}\n", id.to_cookie_value()));
    }
    let said = tokio::spawn(async move { input.write_all(text.as_bytes()).await });
    let output = child.wait_with_output().await.expect("it runs");
    assert!(output.status.success(), "{output:?}");
    said.await.expect("no panic").expect("it reads all");

    let mut readings = Readings::default();
    for line in String::from_utf8(output.stdout).expect("text").lines() {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["resident", bytes] => readings.resident.push(bytes.parse().unwrap()),
            ["hit", p50, cpu] => {
                (readings.hit_p50, readings.hit_cpu) = (p50.parse().unwrap(), cpu.parse().unwrap());
            }
            other => panic!("{other:?}"),
        }
    }
    readings
}

/// The process itself.
pub(crate) async fn measure_here(place: Place, max_bytes: u64) {
    let mut lines = stdin().lines().map(|line| line.expect("text"));
    let ring: Vec<_> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let ring = ring.join("\n");
    let node = Node::open(&place, &ring, max_bytes).await;
    let mut opened = 0;
    for step in STEPS {
        let mut tickets = Vec::new();
        while opened + tickets.len() < step {
            match lines.next() {
                Some(line) => tickets.push(ticket(&line)),
                None => break,
            }
            // A few at a time: what is resident shall be the sessions and not the list of them.
            if tickets.len() == HELD {
                open(&node, &tickets).await;
                if opened == 0 && max_bytes > 0 {
                    look_again(&node, &tickets).await;
                }
                opened += tickets.len();
                tickets.clear();
            }
        }
        if opened == step {
            println!("resident {}", resident_bytes(std::process::id()));
        }
    }
    node.store.close().await;
}

fn ticket(line: &str) -> Ticket {
    let (id, key) = line.split_once(' ').expect("an id and a key");
    let id = bff::session::SessionId::parse(id).expect("an id");
    (id, bff::session::SessionKey::parse(key).expect("a key"))
}

async fn open(node: &Node, tickets: &[Ticket]) {
    let opening = tickets.iter().map(|(id, key)| async move {
        let found = node.registry.find(id, key, false).await.unwrap();
        found.expect("it lives");
    });
    stream::iter(opening)
        .buffer_unordered(AT_ONCE)
        .for_each(|()| async {})
        .await;
}

/// Requests of sessions that are in memory.
async fn look_again(node: &Node, tickets: &[Ticket]) {
    let mut each = Vec::with_capacity(HITS);
    let before = own_cpu();
    for (id, key) in tickets.iter().cycle().take(HITS) {
        let begun = Instant::now();
        drop(node.registry.find(id, key, false).await.unwrap().unwrap());
        each.push(begun.elapsed());
    }
    let cpu = microseconds(own_cpu().saturating_sub(before)) / HITS as f64;
    println!("hit {:.3} {cpu:.3}", Latencies::new(each).at(0.5));
}

/// The same sessions opened with less and more memory for them.
pub(crate) async fn compare(place: &Place, ring: &str, tickets: &[Ticket]) {
    let mut table = Table::new("resident memory in MiB, with `max_size` =");
    for size in SIZES {
        table.column(format!("{size} MiB"));
        let readings = of_child(place, ring, size * MEBIBYTE, tickets).await;
        for (step, resident) in STEPS.iter().zip(readings.resident) {
            let line = format!("{} sessions opened", grouped(*step));
            table.put(&line, format!("{:.0}", resident as f64 / MEBIBYTE as f64));
        }
    }
    table.print();
}
