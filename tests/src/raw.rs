//! Requests as no browser writes them: byte for byte.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::wait::within_patience;

/// An answer, hardly parsed.
#[derive(Debug, Clone)]
pub struct RawAnswer {
    /// The status; `None` if the server hung up without one.
    pub status: Option<u16>,
    /// Everything that came.
    pub text: String,
}

/// Sends these bytes and reads until the server closes. The request should say `Connection: close`.
///
/// # Panics
/// When the server does not accept the connection or never ends it.
pub async fn send(to: SocketAddr, bytes: &[u8]) -> RawAnswer {
    let mut stream = TcpStream::connect(to).await.expect("the server accepts");
    // It may close before it has read everything, which is an answer too.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = within_patience("the server ends the connection", stream.read_to_end(&mut answer)).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text
        .split_whitespace()
        .nth(1)
        .and_then(|status| status.parse().ok());
    RawAnswer { status, text }
}

/// A request for this target, with these header lines.
pub fn request(method: &str, target: &str, host: &str, headers: &[&str]) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}
