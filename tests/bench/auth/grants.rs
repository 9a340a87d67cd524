//! What is measured: grants, one after the other on each of many connections.

use std::time::{Duration, Instant};

use e2e::process;
use futures_util::future::join_all;
use tokio::sync::Mutex;

use crate::contender::{AUDIENCE, Contender};
use crate::load::{Client, Tokens};

/// Which grant is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grant {
    /// RFC 6749 §6, with rotation: each uses the refresh token of the one before.
    Refresh,
    /// RFC 6749 §4.4.
    ClientCredentials,
}

/// A refresh token and its successors.
#[derive(Debug)]
pub(crate) struct Chain {
    refresh_token: Mutex<String>,
}

/// What came of one.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) per_second: f64,
    /// Of the server's process.
    pub(crate) cpu_us: f64,
    pub(crate) p99_ms: f64,
}

impl Grant {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Refresh => "refresh token",
            Self::ClientCredentials => "client credentials",
        }
    }
}

impl Chain {
    /// Begins with what a code brought.
    pub(crate) fn of(tokens: Tokens) -> Self {
        let first = tokens.refresh_token.expect("a refresh token");
        Self {
            refresh_token: Mutex::new(first),
        }
    }

    /// The next link; every server has to give what the others give.
    pub(crate) async fn refresh(&self, client: &Client) {
        let mut current = self.refresh_token.lock().await;
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", current.as_str()),
        ];
        let tokens = client.ask(&form).await;
        assert!(is_jwt(&tokens.access_token), "its access token is no JWT");
        assert!(
            tokens.id_token.is_some_and(|token| is_jwt(&token)),
            "it gives no ID token"
        );
        let next = tokens.refresh_token.expect("a new refresh token");
        assert_ne!(*current, next, "it does not rotate refresh tokens");
        *current = next;
    }
}

async fn client_credentials(client: &Client) {
    let form = [
        ("grant_type", "client_credentials"),
        ("scope", "notes:read"),
        ("resource", AUDIENCE),
    ];
    let tokens = client.ask(&form).await;
    assert!(is_jwt(&tokens.access_token), "its access token is no JWT");
}

fn is_jwt(token: &str) -> bool {
    token.split('.').count() == 3
}

/// Every chain asks without a pause.
pub(crate) async fn round(contender: &Contender, grant: Grant, length: Duration) -> Round {
    let client = Client::new(contender);
    let before = process::cpu(contender.pid);
    let begun = Instant::now();
    let asking = contender.chains.iter().map(|chain| {
        let client = &client;
        async move {
            let mut took = Vec::new();
            while begun.elapsed() < length {
                let asked = Instant::now();
                match grant {
                    Grant::Refresh => chain.refresh(client).await,
                    Grant::ClientCredentials => client_credentials(client).await,
                }
                took.push(asked.elapsed());
            }
            took
        }
    });
    let mut took = join_all(asking).await.concat();
    let elapsed = begun.elapsed();
    let cpu = process::cpu(contender.pid).saturating_sub(before);
    took.sort_unstable();
    Round {
        per_second: took.len() as f64 / elapsed.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / took.len() as f64,
        p99_ms: at(&took, 0.99).as_secs_f64() * 1e3,
    }
}

/// The value below which this share of the sorted ones lies.
pub(crate) fn at(sorted: &[Duration], share: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}
