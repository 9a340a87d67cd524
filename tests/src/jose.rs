//! A verifier of tokens that is not ours: npm `jose` in a Node process.

use std::path::Path;
use std::process::Stdio;

use resource_server::time::UnixTime;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::leash::assert_installed;
use crate::wait::within_patience;

/// The process; it ends when this is dropped.
#[derive(Debug)]
pub struct Jose {
    tokens: ChildStdin,
    verdicts: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

/// What a token has to say.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'e> {
    /// `iss`.
    pub issuer: &'e str,
    /// `aud`.
    pub audience: &'e str,
    /// `typ`.
    pub token_type: &'e str,
    /// What time it is.
    pub now: UnixTime,
}

impl Jose {
    /// Starts a verifier that takes its keys from this address, when it needs some.
    ///
    /// # Panics
    /// When Node or the package is missing.
    pub async fn start(jwks: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop");
        assert_installed("node");
        assert!(
            folder.join("node_modules/jose").is_dir(),
            "npm jose is not installed: run `make test`, or `npm ci` in {}",
            folder.display()
        );
        let mut process = Command::new("node")
            .arg(folder.join("verifier.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node starts");
        let mut jose = Self {
            tokens: process.stdin.take().expect("stdin is piped"),
            verdicts: BufReader::new(process.stdout.take().expect("stdout is piped")).lines(),
            _process: process,
        };
        jose.tell(&json!({ "jwks": jwks })).await;
        jose
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// What `jose` calls the reason to refuse it.
    ///
    /// # Panics
    /// When the process has ended.
    pub async fn verify(&mut self, token: &str, expected: Expected<'_>) -> Result<(), String> {
        self.tell(&json!({
            "token": token,
            "issuer": expected.issuer,
            "audience": expected.audience,
            "typ": expected.token_type,
            "now": expected.now,
        }))
        .await;
        let verdict = within_patience("jose answers", self.verdicts.next_line()).await;
        let verdict = verdict.expect("jose's output is text").expect("jose goes on");
        let verdict: Value = serde_json::from_str(&verdict).expect("jose answers in JSON");
        match verdict["refused"].as_str() {
            Some(reason) => Err(reason.to_owned()),
            None => Ok(()),
        }
    }

    async fn tell(&mut self, words: &Value) {
        let line = format!("{words}\n");
        let told = self.tokens.write_all(line.as_bytes()).await;
        told.expect("jose reads its standard input");
    }
}
