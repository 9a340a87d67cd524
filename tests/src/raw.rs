//! Requests as no browser writes them, and answers as no API should: byte for byte.

mod talk;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub use self::talk::{Talk, ToldUpstream};
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

/// An upstream that answers each connection's first request with the same bytes, closes, and writes down what it read.
#[derive(Debug)]
pub struct RawUpstream {
    address: SocketAddr,
    read: Arc<Mutex<Vec<u8>>>,
    _tasks: JoinSet<()>,
}

impl RawUpstream {
    /// An upstream on a port of its own; it ends when this is dropped.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn that_says(answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let read = Arc::default();
        let record: Arc<Mutex<Vec<u8>>> = Arc::clone(&read);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let mut head = vec![0; 64 * 1024];
                let length = connection.read(&mut head).await.unwrap_or(0);
                record.lock().unwrap().extend_from_slice(&head[..length]);
                let _ = connection.write_all(answer).await;
                let _ = connection.shutdown().await;
            }
        });
        Self {
            address,
            read,
            _tasks: tasks,
        }
    }

    /// A `[[route]]` that leads to it, without a session.
    pub fn route(&self, prefix: &str) -> String {
        let upstream = self.address;
        format!(
            "[[route]]\nprefix = \"{prefix}\"\nupstream = \"http://{upstream}\"\naccess = \"anonymous\"\n"
        )
    }

    /// Everything it has read so far.
    pub fn read(&self) -> String {
        String::from_utf8_lossy(&self.read.lock().unwrap()).into_owned()
    }
}
