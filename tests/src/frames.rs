//! HTTP/2 as no client writes it: frame for frame.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::wait::within_patience;

/// What every connection begins with, and empty `SETTINGS`.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// The length of a frame's head.
const HEAD: usize = 9;

/// `DATA`.
pub const DATA: u8 = 0;
/// `HEADERS`.
pub const HEADERS: u8 = 1;
/// `RST_STREAM`.
pub const RST_STREAM: u8 = 3;
/// `SETTINGS`.
pub const SETTINGS: u8 = 4;
/// `PING`.
pub const PING: u8 = 6;
/// `GOAWAY`.
pub const GOAWAY: u8 = 7;
/// `CONTINUATION`.
pub const CONTINUATION: u8 = 9;
/// The flag of a request without a body.
pub const END_STREAM: u8 = 1;
/// The flag of a head that is whole.
pub const END_HEADERS: u8 = 4;

/// One frame.
///
/// # Panics
/// When it is longer than frames may be.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The head of a request by plain http, in HPACK without compression.
pub fn head(method: &str, path: &str) -> Vec<u8> {
    // `:scheme: http` of the static table, then literals under names of it: `:method`, `:authority`, `:path`.
    let mut head = vec![0x86];
    for (name, value) in [(2, method), (1, "localhost"), (4, path)] {
        head.push(name);
        head.push(u8::try_from(value.len()).expect("a short value"));
        head.extend(value.as_bytes());
    }
    head
}

/// A connection whose every byte is the test's own.
#[derive(Debug)]
pub struct Frames {
    writer: OwnedWriteHalf,
    answers: watch::Receiver<usize>,
    // Ends with the connection, and gives the error code of its `GOAWAY`, if there was one.
    reader: JoinHandle<Option<u32>>,
}

impl Frames {
    /// Connects and begins.
    ///
    /// # Panics
    /// When the server does not accept.
    pub async fn connect(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).await.expect("the server accepts");
        let (mut reader, mut writer) = stream.into_split();
        writer.write_all(PREFACE).await.expect("the server reads");
        let (told, answers) = watch::channel(0);
        let reader = tokio::spawn(async move {
            let mut goaway = None;
            let mut head = [0; HEAD];
            while reader.read_exact(&mut head).await.is_ok() {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                let mut payload = vec![0; length as usize];
                if reader.read_exact(&mut payload).await.is_err() {
                    break;
                }
                match (head[3], payload.get(4..8)) {
                    (GOAWAY, Some(&[a, b, c, d])) => goaway = Some(u32::from_be_bytes([a, b, c, d])),
                    (HEADERS, _) => told.send_modify(|answers| *answers += 1),
                    _ => {}
                }
            }
            goaway
        });
        Self {
            writer,
            answers,
            reader,
        }
    }

    /// Sends bytes; whether the server still took them.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        within_patience("the server reads or hangs up", self.writer.write_all(bytes))
            .await
            .is_ok()
    }

    /// Sends the same again and again, this often at most; how often the server took it.
    pub async fn flood(&mut self, bytes: &[u8], times: usize) -> usize {
        for taken in 0..times {
            if self.reader.is_finished() || !self.send(bytes).await {
                return taken;
            }
        }
        times
    }

    /// Waits until a request is answered.
    ///
    /// # Panics
    /// When none is.
    pub async fn answered(&mut self) {
        let answer = self.answers.wait_for(|answers| *answers > 0);
        let answered = within_patience("a request is answered", answer).await.is_ok();
        assert!(answered, "the connection ended without an answer");
    }

    /// Waits until the server ends the connection; the error code of its `GOAWAY`, if there was one.
    ///
    /// # Panics
    /// When it does not.
    pub async fn ended(self) -> Option<u32> {
        within_patience("the server ends the connection", self.reader)
            .await
            .expect("the reader does not panic")
    }

    /// Hangs up.
    ///
    /// # Panics
    /// When the server keeps the connection.
    pub async fn hang_up(mut self) -> Option<u32> {
        let _ = self.writer.shutdown().await;
        self.ended().await
    }
}
