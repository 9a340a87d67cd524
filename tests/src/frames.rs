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
    /// Their statuses, in the order in which they came.
    answers: watch::Receiver<Vec<u16>>,
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
        let (told, answers) = watch::channel(Vec::new());
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
                    (HEADERS, _) => told.send_modify(|answers| answers.push(status(&payload))),
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

    /// Waits until a request is answered, and gives the first status.
    ///
    /// # Panics
    /// When none is.
    pub async fn answered(&mut self) -> u16 {
        let answer = self.answers.wait_for(|answers| !answers.is_empty());
        let answered = within_patience("a request is answered", answer).await;
        answered.expect("the connection does not end without an answer")[0]
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

/// The status of an answer, which its head begins with (RFC 7541 §6 and appendices A and B).
fn status(head: &[u8]) -> u16 {
    // The size of the table may be said before.
    let head = head
        .iter()
        .position(|byte| byte & 0xe0 != 0x20)
        .map_or(head, |from| &head[from..]);
    match *head {
        [indexed @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
        // A literal under the name `:status`.
        [0x48 | 0x08 | 0x18, length, ref rest @ ..] => {
            let bytes = &rest[..usize::from(length & 0x7f)];
            let text = if length & 0x80 == 0 {
                String::from_utf8_lossy(bytes).into_owned()
            } else {
                digits(bytes)
            };
            text.parse().expect("a status is a number")
        }
        _ => panic!("an answer does not begin with its status: {head:?}"),
    }
}

/// Digits in the code of HPACK: the first three have five bits, the others six.
fn digits(bytes: &[u8]) -> String {
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let number = |bits: &[u8]| bits.iter().fold(0, |number, bit| number << 1 | bit);
    let (mut text, mut rest) = (String::new(), bits.as_slice());
    while rest.len() > 7 || rest.contains(&0) {
        let (digit, length) = match number(&rest[..5]) {
            short @ 0..=2 => (short, 5),
            _ => (number(&rest[..6]) - 0x16, 6),
        };
        text.push(char::from(b'0' + digit));
        rest = &rest[length..];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_in_each_of_its_forms() {
        // The last two are from RFC 7541, C.6.1 and C.6.2.
        for (head, wanted) in [
            (&[0x88][..], 200),
            (&[0x20, 0x8c], 400),
            (&[0x08, 3, b'4', b'3', b'1'], 431),
            (&[0x48, 0x82, 0x64, 0x02], 302),
            (&[0x48, 0x83, 0x64, 0x0e, 0xff], 307),
        ] {
            assert_eq!(status(head), wanted);
        }
    }
}
