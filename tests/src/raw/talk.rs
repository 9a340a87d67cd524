//! One connection that a story speaks by itself, at either end of the BFF.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::wait::within_patience;

/// A connection of HTTP/1.1 on which the story says every byte.
#[derive(Debug)]
pub struct Talk(TcpStream);

impl Talk {
    /// Connects, and says nothing yet.
    ///
    /// # Panics
    /// When nobody accepts.
    pub async fn to(address: SocketAddr) -> Self {
        Self::of(TcpStream::connect(address).await.expect("the server accepts"))
    }

    fn of(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a connection has options");
        Self(stream)
    }

    /// Sends these bytes.
    ///
    /// # Panics
    /// When the other end is gone.
    pub async fn say(&mut self, text: &str) {
        let said = self.0.write_all(text.as_bytes());
        within_patience("it is taken", said)
            .await
            .expect("somebody listens");
    }

    /// The next head; what there is of it if the other end closes.
    pub async fn hear_head(&mut self) -> String {
        self.hear_until(b"\r\n\r\n").await
    }

    /// The next message: its head, and its body as it is sent. Not for what has a length and no body, as answers to `HEAD` do.
    pub async fn hear(&mut self) -> String {
        let head = self.hear_head().await;
        let lines = head.to_ascii_lowercase();
        if lines.contains("transfer-encoding: chunked") {
            return head + self.hear_until(b"0\r\n\r\n").await.as_str();
        }
        let length = lines.split("content-length: ").nth(1);
        let length = length.and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        head + self.hear_bytes(length.unwrap_or(0)).await.as_str()
    }

    /// As many bytes.
    ///
    /// # Panics
    /// When they do not come.
    pub async fn hear_bytes(&mut self, length: usize) -> String {
        let mut bytes = vec![0; length];
        let read = self.0.read_exact(&mut bytes);
        within_patience("bytes come", read).await.expect("they come");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    async fn hear_until(&mut self, end: &[u8]) -> String {
        let mut bytes = Vec::new();
        let read = async {
            while !bytes.ends_with(end) {
                match self.0.read_u8().await {
                    Ok(byte) => bytes.push(byte),
                    Err(_) => break,
                }
            }
        };
        within_patience("a message comes", read).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Listens for this long.
    ///
    /// # Panics
    /// When the other end says something or closes.
    pub async fn is_silent_for(&mut self, time: Duration) {
        let heard = timeout(time, self.0.read_u8()).await;
        assert!(heard.is_err(), "{heard:?}");
    }

    /// Waits until the other end closes, and gives what it said before.
    pub async fn is_left(&mut self) -> String {
        let mut bytes = Vec::new();
        // A reset is an end as well.
        let _ = within_patience("the other end closes", self.0.read_to_end(&mut bytes)).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Says that nothing more comes, and waits until the other end has closed as well; gives what it said before.
    ///
    /// # Panics
    /// When the connection is gone already.
    pub async fn close(mut self) -> String {
        self.0.shutdown().await.expect("the connection is here");
        self.is_left().await
    }
}

/// An upstream whose connections the story speaks by itself.
#[derive(Debug)]
pub struct ToldUpstream {
    listener: TcpListener,
}

impl ToldUpstream {
    /// On a port of its own.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        Self {
            listener: listener.expect("a free port on loopback"),
        }
    }

    /// A `[[route]]` that leads to it, with these lines.
    ///
    /// # Panics
    /// Never: a bound listener has an address.
    pub fn route(&self, prefix: &str, lines: &str) -> String {
        let address = self
            .listener
            .local_addr()
            .expect("a bound listener has an address");
        format!(
            "[[route]]\nprefix = \"{prefix}\"\nstrip_prefix = true\nupstream = \"http://{address}\"\n{lines}\n"
        )
    }

    /// The next connection that was made to it.
    ///
    /// # Panics
    /// When none is made.
    pub async fn accept(&self) -> Talk {
        let accepted = within_patience("the upstream is connected to", self.listener.accept()).await;
        Talk::of(accepted.expect("a listener accepts").0)
    }
}
