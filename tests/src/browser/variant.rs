//! The same browser in other circumstances.

use std::net::SocketAddr;

use super::Browser;

impl Browser {
    /// The same browser as if it were another product, or on another machine.
    #[must_use]
    pub fn that_calls_itself(mut self, user_agent: &str) -> Self {
        self.client = client(user_agent, usize::MAX, self.authority.as_deref());
        user_agent.clone_into(&mut self.user_agent);
        self
    }

    /// This browser, opening a connection for each request. With a pool, some of many parallel requests are sent on
    /// connections that lay idle for long, and may close at that very moment.
    #[must_use]
    pub fn without_pool(&self) -> Self {
        Self {
            client: client(&self.user_agent, 0, self.authority.as_deref()),
            ..self.clone()
        }
    }

    /// This browser, sent to one of several nodes as a load balancer would: the address stays that of the app.
    #[must_use]
    pub fn at(&self, node: SocketAddr) -> Self {
        Self {
            node: Some(node),
            ..self.clone()
        }
    }
}

/// `authority` is trusted instead of those that this machine trusts, if there is one.
pub(super) fn client(user_agent: &str, idle_connections: usize, authority: Option<&[u8]>) -> reqwest::Client {
    let mut client = reqwest::Client::builder();
    if let Some(authority) = authority {
        let authority = reqwest::Certificate::from_pem(authority).expect("a certificate");
        client = client.tls_certs_only([authority]);
    }
    client
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .user_agent(user_agent)
        .tcp_nodelay(true)
        // The servers listen on IPv4, whatever else this machine's `localhost` is.
        .resolve("localhost", std::net::SocketAddr::from(([127, 0, 0, 1], 0)))
        .pool_max_idle_per_host(idle_connections)
        .build()
        .expect("an HTTP client")
}
