//! Browsers that ask as they are told: each session once, or at a rate. All of it by hand on blocking sockets, so that each
//! answer is looked at.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::contender::headers_of_browser;

/// Who asks whom for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Browsers<'c> {
    pub(crate) port: u16,
    pub(crate) path: &'c str,
    /// The header `Cookie` of each session.
    pub(crate) cookies: &'c [String],
    pub(crate) connections: usize,
}

/// An answer with its times.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Whose it is, as an index of the cookies.
    pub(crate) session: usize,
    /// When the request was due.
    pub(crate) due: Instant,
    pub(crate) answered: Instant,
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn took(&self) -> Duration {
        self.answered - self.due
    }
}

impl Browsers<'_> {
    /// Every session asks once, as many at a time as there are connections.
    pub(crate) fn each_once(self) -> Vec<Reply> {
        let next = AtomicUsize::new(0);
        self.on_all_connections(|mut connection, _| {
            let mut replies = Vec::new();
            loop {
                let session = next.fetch_add(1, Ordering::Relaxed);
                if session >= self.cookies.len() {
                    return replies;
                }
                replies.push(connection.ask(session, Instant::now()));
            }
        })
    }

    /// Requests fall due at even intervals, one session after the other; one that could not be sent when it was due counts
    /// from then. (As in `load::steady`, where the reasons are.)
    pub(crate) fn at_rate(self, per_second: f64, begin: Instant, end: Instant) -> Vec<Reply> {
        let interval = Duration::from_secs_f64(1.0 / per_second);
        self.on_all_connections(|mut connection, number| {
            let mut replies = Vec::new();
            for request in (number..).step_by(self.connections) {
                let due = begin + interval * u32::try_from(request).expect("a short run");
                if due >= end {
                    break;
                }
                let early = due.checked_duration_since(Instant::now());
                let counts_from = early.map_or(due, |early| {
                    thread::sleep(early);
                    Instant::now()
                });
                replies.push(connection.ask(request % self.cookies.len(), counts_from));
            }
            replies
        })
    }

    fn on_all_connections(
        self,
        ask: impl Fn(Connection<'_>, usize) -> Vec<Reply> + Copy + Send + Sync,
    ) -> Vec<Reply> {
        let head = head(self.port, self.path);
        let head = &head;
        thread::scope(|scope| {
            let all: Vec<_> = (0..self.connections)
                .map(|number| {
                    scope.spawn(move || {
                        let connection = Connection::open(self.port, head, self.cookies);
                        ask(connection, number)
                    })
                })
                .collect();
            let each = all
                .into_iter()
                .map(|one| one.join().expect("every answer is one"));
            each.flatten().collect()
        })
    }
}

/// One request of one session, if somebody is there to answer it.
pub(crate) fn try_once(port: u16, path: &str, cookie: &str) -> Option<u16> {
    let head = head(port, path);
    let cookies = [cookie.to_owned()];
    let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    // Where nobody listens, the kernel may choose that very port for our end.
    if stream.local_addr().ok()? == stream.peer_addr().ok()? {
        return None;
    }
    let mut connection = Connection::over(stream, &head, &cookies);
    connection.send(0).ok()?;
    connection.receive().ok().map(|(status, _)| status)
}

fn head(port: u16, path: &str) -> String {
    let headers: String = headers_of_browser(port, false)
        .into_iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!("GET {path} HTTP/1.1\r\n{headers}")
}

struct Connection<'c> {
    stream: TcpStream,
    head: &'c str,
    cookies: &'c [String],
    buffer: Vec<u8>,
}

impl<'c> Connection<'c> {
    fn open(port: u16, head: &'c str, cookies: &'c [String]) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the proxy accepts");
        Self::over(stream, head, cookies)
    }

    fn over(stream: TcpStream, head: &'c str, cookies: &'c [String]) -> Self {
        stream.set_nodelay(true).expect("a socket");
        let timeout = Some(Duration::from_secs(20));
        stream.set_read_timeout(timeout).expect("a socket");
        Self {
            stream,
            head,
            cookies,
            buffer: vec![0; 64 * 1024],
        }
    }

    fn ask(&mut self, session: usize, due: Instant) -> Reply {
        self.send(session).expect("the proxy reads");
        let (status, body) = self.receive().expect("the proxy answers in time");
        Reply {
            session,
            due,
            answered: Instant::now(),
            status,
            body,
        }
    }

    fn send(&mut self, session: usize) -> std::io::Result<()> {
        let request = format!("{}Cookie: {}\r\n\r\n", self.head, self.cookies[session]);
        self.stream.write_all(request.as_bytes())
    }

    /// Status and body of an answer, which has to have a `Content-Length`.
    fn receive(&mut self) -> std::io::Result<(u16, Vec<u8>)> {
        let (mut read, mut parts) = (0, None);
        loop {
            if let Some((status, begin, length)) = parts
                && read >= begin + length
            {
                assert_eq!(read, begin + length, "an answer is longer than it says");
                return Ok((status, self.buffer[begin..read].to_vec()));
            }
            let more = self.stream.read(&mut self.buffer[read..])?;
            if more == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            read += more;
            parts = parts.or_else(|| parts_of(&self.buffer[..read]));
        }
    }
}

/// Status, where the body begins and how long it is, once the head is there.
fn parts_of(read: &[u8]) -> Option<(u16, usize, usize)> {
    let text = String::from_utf8_lossy(read);
    let end = text.find("\r\n\r\n")?;
    let mut lines = text[..end].lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().expect("a status");
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_meant = name.eq_ignore_ascii_case("content-length");
        is_meant.then(|| value.trim().parse().expect("a length"))
    });
    Some((
        status,
        end + 4,
        length.expect("a small answer has a Content-Length"),
    ))
}

/// # Panics
/// When one of them is not 200; with how many of which status there are.
pub(crate) fn all_are_200(what: &str, replies: &[Reply]) {
    let bad: Vec<_> = replies.iter().filter(|reply| reply.status != 200).collect();
    if let Some(first) = bad.first() {
        let mut statuses: Vec<_> = bad.iter().map(|reply| reply.status).collect();
        statuses.sort_unstable();
        statuses.dedup();
        panic!(
            "{what}: {} of {} requests failed, with {statuses:?}; the first one: {}",
            bad.len(),
            replies.len(),
            String::from_utf8_lossy(&first.body)
        );
    }
}

/// Median and 99th percentile, in microseconds.
pub(crate) fn p50_and_p99<'r>(replies: impl IntoIterator<Item = &'r Reply>) -> (f64, f64) {
    let mut each: Vec<_> = replies.into_iter().map(Reply::took).collect();
    assert!(!each.is_empty(), "no request fell into this part of the run");
    each.sort_unstable();
    let at = |share: f64| each[((each.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e6;
    (at(0.5), at(0.99))
}
