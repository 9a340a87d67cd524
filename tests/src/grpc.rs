//! gRPC by software that is not ours: npm `@grpc/grpc-js`, a server and a client in processes of their own.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::Mutex;

use crate::leash::assert_installed;
use crate::wait::within_patience;

/// A gRPC server; it ends when this is dropped.
#[derive(Debug)]
pub struct GrpcServer {
    port: u64,
    told: Mutex<Lines<BufReader<ChildStdout>>>,
    _process: Child,
}

impl GrpcServer {
    /// Starts it, in HTTP/2 without TLS.
    ///
    /// # Panics
    /// When Node or the package is missing, or it does not start.
    pub async fn start() -> Self {
        let mut process = node("server.mjs")
            .stdin(Stdio::piped())
            .spawn()
            .expect("node starts");
        let told = process.stdout.take().expect("stdout is piped");
        let mut told = BufReader::new(told).lines();
        let ready = line(&mut told).await;
        Self {
            port: ready["port"].as_u64().expect("a port"),
            told: Mutex::new(told),
            _process: process,
        }
    }

    /// Its address, as routes name it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The next call that reached it: its `path` and its `metadata`.
    pub async fn next_call(&self) -> Value {
        line(&mut *self.told.lock().await).await
    }
}

/// Makes calls (method and message) over HTTP/2 without TLS, each after the one before it. What comes of each: `code`,
/// `details`, `messages`, `trailers`.
///
/// # Panics
/// When Node or the package is missing, or a call has no outcome.
pub async fn call(address: &str, authority: &str, metadata: &Value, calls: &[(&str, &str)]) -> Vec<Value> {
    let task = json!({ "address": address, "authority": authority, "metadata": metadata, "calls": calls });
    let mut process = node("client.mjs")
        .arg(task.to_string())
        .stdin(Stdio::null())
        .spawn()
        .expect("node starts");
    let mut told = BufReader::new(process.stdout.take().expect("stdout is piped")).lines();
    let mut outcomes = Vec::with_capacity(calls.len());
    for _ in calls {
        outcomes.push(line(&mut told).await);
    }
    outcomes
}

async fn line(told: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line = within_patience("the gRPC process says something", told.next_line()).await;
    let line = line.expect("its output is text").expect("it has not ended");
    serde_json::from_str(&line).expect("it speaks JSON")
}

fn node(script: &str) -> Command {
    let folder = folder();
    assert_installed("node");
    assert!(
        folder.join("node_modules/@grpc/grpc-js").is_dir(),
        "npm @grpc/grpc-js is not installed: run `make test`, or `npm ci` in {}",
        folder.display()
    );
    let mut command = Command::new("node");
    command
        .arg(folder.join(script))
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    command
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("grpc")
}
