use std::net::TcpListener;
use std::sync::Arc;

use auth_server::{Config, Listeners};

use super::{SECRET, Server};

impl Server {
    /// Tries to start a further server on the same database.
    pub(crate) async fn start_again(&self) -> anyhow::Result<()> {
        let config = Config::parse(&self.toml, &|_| Some(SECRET.to_owned())).unwrap();
        let listeners = Listeners {
            public: TcpListener::bind("127.0.0.1:0").unwrap(),
            management: None,
        };
        let running = auth_server::start(config, listeners, Arc::new(self.clock.clone())).await?;
        running.stop().await;
        Ok(())
    }
}
