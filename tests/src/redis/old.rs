//! What an old Redis says of itself. None can be installed beside the one that the tests need, and nothing but its greeting
//! matters: a BFF has to refuse it before it does anything with it.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A server that answers as Redis of some version does until it is known.
#[derive(Debug)]
pub struct OldRedis {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl OldRedis {
    /// One of this version, which runs in this mode: `standalone` or `cluster`.
    ///
    /// # Panics
    /// When loopback has no free port.
    pub async fn start(version: &str, mode: &str) -> Self {
        let text = |text: &str| format!("${}\r\n{text}\r\n", text.len());
        let mut answer = "*14\r\n".to_owned();
        for (field, value) in [
            ("server", text("redis")),
            ("version", text(version)),
            ("proto", ":2\r\n".to_owned()),
            ("id", ":7\r\n".to_owned()),
            ("mode", text(mode)),
            ("role", text("master")),
            ("modules", "*0\r\n".to_owned()),
        ] {
            answer.push_str(&text(field));
            answer.push_str(&value);
        }
        Self::answering(answer).await
    }

    /// One from before version 6, which knows no `HELLO`.
    ///
    /// # Panics
    /// When loopback has no free port.
    pub async fn start_without_hello() -> Self {
        Self::answering("-ERR unknown command `HELLO`, with args beginning with: \r\n".to_owned()).await
    }

    async fn answering(hello: String) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let hello = hello.clone();
                connections.spawn(async move { converse(stream, &hello).await });
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            address,
            _tasks: tasks,
        }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }
}

/// Answers `HELLO` and `PING`, and refuses all else, until the other side has enough.
async fn converse(stream: TcpStream, hello: &str) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let command = read_command(&mut stream).await?;
        let answer = match command.first()?.to_ascii_uppercase().as_str() {
            "HELLO" => hello,
            "PING" => "+PONG\r\n",
            _ => "-ERR this is not the server you want\r\n",
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

async fn read_command(stream: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let words = read_length(stream, '*').await?;
    let mut command = Vec::new();
    for _ in 0..words {
        let mut word = vec![0; read_length(stream, '$').await? + 2];
        stream.read_exact(&mut word).await.ok()?;
        command.push(String::from_utf8_lossy(&word).trim_end().to_owned());
    }
    Some(command)
}

async fn read_length(stream: &mut BufReader<TcpStream>, sign: char) -> Option<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    line.trim_end().strip_prefix(sign)?.parse().ok()
}
