//! The service, its issuer, and a client that sees every byte.

mod issuer;
mod minter;
mod wire;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use resource_server::time::{ManualClock, UnixTime};
use resource_server::{Config, Listeners, Running, start};
use serde_json::json;

pub(crate) use issuer::Issuer;
pub(crate) use minter::{Minter, decode, encode};
pub(crate) use wire::Answer;

pub(crate) const AUDIENCE: &str = "https://notes.example";
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

/// A service that is up, its issuer, and the issuer's key.
pub(crate) struct Stage {
    pub(crate) issuer: Issuer,
    pub(crate) minter: Minter,
    clock: ManualClock,
    running: Running,
    management: SocketAddr,
}

impl Stage {
    /// A service that has seen a good token, and so has keys.
    pub(crate) async fn start() -> Self {
        let stage = Self::start_cold().await;
        stage.issuer.publish(&[&stage.minter]);
        stage.get(&stage.minter.good()).await.assert_welcome();
        assert_eq!(stage.issuer.visits(), 1);
        stage
    }

    /// A service without keys, whose issuer answers 503.
    pub(crate) async fn start_cold() -> Self {
        let issuer = Issuer::start().await;
        let config = format!(
            "[server]\nworkers = 1\n[token]\nissuer = {:?}\naudience = {AUDIENCE:?}\n",
            issuer.url
        );
        let management = TcpListener::bind("127.0.0.1:0").unwrap();
        let management_address = management.local_addr().unwrap();
        let listeners = Listeners {
            public: TcpListener::bind("127.0.0.1:0").unwrap(),
            management: Some(management),
        };
        let clock = ManualClock::new(NOW);
        let config = Config::parse(&config, &|_| None).unwrap();
        let running = start(config, listeners, Arc::new(clock.clone())).await.unwrap();
        Self {
            minter: Minter::new("k1", &issuer.url),
            issuer,
            clock,
            running,
            management: management_address,
        }
    }

    pub(crate) async fn stop(self) {
        self.issuer.stop().await;
        self.running.stop().await;
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Another key of the same issuer; whether it is published is another matter.
    pub(crate) fn other_minter(&self, kid: &str) -> Minter {
        Minter::new(kid, &self.issuer.url)
    }

    /// A request with this token.
    pub(crate) async fn get(&self, token: &str) -> Answer {
        self.get_authorized(format!("Bearer {token}").as_bytes()).await
    }

    /// A request with this `Authorization`.
    pub(crate) async fn get_authorized(&self, authorization: &[u8]) -> Answer {
        let header = [b"Authorization: ", authorization].concat();
        self.get_with("/notes", &[header]).await
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[Vec<u8>]) -> Answer {
        wire::get(self.running.address(), path, headers).await
    }

    /// One request with each token, all at once.
    pub(crate) async fn get_all(&self, tokens: &[String]) -> Vec<Answer> {
        join_all(tokens.iter().map(|token| self.get(token))).await
    }

    /// Good tokens but for their names of keys, which nobody ever published.
    pub(crate) fn tokens_of_random_keys(&self, count: usize) -> Vec<String> {
        let name = |n| json!(format!("random-{n}-{}", encode(&[n as u8; 16])));
        (0..count).map(|n| self.minter.headed("kid", name(n))).collect()
    }

    /// Whether the service says that it can judge tokens.
    pub(crate) async fn is_ready(&self) -> bool {
        let request = format!("http://{}/health/ready", self.management);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.get(request).send().await.unwrap().status() == 200
    }

    /// The token is refused as invalid, and a good one is still welcome.
    pub(crate) async fn assert_refused(&self, token: &str) {
        self.get(token).await.assert_invalid_token();
        self.get(&self.minter.good()).await.assert_welcome();
    }
}

/// One test for each token: it is refused with 401 and `invalid_token`, and nothing else comes to harm.
macro_rules! refused {
    ($(fn $name:ident($minter:ident) $token:block)*) => {$(
        #[tokio::test]
        async fn $name() {
            let stage = $crate::harness::Stage::start().await;
            let $minter = &stage.minter;
            let token: String = $token;
            stage.assert_refused(&token).await;
            stage.stop().await;
        }
    )*};
}

/// One test for each token: it is welcome.
macro_rules! accepted {
    ($(fn $name:ident($minter:ident) $token:block)*) => {$(
        #[tokio::test]
        async fn $name() {
            let stage = $crate::harness::Stage::start().await;
            let $minter = &stage.minter;
            let token: String = $token;
            stage.get(&token).await.assert_welcome();
            stage.stop().await;
        }
    )*};
}

pub(crate) use {accepted, refused};
