//! Load at a rate: requests fall due at even intervals, whether or not earlier ones are answered.
//!
//! `wrk` waits for each answer before it asks again, so a proxy that halts is asked less while it does ("coordinated
//! omission"). Here a request that could not be sent when it was due counts from then. `h2load --rps` would be the tool for
//! it, but it sends what fell due in bursts, every 10 ms, on all connections at once: what one sees is the burst.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::case::Case;
use crate::contender::Contender;

/// Enough that one is free when a request falls due, unless the proxy halts.
const CONNECTIONS: u32 = 64;
/// The first answers are left out: connections are made and caches filled.
const WARM_UP: Duration = Duration::from_millis(500);

/// What a steady load found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steady {
    pub(crate) requests_per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// Sends this many requests a second.
///
/// # Panics
/// When an answer is not what it should be, or a connection fails.
pub(crate) fn run(contender: &Contender, case: &Case, per_second: f64, duration: Duration) -> Steady {
    let request = request(contender, case);
    let begin = Instant::now() + Duration::from_millis(50);
    let end = begin + WARM_UP + duration;
    let interval = Duration::from_secs_f64(1.0 / per_second);
    let mut latencies: Vec<Duration> = thread::scope(|scope| {
        let connections: Vec<_> = (0..CONNECTIONS)
            .map(|number| {
                let first = begin + interval * number;
                let (request, port) = (request.as_bytes(), contender.port);
                scope.spawn(move || one_connection(port, request, first, interval * CONNECTIONS, end))
            })
            .collect();
        let each = connections
            .into_iter()
            .map(|connection| connection.join().expect("every answer is right"));
        each.collect::<Vec<_>>().concat()
    });
    let took = begin.elapsed().saturating_sub(WARM_UP);
    latencies.sort_unstable();
    let at =
        |share: f64| latencies[((latencies.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e6;
    Steady {
        requests_per_second: latencies.len() as f64 / took.as_secs_f64(),
        p50_us: at(0.5),
        p99_us: at(0.99),
    }
}

fn request(contender: &Contender, case: &Case) -> String {
    let headers: String = contender
        .headers(false)
        .into_iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!("GET {} HTTP/1.1\r\n{headers}\r\n", case.path)
}

fn one_connection(
    port: u16,
    request: &[u8],
    first: Instant,
    interval: Duration,
    end: Instant,
) -> Vec<Duration> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the proxy accepts");
    stream.set_nodelay(true).expect("a socket");
    let timeout = Some(Duration::from_secs(20));
    stream.set_read_timeout(timeout).expect("a socket");
    let mut answer = Answer::default();
    let mut latencies = Vec::new();
    let mut due = first;
    while due < end {
        // A connection that is free sleeps until the request is due, and how late it wakes up is not the proxy's fault.
        let early = due.checked_duration_since(Instant::now());
        let counts_from = early.map_or(due, |early| {
            thread::sleep(early);
            Instant::now()
        });
        stream.write_all(request).expect("the proxy reads");
        answer.read(&mut stream);
        if due >= first + WARM_UP {
            latencies.push(counts_from.elapsed());
        }
        due += interval;
    }
    latencies
}

/// Answers of one connection. All are as long as the first, so that only that one is looked through.
struct Answer {
    buffer: Vec<u8>,
    length: Option<usize>,
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            buffer: vec![0; 64 * 1024],
            length: None,
        }
    }
}

impl Answer {
    /// Reads one: 200, with a `Content-Length`.
    fn read(&mut self, stream: &mut TcpStream) {
        let mut read = 0;
        while self.length.is_none_or(|length| read < length) {
            let more = stream
                .read(&mut self.buffer[read..])
                .expect("the proxy answers in time");
            assert!(more > 0, "the connection ended, or the answer is too long");
            read += more;
            self.length = self.length.or_else(|| length_of(&self.buffer[..read]));
        }
        assert_eq!(Some(read), self.length, "answers differ in length");
        assert!(
            self.buffer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&self.buffer[..read])
        );
    }
}

/// How long the answer is, once its head is there.
fn length_of(read: &[u8]) -> Option<usize> {
    let end = read.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    Some(end + 4 + length.expect("a small answer has a Content-Length"))
}
