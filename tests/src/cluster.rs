//! Several BFFs, each in a process of its own, on one Redis, behind one address.
//!
//! The other parties are those of a [`Stack`]: provider behind its relay, upstream, Redis. Every node has a [`Link`] of
//! its own to Redis, if that is a single server, and all read their time from one file. A load balancer is not among the parties: the story says
//! which node a browser's request reaches ([`Browser::at`]).

pub mod clock;
mod link;
mod load;
mod node;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use resource_server::time::Clock as _;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinHandle, block_in_place};

use self::clock::SharedClock;
pub use self::link::Link;
pub use self::load::{Answered, Load, Stolen};
pub use self::node::Node;
use crate::browser::Browser;
use crate::log::warnings_in;
use crate::operator::Operator;
use crate::stack::{Deployment, Stack};

const NAMES: [&str; 3] = ["a", "b", "c"];
const TICK: Duration = Duration::from_secs(1);
/// How many clusters run beside each other in one test process: each is three more processes, and the herds have thousands
/// of connections open.
static TURNS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Arc::new(Semaphore::new((cores / 2).clamp(1, 2)))
});

/// A cluster that runs. Dropping it kills the nodes and looks for secrets in what they logged.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    time: Arc<Time>,
    ticking: JoinHandle<()>,
    // After the nodes: they use it.
    stack: Arc<Stack>,
    _turn: OwnedSemaphorePermit,
}

/// The time of all parties. It runs with the machine's, because leases and time-outs do, and jumps when a story says so.
#[derive(Debug)]
struct Time {
    stack: Arc<Stack>,
    file: Mutex<SharedClock>,
}

impl Time {
    async fn advance(&self, by: Duration) {
        // One after the other, or the file would be set to the earlier of two instants.
        let file = self.file.lock().await;
        self.stack.advance(by).await;
        let now = self.stack.clock().now();
        file.set(now).expect("the clock's file can be written");
    }

    async fn run(&self) {
        let mut second = tokio::time::interval(TICK);
        second.tick().await;
        loop {
            second.tick().await;
            self.advance(TICK).await;
        }
    }
}

impl Cluster {
    /// Starts three nodes; `program` is the path of `bff-node`, which only cargo knows.
    ///
    /// # Panics
    /// When something does not start.
    pub async fn start(deployment: Deployment, program: &str) -> Self {
        let turn = Arc::clone(&TURNS).acquire_owned().await.expect("never closed");
        let stack = Arc::new(Stack::start_without_bff(deployment).await);
        let clock = stack.folder().join("clock");
        let file = SharedClock::create(&clock, stack.clock().now()).expect("a file for the clock");
        let time = Arc::new(Time {
            stack: Arc::clone(&stack),
            file: Mutex::new(file),
        });
        let mut nodes = Vec::new();
        for name in NAMES {
            nodes.push(start_node(&stack, program, name, &clock).await);
        }
        let running = Arc::clone(&time);
        Self {
            nodes,
            time,
            ticking: tokio::spawn(async move { running.run().await }),
            stack,
            _turn: turn,
        }
    }

    /// The other parties.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The nodes by name.
    ///
    /// # Panics
    /// Never: there are three.
    pub fn abc(&self) -> (&Node, &Node, &Node) {
        match self.nodes.as_slice() {
            [a, b, c] => (a, b, c),
            _ => panic!("a cluster has three nodes"),
        }
    }

    /// A browser in which this user has just signed in at the first node.
    pub async fn browser_logged_in_as(&self, name: &str) -> Browser {
        let browser = self.stack.browser().at(self.nodes[0].address());
        let user = self.stack.user(name);
        browser.log_in(&user.name, &user.password).await;
        browser
    }

    /// Somebody with the admin token, at a node.
    ///
    /// # Panics
    /// When the nodes are not administered.
    pub fn operator_of(&self, node: &Node) -> Operator {
        let address = node.management().expect("the nodes are administered");
        self.stack.operator_at(address)
    }

    /// Lets time pass, for everybody at once.
    pub async fn advance(&self, by: Duration) {
        self.time.advance(by).await;
    }

    /// Lets the access tokens issued so far expire.
    pub async fn let_access_tokens_expire(&self) {
        self.advance(self.stack.access_token_lifetime() + Duration::from_secs(10))
            .await;
    }

    /// Every session that rests in Redis, with all that is noted of it but when it was used last.
    pub async fn sessions_in_redis(&self) -> Vec<String> {
        let redis = self.stack.redis();
        let mut keys = redis.command(&["--raw", "KEYS", "*:session"]).await;
        keys.retain(|key| !key.is_empty());
        keys.sort();
        let mut sessions = Vec::new();
        for key in keys {
            let mut fields = redis.command(&["--raw", "HKEYS", &key]).await;
            fields.retain(|field| !field.is_empty() && field != "used");
            fields.sort();
            let mut record = key.clone();
            for field in fields {
                let value = redis.command(&["--no-raw", "HGET", &key, &field]).await;
                let _ = write!(record, " {field}={}", value.join(" "));
            }
            sessions.push(record);
        }
        sessions
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.ticking.abort();
        // Its last tick may be under way, and the stack is to end here.
        let _ = block_in_place(|| Handle::current().block_on(&mut self.ticking));
        let logs: Vec<_> = self.nodes.drain(..).map(|node| node.log()).collect();
        if std::thread::panicking() {
            #[expect(
                clippy::print_stderr,
                reason = "it belongs to the report of the test that failed"
            )]
            for (name, log) in NAMES.iter().zip(&logs) {
                eprintln!("What node {name} warned of:\n{}", warnings_in(log));
            }
            return;
        }
        for log in &logs {
            if let Some(finding) = self.stack.secrets().seen_in_log(log) {
                panic!("the log of a node holds a {finding}");
            }
            assert!(
                !log.contains("panicked"),
                "a node panicked:\n{}",
                warnings_in(log)
            );
        }
    }
}

async fn start_node(stack: &Stack, program: &str, name: &str, clock: &Path) -> Node {
    Node::start(node::Setup {
        program,
        folder: stack.folder(),
        name: format!("node-{name}"),
        config: stack.bff_config("127.0.0.1:0"),
        clock,
        client_secret: stack.client_secret(),
        admin_token: stack.admin_token(),
        redis: stack.redis_address(),
    })
    .await
}
