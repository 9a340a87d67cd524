//! Makes `localhost` work where it means `[::1]`: passes connections on to the server at 127.0.0.1.
//!
//! A server takes one listener, and a browser may try either address first. Bytes are passed on as they come; nothing
//! is read.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};

/// A pause after a failed `accept`, which mostly means that the process has too many files open.
const PAUSE: Duration = Duration::from_millis(100);

/// A running relay; it stops, with its connections, when it is dropped.
#[derive(Debug)]
pub(crate) struct Relay(JoinHandle<()>);

impl Relay {
    /// Passes every connection of the listener on to `to`.
    pub(crate) fn start(listener: TcpListener, to: SocketAddr) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        Ok(Self(tokio::spawn(accept(listener, to))))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn accept(listener: tokio::net::TcpListener, to: SocketAddr) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((incoming, _)) => {
                connections.spawn(pass_on(incoming, to));
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
        // Those that are over would pile up otherwise.
        while connections.try_join_next().is_some() {}
    }
}

/// A connection that breaks on one side is closed on the other: that is all either side has to learn.
async fn pass_on(mut incoming: TcpStream, to: SocketAddr) -> io::Result<()> {
    let mut outgoing = TcpStream::connect(to).await?;
    incoming.set_nodelay(true)?;
    outgoing.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut incoming, &mut outgoing).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Answers each connection with what it received, in upper case, once the sender has finished.
    async fn shout(listener: tokio::net::TcpListener) {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            stream.write_all(text.to_uppercase().as_bytes()).await.unwrap();
        }
    }

    #[tokio::test]
    async fn connections_are_passed_on_both_ways_until_the_relay_is_dropped() {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = server.local_addr().unwrap();
        tokio::spawn(shout(server));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let relay = Relay::start(listener, to).unwrap();

        for word in ["hello", "again"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(word.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer, word.to_uppercase());
        }

        let Relay(ref task) = relay;
        let handle = task.abort_handle();
        drop(relay);
        while !handle.is_finished() {
            tokio::task::yield_now().await;
        }
        assert!(TcpStream::connect(address).await.is_err());
    }
}
