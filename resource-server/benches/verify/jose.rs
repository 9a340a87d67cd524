//! npm `jose` in a Node process, which measures itself when it is its turn.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::token::{AUDIENCE, ISSUER};

/// The process; it ends when this is dropped.
pub(crate) struct Jose {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What one check took, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Took {
    pub(crate) clock: f64,
    /// Of all threads of the process.
    pub(crate) cpu: f64,
}

impl Jose {
    /// Hands it keys and tokens.
    pub(crate) fn start(jwks: &Value, tokens: &[String]) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/interop");
        assert!(
            folder.join("node_modules/jose").is_dir(),
            "npm jose is not installed: run `make setup`"
        );
        let mut process = Command::new("node")
            .arg(folder.join("verify_bench.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node starts");
        let mut jose = Self {
            orders: process.stdin.take().unwrap(),
            answers: BufReader::new(process.stdout.take().unwrap()),
            process,
        };
        jose.tell(&json!({"jwks": jwks, "tokens": tokens, "issuer": ISSUER, "audience": AUDIENCE}));
        jose
    }

    /// Has as many checks made, one after the other.
    pub(crate) fn run(&mut self, checks: usize) -> Took {
        self.tell(&json!({ "checks": checks }));
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        let each = |name: &str| told[name].as_f64().unwrap();
        Took {
            clock: each("clock"),
            cpu: each("cpu"),
        }
    }

    fn tell(&mut self, words: &Value) {
        writeln!(self.orders, "{words}").expect("node reads its standard input");
    }
}

impl Drop for Jose {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
