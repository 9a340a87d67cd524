//! The wire between a node and its Redis, which a story can interrupt without telling either.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::wait::within_patience;

/// A relay for the bytes of one node.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether what the node says is kept back.
    outward: watch::Sender<bool>,
    /// Whether what the node would hear is kept back.
    inward: watch::Sender<bool>,
    /// What the node said since it is kept back.
    kept: watch::Sender<Vec<u8>>,
}

impl Link {
    /// A link that lets everything pass.
    ///
    /// # Panics
    /// When loopback has no free port.
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let state = Arc::new(State::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, to, Arc::clone(&state)));
        Self {
            address,
            state,
            _tasks: tasks,
        }
    }

    /// What the node takes for its Redis.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets nothing pass any more, in either direction. Connections stay open, and new ones are accepted: so it looks
    /// when a switch fails.
    pub fn cut(&self) {
        self.state.inward.send_replace(true);
        self.hold_outward();
    }

    /// Keeps back what the node says. If the node dies, that was never said.
    pub fn hold_outward(&self) {
        self.state.kept.send_replace(Vec::new());
        self.state.outward.send_replace(true);
    }

    /// Waits until what is kept back contains this.
    ///
    /// # Panics
    /// When the node does not say it.
    pub async fn holds(&self, what: &str, bytes: &[u8]) {
        let mut kept = self.state.kept.subscribe();
        let said = kept.wait_for(|kept| kept.windows(bytes.len()).any(|window| window == bytes));
        within_patience(what, said)
            .await
            .expect("the link holds the sender");
    }

    /// Lets everything pass, and what was kept back first.
    pub fn heal(&self) {
        self.state.outward.send_replace(false);
        self.state.inward.send_replace(false);
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((node, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        connections.spawn(async move {
            // A Redis that is down closes the connection, as it would without us.
            if let Ok(redis) = TcpStream::connect(to).await {
                relay(node, redis, &state).await;
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn relay(node: TcpStream, redis: TcpStream, state: &State) {
    let _ = (node.set_nodelay(true), redis.set_nodelay(true));
    let ((from_node, to_node), (from_redis, to_redis)) = (node.into_split(), redis.into_split());
    // Whoever closes first ends both directions: nobody half-closes a connection to Redis.
    tokio::select! {
        () = pump(from_node, to_redis, state.outward.subscribe(), Some(&state.kept)) => {}
        () = pump(from_redis, to_node, state.inward.subscribe(), None) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut held: watch::Receiver<bool>,
    kept: Option<&watch::Sender<Vec<u8>>>,
) {
    let mut buffer = vec![0; 64 * 1024];
    let mut waiting = Vec::new();
    loop {
        tokio::select! {
            read = from.read(&mut buffer) => match read {
                Ok(1..) if waiting.len() > 64 * 1024 * 1024 => return,
                Ok(length @ 1..) => {
                    waiting.extend_from_slice(&buffer[..length]);
                    if let Some(kept) = kept.filter(|_| *held.borrow()) {
                        kept.send_modify(|kept| kept.extend_from_slice(&buffer[..length]));
                    }
                }
                // What is kept back of somebody who is gone was never said.
                Ok(0) | Err(_) => return,
            },
            changed = held.changed() => if changed.is_err() { return },
        }
        if !*held.borrow() && !waiting.is_empty() {
            if to.write_all(&waiting).await.is_err() {
                return;
            }
            waiting.clear();
        }
    }
}
