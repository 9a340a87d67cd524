//! The wire between a node and its Redis, which a story can interrupt without telling either.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

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
    said: watch::Sender<Option<Vec<u8>>>,
    /// What the node heard since somebody listens in.
    heard: watch::Sender<Option<Vec<u8>>>,
    /// What the node has to say for its answer to be kept back.
    trap: Mutex<Option<Vec<u8>>>,
    /// Moves whenever all connections are to end.
    broken: watch::Sender<u64>,
}

impl State {
    /// The node says this, and it is not passed on yet.
    fn says(&self, bytes: &[u8]) {
        note(&self.said, bytes);
        let mut trap = self.trap.lock().unwrap();
        if trap.as_deref().is_some_and(|awaited| is_in(bytes, awaited)) {
            *trap = None;
            self.inward.send_replace(true);
        }
    }
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
        self.hold_inward();
        self.hold_outward();
    }

    /// Keeps back what the node says. If the node dies, that was never said.
    pub fn hold_outward(&self) {
        self.state.said.send_replace(Some(Vec::new()));
        self.state.outward.send_replace(true);
    }

    /// Keeps back what the node would hear: it is said and done, and the node does not learn it.
    pub fn hold_inward(&self) {
        self.listen_in();
        self.state.inward.send_replace(true);
    }

    /// As [`hold_inward`](Self::hold_inward), from the moment that the node says this.
    ///
    /// # Panics
    /// Never.
    pub fn hold_answer_to(&self, bytes: &[u8]) {
        *self.state.trap.lock().unwrap() = Some(bytes.to_vec());
    }

    /// Remembers what comes for the node from now on, kept back or not.
    pub fn listen_in(&self) {
        self.state.heard.send_replace(Some(Vec::new()));
    }

    /// Ends all connections, as a server does that goes away; what is kept back is lost.
    pub fn break_connections(&self) {
        self.state.broken.send_modify(|times| *times += 1);
    }

    /// Waits until what is kept back contains this.
    ///
    /// # Panics
    /// When the node does not say it.
    pub async fn holds(&self, what: &str, bytes: &[u8]) {
        contains(&self.state.said, what, bytes).await;
    }

    /// Waits until what came for the node since somebody [listens in](Self::listen_in) contains this.
    ///
    /// # Panics
    /// When it does not come.
    pub async fn hears(&self, what: &str, bytes: &[u8]) {
        contains(&self.state.heard, what, bytes).await;
    }

    /// Lets everything pass, and what was kept back first.
    pub fn heal(&self) {
        self.state.said.send_replace(None);
        self.state.heard.send_replace(None);
        self.state.outward.send_replace(false);
        self.state.inward.send_replace(false);
    }
}

async fn contains(noted: &watch::Sender<Option<Vec<u8>>>, what: &str, bytes: &[u8]) {
    let mut noted = noted.subscribe();
    let awaited = noted.wait_for(|noted| noted.as_deref().is_some_and(|noted| is_in(noted, bytes)));
    within_patience(what, awaited)
        .await
        .expect("the link holds the sender");
}

fn is_in(text: &[u8], bytes: &[u8]) -> bool {
    text.windows(bytes.len()).any(|window| window == bytes)
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
    let (outward, inward) = (state.outward.subscribe(), state.inward.subscribe());
    let mut broken = state.broken.subscribe();
    // Whoever closes first ends both directions: nobody half-closes a connection to Redis.
    tokio::select! {
        biased;
        _ = broken.changed() => {}
        () = pump(from_node, to_redis, outward, |bytes| state.says(bytes)) => {}
        () = pump(from_redis, to_node, inward, |bytes| note(&state.heard, bytes)) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut held: watch::Receiver<bool>,
    note: impl Fn(&[u8]),
) {
    let mut buffer = vec![0; 64 * 1024];
    let mut waiting = Vec::new();
    loop {
        tokio::select! {
            read = from.read(&mut buffer) => match read {
                Ok(1..) if waiting.len() > 64 * 1024 * 1024 => return,
                Ok(length @ 1..) => {
                    waiting.extend_from_slice(&buffer[..length]);
                    note(&buffer[..length]);
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

fn note(noted: &watch::Sender<Option<Vec<u8>>>, bytes: &[u8]) {
    noted.send_if_modified(|noted| match noted {
        Some(noted) => {
            noted.extend_from_slice(bytes);
            true
        }
        None => false,
    });
}
