//! A connection of ours to a contender, where `wrk` will not do: it waits between requests, or its body is too long.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::case::Case;
use crate::contender::Contender;

/// Enough for a head and a small answer; there may be 10,000 of them.
const BUFFER: usize = 4 * 1_024;
/// What is written or read at once of a body.
const PIECE: usize = 256 * 1_024;
/// How long a contender may take for the next piece.
const PATIENCE: Duration = Duration::from_secs(20);

/// It asks one thing again and again.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    head: String,
    body: usize,
    buffer: Vec<u8>,
    /// How long an answer is. All are as long as the first, so that only that one is looked through.
    length: Option<usize>,
}

impl Connection {
    /// # Panics
    /// When the contender does not accept it.
    pub(crate) fn open(contender: &Contender, case: &Case) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", contender.port)).expect("the proxy accepts");
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
        Self {
            stream,
            head: head(contender, case),
            body: case.body.unwrap_or_default(),
            buffer: vec![0; BUFFER],
            length: None,
        }
    }

    /// Sends the request and reads its answer: 200 and small.
    ///
    /// # Panics
    /// When it is not.
    pub(crate) fn ask(&mut self) {
        self.send();
        let mut read = 0;
        while self.length.is_none_or(|length| read < length) {
            read += self.read_more(read);
            self.length = self.length.or_else(|| length_of(&self.buffer[..read]));
        }
        assert_eq!(Some(read), self.length, "answers differ in length");
        self.assert_success();
    }

    /// As [`ask`](Self::ask), with a long answer that nobody keeps.
    ///
    /// # Panics
    /// When it is not as long as it should be.
    pub(crate) fn ask_and_discard(&mut self, bytes: usize) {
        self.send();
        let (mut read, mut length) = (0, None);
        while length.is_none() {
            read += self.read_more(read);
            length = length_of(&self.buffer[..read]);
        }
        self.assert_success();
        let length = length.unwrap_or_default();
        assert!(length > bytes, "the answer has {length} bytes with its head");
        let mut piece = vec![0; PIECE];
        while read < length {
            let more = self.stream.read(&mut piece).expect("the proxy goes on in time");
            assert!(more > 0, "the connection ended after {read} of {length} bytes");
            read += more;
        }
        assert_eq!(read, length);
    }

    fn send(&mut self) {
        self.stream
            .write_all(self.head.as_bytes())
            .expect("the proxy reads");
        let piece = vec![b'x'; self.body.min(PIECE)];
        let mut left = self.body;
        while left > 0 {
            let next = left.min(PIECE);
            self.stream
                .write_all(&piece[..next])
                .expect("the proxy goes on reading");
            left -= next;
        }
    }

    fn read_more(&mut self, read: usize) -> usize {
        let more = self
            .stream
            .read(&mut self.buffer[read..])
            .expect("the proxy answers in time");
        assert!(more > 0, "the connection ended, or the answer is too long");
        more
    }

    fn assert_success(&self) {
        assert!(
            self.buffer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&self.buffer).trim_end_matches('\0')
        );
    }
}

fn head(contender: &Contender, case: &Case) -> String {
    let headers: String = contender
        .headers(case.body.is_some())
        .into_iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let (method, length) = match case.body {
        Some(bytes) => ("POST", format!("Content-Length: {bytes}\r\n")),
        None => ("GET", String::new()),
    };
    format!("{method} {} HTTP/1.1\r\n{headers}{length}\r\n", case.path)
}

/// How long the answer is, once its head is there.
fn length_of(read: &[u8]) -> Option<usize> {
    let end = read.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    Some(end + 4 + length.expect("an answer of the upstream has a Content-Length"))
}
